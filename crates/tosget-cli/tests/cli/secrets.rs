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
    for (arguments, code) in [
        (&["get", "tos://bkt/k", "-vv"][..], 0),
        (&["get", "tos://bkt/k", "-vv", "--proxy", &proxy], 0),
        (&["get", "tos://bkt/none", "-vv"], 3),
        (&["stat", "tos://bkt/k", "-vv"], 0),
        (
            &[
                "get",
                "tos://bkt/k",
                "-vv",
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
                "-vv",
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
                "-vv",
                "--proxy",
                "ftp://user:zq-proxy-password@127.0.0.1:1",
            ],
            2,
        ),
    ] {
        let ran = run(stage.command(arguments).envs([
            ("TOS_ACCESS_KEY", "an-access-key"),
            ("TOS_SECRET_KEY", SECRET),
            ("TOS_SECURITY_TOKEN", TOKEN),
        ]))
        .ends_with(code);
        for secret in [SECRET, TOKEN, PASSWORD] {
            assert!(
                !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                "{ran:#?}"
            );
        }
    }
}

#[test]
fn a_log_tells_of_each_request() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let ran = stage.run(&["get", "tos://bkt/k", "-vv"]).ends_with(0);
    ran.says("DEBUG request{").says("done: ");
    let ran = stage.run(&["get", "tos://bkt/k", "-v"]).ends_with(0);
    assert!(!ran.stderr.contains("DEBUG"), "{ran:#?}");
}
