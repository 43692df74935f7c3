//! Signals that ask for an end: the first one stops the work in order, the second one at once.

use std::process;

use tokio::sync::watch;
use tosget::CancelHook;

use crate::console::Console;
use crate::exit::Exit;
use crate::failure::Failure;

/// Whether and how the process was asked to end.
#[derive(Clone, Debug)]
pub(crate) struct Interruption {
    hook: CancelHook,
    told: watch::Receiver<bool>,
}

/// What a second signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecondSignal {
    ExitsAtOnce,
    /// For work that stops at once anyhow, and has something to tidy up.
    IsIgnored,
}

impl Interruption {
    /// Listens from now on. Needs the runtime.
    ///
    /// Signals that were ignored when the process began stay so: that is how `nohup` and background jobs work.
    pub(crate) fn listen(console: &Console, second: SecondSignal) -> Result<Self, Failure> {
        let hook = CancelHook::new();
        let (tell, told) = watch::channel(false);
        let signals =
            signals::all().map_err(|error| Failure::of_the_system("could not listen for signals", &error))?;
        for mut signal in signals {
            let (hook, tell, console) = (hook.clone(), tell.clone(), console.clone());
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    if hook.is_canceled() && second == SecondSignal::ExitsAtOnce {
                        console.abandon();
                        process::exit(Exit::Interrupted.code().into());
                    }
                    hook.cancel(false);
                    tell.send_replace(true);
                }
            });
        }
        Ok(Self { hook, told })
    }

    /// Stops a download, and keeps its checkpoint.
    pub(crate) fn hook(&self) -> CancelHook {
        self.hook.clone()
    }

    pub(crate) fn is_told(&self) -> bool {
        self.hook.is_canceled()
    }

    /// Completes when the process was asked to end. Cancel safe.
    pub(crate) async fn told(&mut self) {
        if self.told.wait_for(|told| *told).await.is_err() {
            // Nobody is left who could tell: no signal is listened to.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
mod signals {
    use std::fs;
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) fn all() -> io::Result<Vec<Signal>> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let ignored = ignored();
        let wanted = kinds
            .into_iter()
            .filter(|kind| ignored >> (kind.as_raw_value() - 1) & 1 == 0);
        wanted.map(signal).collect()
    }

    /// One bit for each signal that is ignored, the lowest for signal 1. Only Linux tells without `unsafe`.
    fn ignored() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    pub(super) struct CtrlC;

    impl CtrlC {
        pub(super) async fn recv(&mut self) -> Option<()> {
            tokio::signal::ctrl_c().await.ok()
        }
    }

    pub(super) fn all() -> io::Result<Vec<CtrlC>> {
        Ok(vec![CtrlC])
    }
}
