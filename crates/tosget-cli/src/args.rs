//! The flags as they are typed. What they mean together is decided in [`settings`](crate::settings).

use std::env;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::conditions::{ConditionArgs, OnChangeArg};
use crate::console::Console;
use crate::duration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::object_name::ObjectName;
use crate::report::{self, Answer, Voice};
use crate::size::Size;
use crate::ssec_key::SsecKeyArgs;
use crate::subject::{Subject, Url};
use crate::terminal;
use crate::transfer_args::TransferArgs;

/// Resumable, parallel, verified downloads from TOS, Volcengine's object store
///
/// Brings large objects to local files in parallel parts. Whatever interrupts a download (Ctrl-C, a crash, a flaky
/// line), the same command again goes on where it stopped. A file appears under its name only when it is whole and
/// its CRC64 is the object's.
#[derive(Debug, Parser)]
#[command(
    name = "tosget",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = concat!(examples!(), "\n", environment!(), "\n", exit_codes!()),
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say nothing but errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub(crate) quiet: bool,

    /// Log to stderr: -v decisions and retries, -vv each request, -vvv each connection
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download an object to a file; after an interruption, go on where it stopped
    #[command(after_help = concat!(destinations!(), "\n", exit_codes!()))]
    Get(Box<GetArgs>),

    /// Download all objects of a list; after an interruption, go on with what is missing
    #[command(after_help = concat!(batch_help!(), "\n", exit_codes!()))]
    Batch(Box<BatchArgs>),

    /// Show what the service knows of an object: size, CRC64, metadata
    #[command(after_help = exit_codes!())]
    Stat(Box<StatArgs>),

    /// Make a URL that lets anyone who has it download an object, for a while; asks nobody
    #[command(after_help = exit_codes!())]
    Presign(Box<PresignArgs>),

    /// Watch a download being killed half-way and going on, on this machine, without network or credentials
    Demo(DemoArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GetArgs {
    /// The object, tos://BUCKET/KEY (the key is taken byte for byte, nothing in it is decoded); or a presigned or public
    /// URL, in quotes
    pub(crate) object: Subject,

    /// File or directory to save to [default: the last segment of the key, in the current directory]
    pub(crate) dest: Option<PathBuf>,

    /// Version of the object [default: the current one]
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,

    /// Where to keep the checkpoint's journal: a file, or a directory [default: hidden beside the destination]
    #[arg(long, value_name = "PATH", conflicts_with = "no_checkpoint")]
    pub(crate) checkpoint_file: Option<PathBuf>,

    /// When the object is replaced during the download: fail, or restart[:N], which downloads the new one from the
    /// beginning, at most N times (3) [default: fail]
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_change: Option<OnChangeArg>,

    /// Leave the destination alone if it is the object already, told by its size and CRC64
    #[arg(long)]
    pub(crate) skip_same: bool,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,

    #[command(flatten)]
    pub(crate) conditions: ConditionArgs,

    /// Print the result, or the error, as one JSON object to stdout, and nothing else
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BatchArgs {
    /// File with one object a line, tos://BUCKET/KEY or a URL, or - for standard input; blank lines and lines that begin with
    /// # are skipped
    pub(crate) list: PathBuf,

    /// Directory to save to, each object under its key
    #[arg(default_value = ".")]
    pub(crate) directory: PathBuf,

    /// Download also what is there already [default: a file with the object's size and CRC64 is left alone]
    #[arg(long)]
    pub(crate) replace: bool,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,

    /// Print one JSON object a line to stdout for each object as it is done or fails, and one for the run at the end
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatArgs {
    /// The object, tos://BUCKET/KEY; or a presigned or public URL, in quotes
    pub(crate) object: Subject,

    /// Version of the object [default: the current one]
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,

    #[command(flatten)]
    pub(crate) conditions: ConditionArgs,

    #[command(flatten)]
    pub(crate) ssec_key: SsecKeyArgs,

    /// Print the result, or the error, as one JSON object to stdout, and nothing else
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PresignArgs {
    /// The object, tos://BUCKET/KEY
    pub(crate) object: ObjectName,

    /// How long the URL holds: 1s to 7d; if it is signed with temporary keys, no longer than they do
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "1h")]
    pub(crate) expires: Duration,

    /// Version of the object [default: the one that is current when the URL is used]
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,

    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Size of the object, at least 64MiB; that much space is needed below the temporary directory
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub(crate) size: Size,
}

/// Where the service is and how to talk to it.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ClientArgs {
    /// The service's address, [http://|https://]HOST[:PORT] [default: https://tos-REGION.volces.com]
    #[arg(long, value_name = "URL", env = "TOS_ENDPOINT", hide_env_values = true)]
    pub(crate) endpoint: Option<String>,

    /// Region, such as cn-beijing [default: taken from the endpoint, where its name tells]
    #[arg(long, env = "TOS_REGION", hide_env_values = true)]
    pub(crate) region: Option<String>,

    /// The endpoint is a custom or CDN domain that stands for the bucket
    #[arg(long)]
    pub(crate) custom_domain: bool,

    /// Send requests unsigned, for buckets that anyone may read
    #[arg(long)]
    pub(crate) anonymous: bool,

    /// HTTP proxy, [http://][USER:PASSWORD@]HOST:PORT; `ps` shows a password here, and none in TOS_PROXY
    #[arg(long, value_name = "URL", env = "TOS_PROXY", hide_env_values = true)]
    pub(crate) proxy: Option<String>,

    /// PEM file of certificate authorities to trust besides the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// PEM file of the certificate to show to a server that asks for one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,

    /// PEM file of that certificate's private key
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,

    /// Don't verify the server's certificate: anyone on the way can then read and alter everything
    #[arg(long)]
    pub(crate) no_verify_ssl: bool,

    /// Time for a new connection, such as 500ms, 10s or 2m [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) connect_timeout: Option<Duration>,

    /// Time without a single byte before a connection is given up for good; silence is asked again sooner, after 3s [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) idle_timeout: Option<Duration>,

    /// How long to wait for a service that is not there or is overloaded, such as 30s or 1h; 0s: not at all [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) retry_for: Option<Duration>,

    /// The most failures in a row, without progress, that are tried again [default: as many as fit into --retry-for]
    #[arg(long, value_name = "N")]
    pub(crate) max_retries: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RecheckArg {
    Auto,
    Always,
    Never,
}

impl Command {
    /// Whether the answer is wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Get(args) => args.json,
            Self::Batch(args) => args.json,
            Self::Stat(args) => args.json,
            Self::Presign(_) | Self::Demo(_) => false,
        }
    }
}

/// Reads the command line. Help and version are answered here, and so is what can't be read.
pub(crate) fn parse(console: &Console) -> Result<Args, Exit> {
    Args::try_parse().map_err(|error| {
        if !error.use_stderr() {
            let text = error.render();
            let text = match terminal::is_colored(&io::stdout()) {
                true => text.ansi().to_string(),
                false => text.to_string(),
            };
            return report::tell_now(console, Voice::Words, &Ok(Answer::Help(text)));
        }
        let text = without_secrets(error.render().to_string());
        if is_json_wanted() {
            let message = text
                .split("\n\n")
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            return report::tell_now(console, Voice::Json, &Err(Failure::usage(message)));
        }
        console.say_lines(text.trim_end());
        Exit::Usage
    })
}

/// Takes out of a text what URLs that were typed hold of secrets: a query may be a key to the object.
fn without_secrets(text: String) -> String {
    let typed = env::args_os().filter_map(|argument| argument.into_string().ok());
    let values = typed.map(|argument| match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => value.to_owned(),
        _ => argument,
    });
    let urls = values.filter(|value| !value.starts_with("tos://")).map(Url);
    urls.fold(text, |text, url| {
        let secrets = url.secrets().into_iter().filter(|secret| !secret.is_empty());
        secrets.fold(text, |text, secret| text.replace(secret, "<redacted>"))
    })
}

/// A command line that can't be read is answered in JSON all the same if it asks for it.
fn is_json_wanted() -> bool {
    env::args_os()
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json")
}
