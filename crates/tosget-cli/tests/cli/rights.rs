//! Who may read what: a file that is replaced keeps its rights, and so does all that is on its way to replace it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::process::Signal;

use crate::stage::{BUCKET, MIB, Stage, assert_is_big_object, run};

const SIZE: u64 = 12 * MIB;
const GET: [&str; 5] = ["get", "tos://bkt/big", "out", "--part-size", "2MiB"];
/// Of nobody in particular.
const STRANGER: u32 = 54321;

fn stage() -> Stage {
    let stage = Stage::with_big_object(SIZE);
    stage.emulator.put_object(BUCKET, "small", "content");
    stage
}

fn put(stage: &Stage, mode: u32) {
    fs::write(stage.path("out"), "old").expect("written");
    fs::set_permissions(stage.path("out"), Permissions::from_mode(mode)).expect("ours");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o7777
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_replaced_file_keeps_its_mode_and_what_replaces_it_never_had_more() {
    for wanted in [0o600, 0o640, 0o400, 0o444, 0o644, 0o666, 0o755, 0o700] {
        let stage = stage();
        put(&stage, wanted);
        stage.slow_down(8 * MIB);
        let running = stage.start(&GET);
        stage.wait_until_sent(5 * MIB);
        let look = |when: &str| {
            for name in stage.files().iter().filter(|name| name.starts_with('.')) {
                let (path, most) = (stage.path(name), wanted | 0o600);
                assert_eq!(
                    mode(&path) & !most,
                    0,
                    "{name} {when}: {:o} for {wanted:o}",
                    mode(&path)
                );
            }
        };
        look("under way");
        running.signal(Signal::TERM);
        running.wait().ends_with(130);
        look("stopped");
        assert_eq!(mode(&stage.path("out")), wanted);
        stage.full_speed();
        stage.run(&GET).ends_with(0).says(" resumed in ");
        assert_is_big_object(&stage.path("out"), SIZE);
        assert_eq!(mode(&stage.path("out")), wanted);
        stage.run(&["get", "tos://bkt/small", "out"]).ends_with(0);
        assert_eq!(stage.read("out"), b"content");
        assert_eq!(
            (mode(&stage.path("out")), stage.files()),
            (wanted, vec!["out".to_owned()])
        );
    }
}

#[test]
fn what_was_begun_for_all_to_see_is_private_once_the_destination_is() {
    let stage = stage();
    stage.slow_down(8 * MIB);
    let running = stage.start(&GET);
    stage.wait_until_sent(5 * MIB);
    running.kill();
    put(&stage, 0o600);
    let running = stage.start(&GET);
    stage.wait_until_sent(7 * MIB);
    let names = stage.files();
    let temporary = names.iter().find(|name| name.ends_with("tosget-part"));
    assert_eq!(mode(&stage.path(temporary.expect("there"))), 0o600);
    stage.full_speed();
    running.wait().ends_with(0);
    assert_eq!(mode(&stage.path("out")), 0o600);
}

#[test]
fn the_set_user_id_bit_is_no_right_of_new_content() {
    let stage = stage();
    put(&stage, 0o4755);
    stage.run(&["get", "tos://bkt/small", "out"]).ends_with(0);
    assert_eq!(mode(&stage.path("out")), 0o755);
}

#[test]
fn root_keeps_the_owner_and_the_group() {
    if !is_root() {
        return;
    }
    let stage = stage();
    for key in ["tos://bkt/small", "tos://bkt/big"] {
        put(&stage, 0o640);
        chown(stage.path("out"), Some(STRANGER), Some(STRANGER + 1)).expect("we are root");
        stage
            .run(&["get", key, "out", "--part-size", "2MiB"])
            .ends_with(0);
        let metadata = fs::metadata(stage.path("out")).expect("there");
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (STRANGER, STRANGER + 1),
            "{key}"
        );
        assert_eq!(mode(&stage.path("out")), 0o640);
        chown(stage.path("out"), Some(0), Some(0)).expect("we are root");
    }
}

/// Another owner's group may not be ours to give: then ours gets what everybody has.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_group_that_can_not_be_kept_gives_no_other_group_its_rights() {
    use crate::odd_system::OddSystem;
    if !is_root() {
        return;
    }
    for (before, after) in [
        (0o640, 0o600),
        (0o664, 0o644),
        (0o660, 0o600),
        (0o604, 0o604),
        (0o444, 0o444),
    ] {
        let stage = stage();
        put(&stage, before);
        chown(stage.path("out"), Some(STRANGER), Some(STRANGER)).expect("we are root");
        let odd = OddSystem::new(&stage).fail("chown", "EPERM", "");
        odd.run(&["get", "tos://bkt/small", "out"]).ends_with(0);
        assert_eq!(mode(&stage.path("out")), after, "{before:o}");
        assert!(odd.was_used());
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_file_system_without_modes_is_done_without_them_and_nothing_is_widened() {
    use crate::odd_system::OddSystem;
    for errno in ["EPERM", "EOPNOTSUPP", "EINVAL"] {
        let stage = stage();
        put(&stage, 0o644);
        let odd = OddSystem::new(&stage).fail("chmod", errno, "");
        for arguments in [&["get", "tos://bkt/small", "out"][..], &GET] {
            odd.run(arguments).ends_with(0);
            assert_eq!(mode(&stage.path("out")), 0o600);
        }
        assert!(odd.was_used());
    }
}

/// What was begun for all to see can't be made private.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_private_file_that_came_during_the_download_is_not_replaced_by_one_with_more_rights() {
    use crate::odd_system::OddSystem;
    let stage = stage();
    stage.slow_down(8 * MIB);
    let odd = OddSystem::new(&stage).fail("chmod", "EPERM", "");
    let running = odd.start(&GET);
    stage.wait_until_sent(5 * MIB);
    put(&stage, 0o600);
    stage.full_speed();
    let ran = running.wait().ends_with(1);
    ran.says("could not keep the rights of").says("go on");
    assert_eq!(stage.read("out"), b"old");
    stage.run(&GET).ends_with(0).says(" resumed in ");
    assert_is_big_object(&stage.path("out"), SIZE);
    assert_eq!(mode(&stage.path("out")), 0o600);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn new_directories_are_made_durable_up_to_the_one_that_was_there() {
    use crate::odd_system::OddSystem;
    let stage = stage();
    stage.emulator.put_object(BUCKET, "a/b/", "");
    for (arguments, synced) in [
        (["get", "tos://bkt/small", "x/y/out"], vec!["", "/x", "/x/y"]),
        (["get", "tos://bkt/big", "p/q/out"], vec!["", "/p", "/p/q"]),
        (["get", "tos://bkt/a/b/", "d/"], vec!["", "/d", "/d/a"]),
    ] {
        let odd = OddSystem::new(&stage).rule("fsync wait0 * ");
        odd.run(&arguments).ends_with(0);
        let uses = odd.uses();
        for directory in synced {
            let sync = format!("fsync wait0 {}{directory}", stage.folder().display());
            assert!(uses.contains(&sync), "{sync} is not in {uses:#?}");
        }
    }
}

#[test]
fn a_file_that_is_the_object_already_need_not_be_ours_to_write() {
    let stage = stage();
    stage.run(&["get", "tos://bkt/big", "out"]).ends_with(0);
    fs::set_permissions(stage.path("out"), Permissions::from_mode(0o444)).expect("ours");
    fs::set_permissions(stage.folder(), Permissions::from_mode(0o777)).expect("ours");
    let mut command = stage.command(&["get", "tos://bkt/big", "out", "--skip-same", "--json"]);
    if is_root() {
        command.uid(STRANGER).gid(STRANGER);
    }
    let told = run(&mut command).ends_with(0).json();
    assert_eq!(told["bytes_fetched"], 0);
    let metadata = fs::metadata(stage.path("out")).expect("there");
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
}
