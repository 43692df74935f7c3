//! Who types something wrong is told what to type.

use crate::stage::{Stage, bare_command, run};

#[test]
fn missing_credentials_are_named_and_so_is_the_way_without() {
    let ran = run(bare_command(&["get", "tos://bkt/k"]).env("TOS_REGION", "cn-beijing")).ends_with(2);
    for words in [
        "TOS_ACCESS_KEY",
        "TOS_SECRET_KEY",
        "TOS_SECURITY_TOKEN",
        "--anonymous",
    ] {
        ran.says(words);
    }
    let half = [("TOS_REGION", "cn-beijing"), ("TOS_ACCESS_KEY", "a")];
    let ran = run(bare_command(&["get", "tos://bkt/k"]).envs(half)).ends_with(2);
    ran.says("TOS_SECRET_KEY not set");
}

#[test]
fn a_missing_region_or_endpoint_is_named() {
    let ran = run(&mut bare_command(&["stat", "tos://bkt/k", "--anonymous"])).ends_with(2);
    ran.says("--region").says("TOS_ENDPOINT");
    let keys = [("TOS_ACCESS_KEY", "a"), ("TOS_SECRET_KEY", "s")];
    let command = ["stat", "tos://bkt/k", "--endpoint", "http://127.0.0.1:1"];
    let ran = run(bare_command(&command).envs(keys)).ends_with(2);
    ran.says("\n  hint: use --region");
}

#[test]
fn a_name_or_size_that_cannot_be_read_shows_the_form() {
    let stage = Stage::new();
    stage.run(&["get", "bkt/k"]).ends_with(2).says("tos://BUCKET/KEY");
    stage
        .run(&["get", "tos://bkt/"])
        .ends_with(2)
        .says("the key is missing");
    stage
        .run(&["get", "tos://bkt/k", "--part-size", "20Mi"])
        .ends_with(2)
        .says("KiB, MiB");
    stage
        .run(&["get", "tos://bkt/k", "--idle-timeout", "30"])
        .ends_with(2)
        .says("1500ms");
}

#[test]
fn what_was_typed_cannot_steer_the_terminal() {
    let stage = Stage::new();
    for arguments in [
        ["get", "tos://bkt/\u{1b}[31mk", "x/../../\u{1b}[31m/"],
        ["get", "\u{1b}[31m", "x"],
        ["get", "tos://bkt/k", "--\u{1b}[31m"],
        ["stat", "tos://bkt/\u{1b}[31m\u{9b}", "--region=cn-beijing"],
    ] {
        let ran = stage.run(&arguments);
        assert_ne!(ran.code, Some(0), "{arguments:?}");
        let steers = |text: &str| {
            text.chars()
                .any(|character| character.is_control() && character != '\n')
        };
        assert!(!steers(&ran.stderr) && !steers(&ran.stdout), "{ran:#?}");
    }
}

#[test]
fn the_help_tells_of_exit_codes_and_the_environment() {
    let ran = run(&mut bare_command(&["--help"])).ends_with(0);
    for words in ["Examples:", "TOS_SECURITY_TOKEN", "NO_COLOR", "130"] {
        assert!(ran.stdout.contains(words), "{words}");
    }
    let ran = run(&mut bare_command(&["get", "--help"])).ends_with(0);
    for words in ["DIR or DIR/", "[env: TOS_ENDPOINT]", "auto, always, never"] {
        assert!(ran.stdout.contains(words), "{words}");
    }
    let ran = run(&mut bare_command(&["--version"])).ends_with(0);
    assert_eq!(ran.stdout, format!("tosget {}\n", env!("CARGO_PKG_VERSION")));
}
