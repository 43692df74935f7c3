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
