//! Who we are to others that look at our checkpoint, and whether the owner we find there is still alive.
//!
//! The file lock answers that where locks are honest. On some network file systems everybody gets the lock, so the
//! journal carries its owner as well.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::format::{Owner, OwnerBlock, OwnerState};
use crate::storage::Storage;

/// The owners that are alive in this process.
static ALIVE: Mutex<BTreeSet<[u8; 16]>> = Mutex::new(BTreeSet::new());

/// Keeps an owner alive in the eyes of this process's other downloads.
#[derive(Debug)]
pub(super) struct Alive([u8; 16]);

impl Alive {
    pub(super) fn new(owner: &Owner) -> Self {
        alive(|tokens| tokens.insert(owner.token));
        Self(owner.token)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        alive(|tokens| tokens.remove(&self.0));
    }
}

fn alive<T>(work: impl FnOnce(&mut BTreeSet<[u8; 16]>) -> T) -> T {
    work(&mut ALIVE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What can be said of a checkpoint's last owner by somebody who got its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// It let go, or it is dead.
    Gone,
    /// It runs on this machine: the lock lied.
    Alive,
    /// It may run on another machine, or where we can't see: its heart has to be watched.
    Unknown,
}

/// This process as an owner, with a token that no other opened checkpoint has.
pub(crate) fn current_owner(storage: &dyn Storage, token: [u8; 16]) -> Owner {
    let pid = std::process::id();
    Owner {
        token,
        boot_id: storage.boot_id().unwrap_or_default(),
        pid,
        process_started: process_started(pid).unwrap_or_default(),
        pid_namespace: pid_namespace().unwrap_or_default(),
        host: host_name().unwrap_or_else(|| "unknown".to_owned()),
    }
}

/// Judges the last owner as `me` sees it.
pub(crate) fn liveness(me: &Owner, last: &OwnerBlock) -> Liveness {
    judge(me, last, process, |token| alive(|tokens| tokens.contains(token)))
}

fn judge(
    me: &Owner,
    last: &OwnerBlock,
    process: impl Fn(u32) -> Process,
    is_ours: impl Fn(&[u8; 16]) -> bool,
) -> Liveness {
    let other = &last.owner;
    let same_boot = me.boot_id != [0; 16] && me.boot_id == other.boot_id;
    let pid_means_the_same = same_boot && me.pid_namespace != 0 && me.pid_namespace == other.pid_namespace;
    match last.state {
        OwnerState::Released(_) => Liveness::Gone,
        _ if pid_means_the_same => {
            let alive = if other.pid == me.pid && other.process_started == me.process_started {
                is_ours(&other.token)
            } else {
                match process(other.pid) {
                    Process::Runs { started } => started == other.process_started,
                    Process::Hidden => return Liveness::Unknown,
                    Process::Gone => false,
                }
            };
            if alive { Liveness::Alive } else { Liveness::Gone }
        }
        OwnerState::Running | OwnerState::Doubted => Liveness::Unknown,
    }
}

/// What the system tells of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    /// Since when, in clock ticks since boot.
    Runs {
        started: u64,
    },
    Gone,
    /// It is there, and another user's; `/proc` is mounted so that nothing else is told (`hidepid`).
    Hidden,
}

fn process(pid: u32) -> Process {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => parse_stat(&stat).unwrap_or(Process::Gone),
        Err(_) if is_refused(pid) => Process::Hidden,
        Err(_) => Process::Gone,
    }
}

fn process_started(pid: u32) -> Option<u64> {
    match process(pid) {
        Process::Runs { started } => Some(started),
        Process::Gone | Process::Hidden => None,
    }
}

/// Reads `/proc/PID/stat`: the state, field 20 (the number of threads) and field 22 (the start time), counted from the end of the
/// command's name, which may itself hold blanks and parentheses (proc_pid_stat(5)).
///
/// A process that has ended stays there as a zombie until its parent asks for its result, in many containers for ever. A zombie
/// with more threads has ended its first one only.
fn parse_stat(stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    let is_dead = matches!(state, "Z" | "X" | "x") && threads <= 1;
    Some(if is_dead {
        Process::Gone
    } else {
        Process::Runs { started }
    })
}

/// Whether the process is there and may not be sent a signal: that is told also where `/proc` shows nothing of it.
#[cfg(unix)]
fn is_refused(pid: u32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::PERM))
}

#[cfg(not(unix))]
fn is_refused(_pid: u32) -> bool {
    false
}

/// Number of our pid namespace: `/proc/self/ns/pid` is a link that reads `pid:[4026531836]`.
fn pid_namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?
        .strip_prefix("pid:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

fn host_name() -> Option<String> {
    let from_kernel = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::format::{Seal, tests::owner};
    use super::*;
    use crate::storage::{FileId, SystemStorage};

    fn running(owner: Owner) -> OwnerBlock {
        OwnerBlock {
            owner,
            beat: 1,
            state: OwnerState::Running,
        }
    }

    fn other_process() -> Owner {
        Owner {
            token: [1; 16],
            pid: 8,
            process_started: 80,
            ..owner()
        }
    }

    #[test]
    fn a_running_process_of_this_machine_is_alive_and_a_reused_pid_is_not_it() {
        let block = running(other_process());
        let judge = |process| judge(&owner(), &block, |_| process, |_| false);
        assert_eq!(judge(Process::Runs { started: 80 }), Liveness::Alive);
        assert_eq!(judge(Process::Runs { started: 81 }), Liveness::Gone);
        assert_eq!(judge(Process::Gone), Liveness::Gone);
        assert_eq!(judge(Process::Hidden), Liveness::Unknown);
    }

    #[test]
    fn an_owner_on_another_machine_or_in_another_container_has_to_be_watched() {
        let elsewhere = Owner {
            boot_id: [3; 16],
            ..other_process()
        };
        assert_eq!(
            judge(&owner(), &running(elsewhere), |_| Process::Gone, |_| false),
            Liveness::Unknown
        );
        let contained = Owner {
            pid_namespace: 1,
            ..other_process()
        };
        assert_eq!(
            judge(&owner(), &running(contained), |_| Process::Gone, |_| false),
            Liveness::Unknown
        );
    }

    #[test]
    fn who_let_go_is_gone_wherever_it_was() {
        let seal = Seal {
            id: FileId { device: 0, inode: 0 },
            len: 0,
            modified_ns: 0,
            changed_ns: 0,
        };
        let elsewhere = Owner {
            boot_id: [3; 16],
            ..other_process()
        };
        let block = OwnerBlock {
            owner: elsewhere,
            beat: 1,
            state: OwnerState::Released(seal),
        };
        assert_eq!(
            judge(&owner(), &block, |_| Process::Runs { started: 80 }, |_| false),
            Liveness::Gone
        );
    }

    #[test]
    fn a_process_that_has_ended_is_gone_also_before_its_parent_asks() {
        let stat = |state: &str, threads: u64| {
            parse_stat(&format!(
                "7 (a ) Z b) {state} 1 7 7 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 {threads} 0 8472 0 0 0"
            ))
        };
        assert_eq!(stat("S", 5), Some(Process::Runs { started: 8472 }));
        assert_eq!(stat("Z", 1), Some(Process::Gone));
        assert_eq!(stat("X", 1), Some(Process::Gone));
        assert_eq!(stat("Z", 5), Some(Process::Runs { started: 8472 }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_is_hidden_is_not_taken_for_gone() {
        use std::os::unix::fs::MetadataExt;
        let user = |path: &str| fs::metadata(path).map(|process| process.uid()).ok();
        let (own, first) = (user("/proc/self"), user("/proc/1"));
        assert_eq!(is_refused(1), own != Some(0) && own != first);
        assert!(!is_refused(std::process::id()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_tell_who_it_is() {
        let me = current_owner(&SystemStorage, [0; 16]);
        assert_ne!(me.boot_id, [0; 16]);
        assert_ne!(me.process_started, 0);
        assert_ne!(me.pid_namespace, 0);
        assert_eq!(process_started(me.pid), Some(me.process_started));
    }
}
