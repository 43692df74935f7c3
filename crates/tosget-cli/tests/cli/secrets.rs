//! No secret is ever printed, however much is.

use crate::stage::{BUCKET, Stage, run};

const SECRET: &str = "zq-very-secret-key";
const TOKEN: &str = "zq-security-token";
const PASSWORD: &str = "zq-proxy-password";

#[test]
fn the_log_of_every_request_holds_no_secret() {
    let stage = Stage::with(|builder| builder.credential("an-access-key", SECRET, Some(TOKEN.into())));
    stage.emulator.put_object(BUCKET, "k", "content");
    let proxy = format!("http://user:{PASSWORD}@{}", stage.emulator.address());
    let keys = [
        ("TOS_ACCESS_KEY", "an-access-key"),
        ("TOS_SECRET_KEY", SECRET),
        ("TOS_SECURITY_TOKEN", TOKEN),
    ];
    let url = run(stage.command(&["presign", "tos://bkt/k"]).envs(keys))
        .ends_with(0)
        .stdout;
    let url = url.trim_end().to_owned();
    let (_, signature) = url.split_once("X-Tos-Signature=").expect("signed");
    for (arguments, code) in [
        (&["get", "tos://bkt/k", "-vvv"][..], 0),
        (&["get", "tos://bkt/k", "-vvv", "--proxy", &proxy], 0),
        (&["get", "tos://bkt/none", "-vvv"], 3),
        (&["stat", "tos://bkt/k", "-vvv"], 0),
        (&["get", &url, "-vvv"], 0),
        (&["stat", &url, "-vvv"], 0),
        (&["get", &url, "-vvv", "--proxy", &proxy], 0),
        (&["get", &url.replace("/k?", "/none?"), "-vvv"], 3),
        (
            &[
                "get",
                "tos://bkt/k",
                "-vvv",
                "--endpoint",
                "http://127.0.0.1:1",
                "--max-retries",
                "1",
            ],
            1,
        ),
        (
            &[
                "get",
                "tos://bkt/k",
                "-vvv",
                "--proxy",
                "http://user:zq-proxy-password@127.0.0.1:1",
                "--max-retries",
                "1",
            ],
            1,
        ),
        (
            &[
                "get",
                "tos://bkt/k",
                "-vvv",
                "--proxy",
                "ftp://user:zq-proxy-password@127.0.0.1:1",
            ],
            2,
        ),
    ] {
        let ran = run(stage.command(arguments).envs(keys)).ends_with(code);
        for secret in [SECRET, TOKEN, PASSWORD, signature, "X-Tos-"] {
            assert!(
                !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                "{ran:#?}"
            );
        }
    }
}

#[test]
fn a_url_that_is_refused_as_an_argument_is_not_repeated_with_its_signature() {
    let stage = Stage::new();
    let url = "https://h.test/k?X-Tos-Date=1&X-Tos-Signature=0123456789abcdef";
    for arguments in [
        &["presign", url][..],
        &["presign", url, "--json"],
        &["presign", "tos://bkt/k", url],
        &["get", "tos://bkt/k", "x", url],
        &["stat", url, url],
        &[url],
        &["get", "tos://bkt/k", "--part-size", url],
        &["get", "tos://bkt/k", &format!("--part-size={url}")],
        &["presign", "--expires", url, "tos://bkt/k"],
    ] {
        let ran = stage.run(arguments).ends_with(2);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            !told.contains("0123456789abcdef") && !told.contains("X-Tos-Date"),
            "{told}"
        );
    }
    stage
        .run(&["presign", url])
        .says("https://h.test/k?<redacted>")
        .says("tos://BUCKET/KEY");
}

/// A browser would show it to the server; here it is refused, and nobody hears of it.
#[test]
fn a_password_in_a_url_is_not_repeated() {
    let stage = Stage::new();
    let urls = [
        "https://user:hunter2@h.test/k?a",
        "https://hunter2@h.test/k",
        "http://user:hun/hunter2@h.test/k",
        "http://user:hunter2?hunter2@h.test/k",
        "user:hunter2@h.test/k?a",
    ];
    for url in urls {
        let list = |name: &str, text: String| {
            std::fs::write(stage.path(name), text).expect("written");
        };
        list("one", format!("{url}\n"));
        list("two", format!("{url}\n{url}b\n"));
        std::fs::create_dir_all(stage.path("d")).expect("made");
        for arguments in [
            &["get", url, "d/"][..],
            &["get", url, "d/x", "--json"],
            &["stat", url],
            &["stat", url, "--json"],
            &["batch", "one", "d"],
            &["batch", "one", "d", "--json"],
            &["batch", "two", "d"],
            &["batch", "two", "d", "--json"],
            &["get", "tos://bkt/k", "x", url],
            &["presign", url],
            &["get", "tos://bkt/k", "--endpoint", url],
            &["get", "tos://bkt/k", "--proxy", url],
            &["get", "tos://bkt/k", "--part-size", url],
        ] {
            let mut arguments = arguments.to_vec();
            if arguments[0] != "presign" {
                arguments.push("-vvv");
            }
            let ran = stage.run(&arguments).ends_with(2);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!told.contains("hun"), "{arguments:?}: {told}");
        }
    }
    // An @ that stands elsewhere is none of a password.
    let ran = stage.run(&["get", "http://127.0.0.1:1/@scope/k", "--max-retries", "0"]);
    ran.ends_with(1).says("http://127.0.0.1:1/%40scope/k");
    std::fs::write(stage.path("one"), "http://127.0.0.1:1/@scope/k?x=a@b\n").expect("written");
    let ran = stage.run(&["batch", "one", "d", "--json", "--max-retries", "0"]);
    assert!(
        ran.stdout.contains("\"url\":\"http://127.0.0.1:1/@scope/k\""),
        "{ran:#?}"
    );
}
