//! The command `tos-emulator`: flags to settings, one line on stdout once it serves.

use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::RwLock;
use std::thread;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::{self, Runtime};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tos_emulator::{Builder, Emulator, FaultRule};

/// Two for polling, three for signals, one to be woken by, and some to listen and to serve with.
const FILES_NEEDED: usize = 10;

/// A local TOS server for demos and tests
///
/// Prints one line, its URL, to stdout once it serves. Objects live below --root and survive a restart. Clients may
/// also name it as their HTTP proxy: then any host name works, without DNS.
///
/// Faults, the request log, generated objects and more are reached under /_emulator/ (see the crate's documentation).
#[derive(Parser)]
#[command(name = "tos-emulator", version)]
struct Arguments {
    /// Where objects are kept [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// The access key that requests must be signed with
    #[arg(
        long,
        value_name = "KEY",
        env = "TOS_ACCESS_KEY",
        default_value = "test-access-key"
    )]
    access_key: String,

    /// The secret key that belongs to it
    #[arg(
        long,
        value_name = "KEY",
        env = "TOS_SECRET_KEY",
        default_value = "test-secret-key",
        hide_env_values = true
    )]
    secret_key: String,

    /// Another key pair, which must come with this security token: ACCESS_KEY:SECRET_KEY:TOKEN
    #[arg(long, value_name = "AK:SK:TOKEN")]
    temporary_key: Vec<String>,

    /// The region that signatures must name
    #[arg(long, default_value = "cn-beijing")]
    region: String,

    /// A host below which buckets have their own names (BUCKET.HOST); may be repeated
    #[arg(long, value_name = "HOST")]
    base_domain: Vec<String>,

    /// A host that stands for a bucket; may be repeated
    #[arg(long, value_name = "HOST=BUCKET", value_parser = pair)]
    custom_domain: Vec<(String, String)>,

    /// A bucket that anyone may read, created if need be; may be repeated
    #[arg(long, value_name = "BUCKET")]
    public_read: Vec<String>,

    /// Grant the CRC64 of a range in a trailer to clients that ask for it
    #[arg(long)]
    grant_range_crc: bool,

    /// Fault rules in force from the start: a file with a JSON array
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Serve HTTPS with a certificate made on the spot; ca.pem, cert.pem and key.pem are written into DIR
    #[arg(long, value_name = "DIR", conflicts_with = "tls_cert")]
    tls_self_signed: Option<PathBuf>,

    /// One more name for that certificate, such as '*.tos.test'; may be repeated
    #[arg(long, value_name = "NAME")]
    tls_name: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ran = runtime()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tos-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A runtime, or an error that names what the system refuses: tokio panics where it can't start a thread, or open what it needs for
/// signals.
fn runtime() -> io::Result<Runtime> {
    let files = (0..FILES_NEEDED).map(|_| io::stderr().as_fd().try_clone_to_owned());
    files
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| io::Error::other(format!("too few files may be open, see ulimit -n: {error}")))?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    // Files are read and written by one thread more.
    spare_threads(workers + 1).map_err(|error| {
        io::Error::other(format!("too few threads may be started, see ulimit -u: {error}"))
    })?;
    runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
}

/// Starts so many threads for a moment.
fn spare_threads(count: usize) -> io::Result<()> {
    let all_there = RwLock::new(());
    thread::scope(|scope| {
        let _held = all_there.write();
        let wait = || drop(all_there.read());
        (0..count).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, wait).map(drop))
    })?;
    // The system counts them for a moment longer.
    let are_there = || fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1);
    (0..100)
        .take_while(|_| are_there())
        .for_each(|_| thread::sleep(Duration::from_micros(200)));
    Ok(())
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let emulator = arguments.into_builder()?.start().await?;
    println!("{}", emulator.endpoint());
    told_to_stop().await?;
    emulator.shutdown().await;
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn told_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

impl Arguments {
    fn into_builder(self) -> Result<Builder, Box<dyn Error>> {
        let mut builder = Emulator::builder()
            .listen(self.listen)
            .access_key(self.access_key)
            .secret_key(self.secret_key)
            .region(self.region)
            .grant_range_crc(self.grant_range_crc);
        if let Some(root) = self.root {
            builder = builder.root(root);
        }
        for text in &self.temporary_key {
            let (access_key, rest) = pair_at(text, ':')?;
            let (secret_key, token) = pair_at(&rest, ':')?;
            builder = builder.credential(access_key, secret_key, Some(token));
        }
        builder = self.base_domain.into_iter().fold(builder, Builder::base_domain);
        builder = self.public_read.into_iter().fold(builder, Builder::public_read);
        builder = self.tls_name.into_iter().fold(builder, Builder::tls_name);
        for (host, bucket) in self.custom_domain {
            builder = builder.custom_domain(host, bucket);
        }
        if let Some(path) = &self.faults {
            builder = read_faults(path)?.into_iter().fold(builder, Builder::fault);
        }
        if let (Some(certificate), Some(key)) = (self.tls_cert, self.tls_key) {
            builder = builder.tls(certificate, key);
        }
        if let Some(directory) = self.tls_self_signed {
            builder = builder.tls_self_signed(directory);
        }
        Ok(builder)
    }
}

fn read_faults(path: &PathBuf) -> Result<Vec<FaultRule>, String> {
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

fn pair(text: &str) -> Result<(String, String), String> {
    pair_at(text, '=')
}

fn pair_at(text: &str, separator: char) -> Result<(String, String), String> {
    let (left, right) = text
        .split_once(separator)
        .ok_or_else(|| format!("no {separator:?} in {text:?}"))?;
    Ok((left.to_owned(), right.to_owned()))
}
