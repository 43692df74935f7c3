//! What the tests play on: an emulator, a directory, and the binary as a user would start it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tos_emulator::{Builder, Emulator, virtual_content};

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const BUCKET: &str = "bkt";
pub(crate) const SEED: u64 = 7;

/// Nothing takes as long as this unless it hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// An emulator with the bucket `bkt`, and a current directory.
pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    folder: TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command under way. Dropped, it is killed.
pub(crate) struct Running(Option<Child>);

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let emulator = configure(Emulator::builder()).spawn().expect("an emulator");
        emulator.create_bucket(BUCKET);
        Self {
            emulator,
            folder: TempDir::new().expect("a directory"),
        }
    }

    /// A stage with `tos://bkt/big`, which is generated.
    pub(crate) fn with_big_object(size: u64) -> Self {
        let stage = Self::new();
        stage.emulator.put_virtual(BUCKET, "big", size, SEED);
        stage
    }

    pub(crate) fn slow_down(&self, bytes_per_second: u64) {
        self.emulator.set_bandwidth(Some(bytes_per_second), None);
    }

    pub(crate) fn full_speed(&self) {
        self.emulator.set_bandwidth(None, None);
    }

    /// The binary, in the stage's directory, with an environment that leads it to the emulator and holds nothing else.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare_command(arguments);
        command.current_dir(self.folder.path()).envs([
            ("TOS_ENDPOINT", self.emulator.endpoint().as_str()),
            ("TOS_REGION", self.emulator.region()),
            ("TOS_ACCESS_KEY", self.emulator.access_key()),
            ("TOS_SECRET_KEY", self.emulator.secret_key()),
        ]);
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Starts the binary.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Everything in the stage's directory, hidden files too, by their paths below it.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect_files(self.folder.path(), self.folder.path(), &mut files);
        files.sort();
        files
    }

    pub(crate) fn sent(&self) -> u64 {
        self.emulator.stats().body_bytes_sent
    }

    /// Waits until the emulator has sent so many bytes in all.
    pub(crate) fn wait_until_sent(&self, bytes: u64) {
        wait_until("bytes to be sent", || self.sent() >= bytes);
    }

    /// Waits until the emulator has noticed that nobody listens any more: then its figures are final.
    pub(crate) fn wait_for_silence(&self) {
        wait_until("silence", || self.emulator.stats().in_flight == 0);
    }
}

pub(crate) fn bare_command(arguments: &[&str]) -> Command {
    catch_what_is_ignored();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tosget"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Signals that these tests send are ignored where they run as a background job, and so they would be by the commands. A signal that is
/// caught is the default again in whatever is started. Those that are not ignored are left alone, so that Ctrl-C ends the tests.
fn catch_what_is_ignored() {
    static CAUGHT: OnceLock<()> = OnceLock::new();
    CAUGHT.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        for number in [Signal::HUP, Signal::INT, Signal::TERM].map(Signal::as_raw) {
            if ignored.unwrap_or(0) >> (number - 1) & 1 == 1 {
                // It stays caught when nobody listens any more.
                let _ = signal(SignalKind::from_raw(number)).expect("it can be caught");
            }
        }
    });
}

pub(crate) fn run(command: &mut Command) -> Ran {
    command.output().expect("the binary runs").into()
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().expect("the binary starts")))
    }

    /// A command whose output goes elsewhere.
    pub(crate) fn start_as_is(command: &mut Command) -> Self {
        Self(Some(command.spawn().expect("the binary starts")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.0.as_ref().expect("it has not been waited for");
        let pid = Pid::from_child(child);
        kill_process(pid, signal).expect("the process is there");
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().expect("it has not been waited for").id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        let child = self.0.as_mut().expect("it has not been waited for");
        child.try_wait().expect("a child can be waited for").is_some()
    }

    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Its result; fails the test if it takes too long.
    pub(crate) fn wait(mut self) -> Ran {
        wait_until("the command to end", || self.has_ended());
        let child = self.0.take().expect("it has not been waited for");
        child.wait_with_output().expect("it has ended").into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The one JSON object on stdout, with nothing on stderr.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stderr, "", "{self:#?}");
        assert_eq!(self.stdout.lines().count(), 1, "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "not said: {words}\n{self:#?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Waits for something that has to happen.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Holds a file against the generated content.
#[track_caller]
pub(crate) fn assert_is_big_object(path: &Path, size: u64) {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(file.metadata().expect("metadata").len(), size);
    let source = virtual_content(SEED);
    let mut chunk = vec![0; MIB as usize];
    let mut offset = 0;
    while offset < size {
        let length = (size - offset).min(MIB) as usize;
        file.read_exact(&mut chunk[..length]).expect("readable");
        assert!(
            chunk[..length] == source.read_at(offset, length)[..],
            "{} differs after byte {offset}",
            path.display()
        );
        offset += length as u64;
    }
}

fn collect_files(root: &Path, directory: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.strip_prefix(root).expect("below it").display().to_string();
        if path.is_dir() {
            files.push(format!("{name}/"));
            collect_files(root, &path, files);
        } else {
            files.push(name);
        }
    }
}
