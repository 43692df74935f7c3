//! What the flags mean together: everything that can be decided before anybody is asked is decided here.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use tosget::{Credentials, DownloadFile, HeadObject, PreSignedUrl, Recheck, TosClient, TosClientBuilder};

use crate::args::{
    Args, BatchArgs, ClientArgs, Command, DemoArgs, GetArgs, PresignArgs, RecheckArg, StatArgs,
};
use crate::conditions::OnChangeArg;
use crate::failure::Failure;
use crate::human;
use crate::list::{self, Entry};
use crate::object_name::ObjectName;
use crate::own_files::OwnFiles;
use crate::printable::printable_path;
use crate::subject::Subject;
use crate::transfer_args::{Terms, TransferArgs};

/// The smallest object whose download can be interrupted half-way with something to show for it.
const LEAST_DEMO: u64 = 64 << 20;

/// What to do.
#[derive(Debug)]
pub(crate) enum Settings {
    Get(Box<GetSettings>),
    Batch(Box<BatchSettings>),
    Stat(Box<StatSettings>),
    Presign(Box<PresignSettings>),
    Demo(DemoSettings),
}

/// A download to do.
#[derive(Debug)]
pub(crate) struct GetSettings {
    pub(crate) client: ClientSettings,
    pub(crate) subject: Subject,
    pub(crate) request: DownloadFile,
    pub(crate) crc_is_off: bool,
}

/// Downloads to do as one run.
pub(crate) struct BatchSettings {
    pub(crate) client: ClientSettings,
    pub(crate) entries: Vec<Entry>,
    pub(crate) terms: Terms,
    /// Over all of them.
    pub(crate) task_num: Option<usize>,
    pub(crate) directory: PathBuf,
    pub(crate) crc_is_off: bool,
}

impl fmt::Debug for BatchSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchSettings")
            .field("objects", &self.entries.len())
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// A question to ask.
#[derive(Debug)]
pub(crate) struct StatSettings {
    pub(crate) client: ClientSettings,
    pub(crate) subject: Subject,
    pub(crate) request: HeadObject,
}

/// A URL to make.
#[derive(Debug)]
pub(crate) struct PresignSettings {
    pub(crate) client: ClientSettings,
    pub(crate) request: PreSignedUrl,
}

/// Where the service is and how to talk to it.
#[derive(Debug)]
pub(crate) struct ClientSettings {
    builder: TosClientBuilder,
    region_is_given: bool,
}

/// A demonstration to give, with an object of so many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DemoSettings {
    pub(crate) size: u64,
}

impl Settings {
    /// Reads the credentials and an object's key from the environment, or the key from its file, and nothing else.
    pub(crate) fn new(args: Args) -> Result<Self, Failure> {
        match args.command {
            Command::Get(args) => GetSettings::new(*args).map(Box::new).map(Self::Get),
            Command::Batch(args) => BatchSettings::new(*args).map(Box::new).map(Self::Batch),
            Command::Stat(args) => StatSettings::new(*args).map(Box::new).map(Self::Stat),
            Command::Presign(args) => PresignSettings::new(*args).map(Box::new).map(Self::Presign),
            Command::Demo(args) => DemoSettings::new(&args).map(Self::Demo),
        }
    }
}

impl GetSettings {
    fn new(args: GetArgs) -> Result<Self, Failure> {
        let destination = match args.dest {
            None => default_destination(&args.object)?,
            Some(destination) => checked_destination(destination)?,
        };
        own_files(&args.transfer, &args.client).refuse(&args.object, &destination)?;
        let mut request = request_for(&args.object, destination);
        if let Some(version_id) = args.version_id {
            request = request.with_version_id(version_id);
        }
        if let Some(OnChangeArg(on_change)) = args.on_change {
            request = request.with_on_change(on_change);
        }
        request = args
            .conditions
            .of_download(request.with_skip_same(args.skip_same));
        let mut client = args.client.into_settings(&args.object)?;
        client.builder = args.transfer.configure(client.builder);
        if let Some(task_num) = args.transfer.exact_task_num() {
            request = request.with_task_num(task_num);
        }
        let crc_is_off = args.transfer.no_crc;
        request = args.transfer.terms()?(request);
        if let Some(path) = args.checkpoint_file {
            request = request.with_checkpoint_file(path);
        }
        Ok(Self {
            client,
            subject: args.object,
            request,
            crc_is_off,
        })
    }
}

impl BatchSettings {
    fn new(args: BatchArgs) -> Result<Self, Failure> {
        refuse_remote(&args.directory)?;
        let entries = list::read(&args.list)?;
        let own_files = own_files(&args.transfer, &args.client).with("the list", Some(&args.list));
        for entry in &entries {
            own_files.refuse_one_of_many(&entry.subject, &args.directory)?;
        }
        let is_url = |entry: &Entry| matches!(entry.subject, Subject::Url(_));
        let mut client = match entries.first() {
            Some(entry) if entries.iter().all(is_url) => args.client.into_settings(&entry.subject)?,
            _ => args.client.into_service_settings()?,
        };
        client.builder = args.transfer.configure(client.builder);
        let crc_is_off = args.transfer.no_crc;
        let task_num = args.transfer.exact_task_num();
        let (terms, skip_same) = (args.transfer.terms()?, !args.replace);
        Ok(Self {
            client,
            entries,
            terms: Box::new(move |request| terms(request).with_skip_same(skip_same)),
            task_num,
            // With a slash at its end it is a directory, whether it is there or not.
            directory: args.directory.join(""),
            crc_is_off,
        })
    }
}

impl StatSettings {
    fn new(args: StatArgs) -> Result<Self, Failure> {
        let mut request = match &args.object {
            Subject::Object(name) => HeadObject::new(&name.bucket, &name.key),
            Subject::Url(url) => HeadObject::from_pre_signed_url(&url.0),
        };
        if let Some(version_id) = args.version_id {
            request = request.with_version_id(version_id);
        }
        if let Some(key) = args.ssec_key.read()? {
            request = request.with_ssec_key(key);
        }
        Ok(Self {
            client: args.client.into_settings(&args.object)?,
            subject: args.object,
            request: args.conditions.of_question(request),
        })
    }
}

impl PresignSettings {
    fn new(args: PresignArgs) -> Result<Self, Failure> {
        let ObjectName { bucket, key } = &args.object;
        let mut request = PreSignedUrl::new(bucket, key).with_expires(args.expires);
        if let Some(version_id) = args.version_id {
            request = request.with_version_id(version_id);
        }
        Ok(Self {
            client: args.client.into_service_settings()?,
            request,
        })
    }
}

impl DemoSettings {
    fn new(args: &DemoArgs) -> Result<Self, Failure> {
        let size = args.size.0;
        if size < LEAST_DEMO {
            let least = human::bytes(LEAST_DEMO);
            return Err(Failure::usage(format!("--size must be at least {least}")));
        }
        Ok(Self { size })
    }
}

/// A download of `subject` to `destination`.
pub(crate) fn request_for(subject: &Subject, destination: PathBuf) -> DownloadFile {
    match subject {
        Subject::Object(name) => DownloadFile::new(&name.bucket, &name.key, destination),
        Subject::Url(url) => DownloadFile::from_pre_signed_url(&url.0, destination),
    }
}

/// Elsewhere `-` means standard output, so nobody who types it wants a file of this name.
/// From habit, a second object or a bucket is given. A directory called `tos:` is never what was meant.
fn refuse_remote(destination: &Path) -> Result<(), Failure> {
    const REMOTE: [&str; 4] = ["tos://", "s3://", "http://", "https://"];
    let shown = printable_path(destination);
    if !REMOTE.iter().any(|scheme| shown.starts_with(scheme)) {
        return Ok(());
    }
    let failure = Failure::usage(format!(
        "can't save to {shown}: tosget writes to files on this machine only"
    ));
    Err(failure.with_hint(
        "name a file or a directory; for more than one object put them into a list: tosget batch --help",
    ))
}

fn checked_destination(destination: PathBuf) -> Result<PathBuf, Failure> {
    refuse_remote(&destination)?;
    if destination != Path::new("-") {
        return Ok(destination);
    }
    let failure =
        Failure::usage("can't write to standard output: an object is shown only when all of it is proven");
    Err(failure.with_hint("download to a file and use cat; ./- is a file of this name"))
}

fn own_files(transfer: &TransferArgs, client: &ClientArgs) -> OwnFiles {
    OwnFiles::of_streams()
        .with(
            "the file with the object's key",
            transfer.ssec_key.ssec_key_file.as_deref(),
        )
        .with("the file with the authorities", client.ca_file.as_deref())
        .with("the client's certificate", client.client_cert.as_deref())
        .with("the client's private key", client.client_key.as_deref())
}

fn default_destination(subject: &Subject) -> Result<PathBuf, Failure> {
    match subject {
        Subject::Object(name) => last_segment(name),
        // Below a directory the library itself takes the last segment of a URL's path.
        Subject::Url(_) => Ok(PathBuf::from("./")),
    }
}

/// The file in the current directory that a key names. The key may come from a listing that somebody else wrote.
fn last_segment(name: &ObjectName) -> Result<PathBuf, Failure> {
    let segment = name.key.rsplit('/').next().unwrap_or_default();
    let path = Path::new(segment);
    let mut components = path.components();
    let is_plain = matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    );
    if segment.is_empty() {
        let failure = Failure::usage(format!("{name} names no file: the key ends in a slash"));
        return Err(failure.with_hint("name a directory to save it below, such as ./"));
    }
    if !is_plain {
        let failure = Failure::usage(format!("{name} names no file: its last segment is {segment}"));
        return Err(failure.with_hint("name the file to write to"));
    }
    if path.is_dir() {
        let failure = Failure::usage(format!("there is a directory called {segment} here"));
        return Err(failure.with_hint(format!(
            "name the file to write to, or {segment}/ to save the object below it"
        )));
    }
    Ok(path.to_owned())
}

impl ClientSettings {
    /// Makes the client. Connects to nothing.
    pub(crate) fn build(self) -> Result<TosClient, Failure> {
        let with_any_region = self.builder.clone().region("any");
        self.builder.build().map_err(|error| {
            let failure = Failure::from(error);
            if !self.region_is_given && with_any_region.build().is_ok() {
                return failure.with_hint("use --region, such as --region cn-beijing, or set TOS_REGION");
            }
            failure
        })
    }
}

impl ClientArgs {
    fn into_settings(self, subject: &Subject) -> Result<ClientSettings, Failure> {
        match subject {
            Subject::Object(_) => self.into_service_settings(),
            // A URL says where to ask, and brings its own grant.
            Subject::Url(_) => Ok(ClientSettings {
                builder: self.connect(TosClient::builder()),
                region_is_given: true,
            }),
        }
    }

    fn into_service_settings(mut self) -> Result<ClientSettings, Failure> {
        let mut builder = TosClient::builder().is_custom_domain(self.custom_domain);
        let (endpoint, region) = (filled(self.endpoint.take()), filled(self.region.take()));
        if endpoint.is_none() && region.is_none() {
            let failure = Failure::usage("neither an endpoint nor a region is given");
            return Err(failure.with_hint(
                "use --region (such as cn-beijing) or --endpoint, or set TOS_REGION or TOS_ENDPOINT",
            ));
        }
        builder = if self.anonymous {
            builder.anonymous()
        } else {
            builder.credentials(credentials()?)
        };
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint(endpoint);
        }
        let region_is_given = region.is_some();
        if let Some(region) = region {
            builder = builder.region(region);
        }
        Ok(ClientSettings {
            builder: self.connect(builder),
            region_is_given,
        })
    }

    /// How to get there, wherever it is.
    fn connect(self, builder: TosClientBuilder) -> TosClientBuilder {
        let mut builder = builder
            .enable_verify_ssl(!self.no_verify_ssl)
            .user_agent_suffix(concat!("tosget-cli/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = filled(self.proxy) {
            builder = builder.proxy(proxy);
        }
        if let Some(path) = self.ca_file {
            builder = builder.ca_file(path);
        }
        if let (Some(certificate), Some(key)) = (self.client_cert, self.client_key) {
            builder = builder.client_certificate(certificate, key);
        }
        if let Some(limit) = self.connect_timeout {
            builder = builder.connect_timeout(limit);
        }
        if let Some(limit) = self.idle_timeout {
            builder = builder.idle_timeout(limit);
        }
        if let Some(time) = self.retry_for {
            builder = builder.retry_for(time);
        }
        if let Some(count) = self.max_retries {
            builder = builder.max_retry_count(count);
        }
        builder
    }
}

/// An empty variable is one that is not set.
fn filled(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.trim().is_empty())
}

fn credentials() -> Result<Credentials, Failure> {
    Credentials::from_env().map_err(|error| {
        Failure::usage(error.to_string()).with_hint(
            "set TOS_ACCESS_KEY and TOS_SECRET_KEY (and TOS_SECURITY_TOKEN for temporary keys), \
             or use --anonymous for a bucket that anyone may read",
        )
    })
}

impl From<RecheckArg> for Recheck {
    fn from(when: RecheckArg) -> Self {
        match when {
            RecheckArg::Auto => Self::Auto,
            RecheckArg::Always => Self::Always,
            RecheckArg::Never => Self::Never,
        }
    }
}
