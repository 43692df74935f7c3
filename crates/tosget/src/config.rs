//! How a client is configured: what may be set, what holds without it, and what is refused.
//!
//! Everything is read and checked once, here; behind it nothing can be wrong any more. Nothing is taken from the
//! environment unasked, neither credentials nor a proxy.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use thiserror::Error;

use crate::clock::{Clock, SystemClock};
use crate::credentials::{Anonymous, Credentials, CredentialsProvider};
use crate::endpoint::{Endpoint, EndpointError, Scheme, Site};
use crate::error::{Error, Result as CallResult};
use crate::given_url::GivenUrl;
use crate::presigned::Presigner;
use crate::retry::{RETRY_FOR, Retries};
use crate::room::{Needs, room_for};
use crate::source::tos::by_url::UrlSource;
use crate::source::tos::connect::{Proxy, ProxyUrlError, Settings, Tls, TlsError, TlsSettings};
use crate::source::tos::transport::Transport;
use crate::source::tos::{TosSettings, TosSource};
use crate::source::{Source, Timeouts};
use crate::tasks::Tasks;
use crate::turns::Turns;

/// The same as the official SDKs'.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_CONNECTIONS: usize = 1024;

/// With eight descriptors each they fit into the 1024 open files that most systems grant a process, beside some tens of connections.
const MAX_DOWNLOADS: usize = 100;

/// What a connection takes where limits are tight: half of the descriptors are for connections. In memory, a task has two buffers, and its
/// connection as many.
const CONNECTION: Needs = Needs {
    descriptors: 2,
    memory: 4 << 20,
};

/// What a download takes besides: three files, and what it knows of its object.
const DOWNLOAD: Needs = Needs {
    descriptors: 8,
    memory: 4 << 20,
};

/// Builds a client: an endpoint or a region, credentials, and whatever else should differ from the defaults.
///
/// The same names and defaults as in the official SDKs where they have them. Nothing is read from the environment.
#[derive(Clone)]
#[must_use]
pub struct TosClientBuilder {
    endpoint: Option<String>,
    region: Option<String>,
    identity: Identity,
    is_custom_domain: bool,
    timeouts: Timeouts,
    max_retry_count: Option<u32>,
    retry_for: Duration,
    max_connections: usize,
    max_downloads: usize,
    enable_crc: bool,
    range_crc: bool,
    tls: TlsSettings,
    proxy: Option<String>,
    proxy_credentials: Option<(String, String)>,
    user_agent_suffix: Option<String>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
enum Identity {
    Unset,
    Provider(Arc<dyn CredentialsProvider>),
    Anonymous,
}

impl TosClientBuilder {
    /// Nothing set.
    pub fn new() -> Self {
        Self {
            endpoint: None,
            region: None,
            identity: Identity::Unset,
            is_custom_domain: false,
            timeouts: Timeouts {
                connect: CONNECT_TIMEOUT,
                idle: IDLE_TIMEOUT,
            },
            max_retry_count: None,
            retry_for: RETRY_FOR,
            max_connections: MAX_CONNECTIONS,
            max_downloads: MAX_DOWNLOADS,
            enable_crc: true,
            range_crc: true,
            tls: TlsSettings {
                verify: true,
                ca_file: None,
                client_certificate: None,
            },
            proxy: None,
            proxy_credentials: None,
            user_agent_suffix: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Where the service is: `[http://|https://]host[:port]`, https without a scheme.
    ///
    /// Without it, the region's public endpoint `https://tos-<region>.volces.com` is asked; machines inside the
    /// cloud want `tos-<region>.ivolces.com`. The S3 endpoints (`tos-s3-…`) speak another protocol.
    ///
    /// With neither endpoint nor region, the client reads URLs only
    /// ([`DownloadFile::from_pre_signed_url`](crate::DownloadFile::from_pre_signed_url)), and needs no credentials.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Region to sign for, such as `cn-beijing`.
    ///
    /// Without it, it is taken from an endpoint of the form `tos-<region>.volces.com` (or `ivolces.com`,
    /// `bytepluses.com`, `ibytepluses.com`).
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Signs every request with these keys.
    pub fn credentials(self, credentials: Credentials) -> Self {
        self.credentials_provider(Arc::new(credentials))
    }

    /// Asks for the keys before each attempt, so that temporary ones may be renewed during a download.
    pub fn credentials_provider(mut self, provider: Arc<dyn CredentialsProvider>) -> Self {
        self.identity = Identity::Provider(provider);
        self
    }

    /// Sends requests unsigned, for buckets that anyone may read.
    pub fn anonymous(mut self) -> Self {
        self.identity = Identity::Anonymous;
        self
    }

    /// The endpoint is a domain that stands for one bucket (default: no): the bucket's name appears neither in the
    /// host nor in the path, and is not checked.
    pub fn is_custom_domain(mut self, is_custom_domain: bool) -> Self {
        self.is_custom_domain = is_custom_domain;
        self
    }

    /// Time for a new connection: name resolution, TCP, the proxy and TLS together (default 10 s).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.connect = limit;
        self
    }

    /// Time without a single byte of an answer before the connection is given up (default 30 s).
    ///
    /// There is no limit on a whole answer: a large object over a slow line takes as long as it takes.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.idle = limit;
        self
    }

    /// How long an outage is waited for (default 5 minutes): a server that is not there, answers 429 or 5xx or breaks off, or a name
    /// that has no address. Zero gives up at the first failure.
    ///
    /// It holds for the first request of a call, and for each part since its last progress. A mistake (a wrong key, 403 or 404, a
    /// certificate that is not trusted) is told at once, and what is most likely one (a wrong answer, a credentials provider that
    /// fails) after a few attempts: 3 retries at first, 10 once the object has been found, for a minute at most.
    ///
    /// While a client waits, it says so and why as a warning of the `tracing` target `tosget::wait`.
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// The most retries in a row without progress, whatever it is that fails; the count begins anew with every byte won.
    ///
    /// Default: as many as fit into [`retry_for`](Self::retry_for), which bounds them in any case.
    pub fn max_retry_count(mut self, count: u32) -> Self {
        self.max_retry_count = Some(count);
        self
    }

    /// Connections in use at the same time, over all downloads of this client (default 1024); more requests wait.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// Downloads under way at the same time, over all clones of this client (default 100); more of them wait, with nothing
    /// open and nothing asked.
    ///
    /// Each takes three open files, and as many connections as it has tasks, up to [`max_connections`](Self::max_connections)
    /// in all.
    pub fn max_downloads(mut self, count: usize) -> Self {
        self.max_downloads = count;
        self
    }

    /// Compares the CRC64 of what was downloaded with the object's (default: yes). It costs next to nothing.
    pub fn enable_crc(mut self, enable: bool) -> Self {
        self.enable_crc = enable;
        self
    }

    /// Asks the server for a CRC64 of each range, so that damage is found at once and only that range is fetched
    /// again (default: yes). A server that has none answers as usual.
    pub fn range_crc(mut self, enable: bool) -> Self {
        self.range_crc = enable;
        self
    }

    /// Verifies the server's certificate (default: yes).
    ///
    /// **Danger:** without it, anyone on the way can pose as the server, read the objects and change them, CRC64 and
    /// all. To trust a private authority use [`ca_file`](Self::ca_file).
    pub fn enable_verify_ssl(mut self, enable: bool) -> Self {
        self.tls.verify = enable;
        self
    }

    /// PEM file of certificate authorities to trust besides the system's.
    ///
    /// The system's are those that OpenSSL would use: a file and directories, which `SSL_CERT_FILE` and `SSL_CERT_DIR` replace, each its
    /// own; where there are none at all, a built-in copy of Mozilla's list.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.ca_file = Some(path.into());
        self
    }

    /// PEM files of a certificate chain and its private key, to show to a server that asks for them.
    pub fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// HTTP proxy, `[http://][user:password@]host:port` with user and password percent-encoded (default: none; the
    /// usual environment variables are not read).
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// User and password for the proxy as they are; they go before those in its URL.
    pub fn proxy_credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.proxy_credentials = Some((user.into(), password.into()));
        self
    }

    /// Text to add to the `User-Agent`, such as `my-tool/1.2`.
    pub fn user_agent_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.user_agent_suffix = Some(suffix.into());
        self
    }

    /// Signs with another clock than the system's.
    #[cfg(test)]
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything and makes what a client works with. Reads certificates; connects to nothing.
    pub(crate) fn into_parts(self) -> Result<ClientParts, ConfigError> {
        self.check_numbers()?;
        let site = self.site()?;
        let tls = Arc::new(Tls::new(self.tls.clone()));
        if site
            .as_ref()
            .is_some_and(|site| site.endpoint.scheme() == Scheme::Https)
        {
            tls.load()?;
        }
        let settings = Settings {
            timeouts: self.timeouts,
            max_connections: room_for(self.max_connections, CONNECTION),
            tls: Arc::clone(&tls),
            proxy: self.parsed_proxy()?,
        };
        let user_agent = user_agent(self.user_agent_suffix.as_deref())?;
        let transport = Arc::new(Transport::new(settings, user_agent, self.clock.clone()));
        Ok(ClientParts {
            service: site.map(|site| self.service(site, &transport)).transpose()?,
            transport,
            tls,
            turns: Turns::new(room_for(self.max_downloads, DOWNLOAD)),
            tasks: Tasks::automatic(),
            timeouts: self.timeouts,
            retry_for: self.retry_for,
            max_retry_count: self.max_retry_count,
            enable_crc: self.enable_crc,
            range_crc: self.range_crc,
        })
    }

    /// `None` where nothing is said of a service: then only URLs can be read.
    fn site(&self) -> Result<Option<Site>, ConfigError> {
        let (endpoint, region) = (self.endpoint.as_deref(), self.region.as_deref());
        if endpoint.is_none() && region.is_none() && !self.is_custom_domain {
            return Ok(None);
        }
        Ok(Some(Site::resolve(endpoint, region, self.is_custom_domain)?))
    }

    fn service(&self, site: Site, transport: &Arc<Transport>) -> Result<Service, ConfigError> {
        let credentials = self.provider(&site)?;
        let presigner = Presigner {
            site: site.clone(),
            credentials: credentials.clone(),
            patience: self.timeouts.idle,
            clock: self.clock.clone(),
        };
        let endpoint = site.endpoint.clone();
        let source = TosSource::new(TosSettings {
            site,
            credentials,
            transport: Arc::clone(transport),
            range_crc: self.range_crc,
        });
        Ok(Service {
            source: Arc::new(source),
            endpoint,
            presigner,
        })
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        let zero = [
            ("connect_timeout", self.timeouts.connect.is_zero()),
            ("idle_timeout", self.timeouts.idle.is_zero()),
            ("max_connections", self.max_connections == 0),
            ("max_downloads", self.max_downloads == 0),
        ];
        match zero.iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(ConfigError::Zero(name)),
            None => Ok(()),
        }
    }

    fn provider(&self, site: &Site) -> Result<Arc<dyn CredentialsProvider>, ConfigError> {
        match &self.identity {
            Identity::Unset => Err(ConfigError::NoCredentials),
            Identity::Anonymous => Ok(Arc::new(Anonymous)),
            Identity::Provider(_) if site.region.is_none() => {
                Err(ConfigError::NoRegion(site.endpoint.to_string()))
            }
            Identity::Provider(provider) => Ok(Arc::clone(provider)),
        }
    }

    fn parsed_proxy(&self) -> Result<Option<Proxy>, ConfigError> {
        let proxy = self.proxy.as_deref().map(Proxy::parse).transpose()?;
        match (proxy, &self.proxy_credentials) {
            (Some(proxy), Some((user, password))) => Ok(Some(proxy.with_credentials(user, password))),
            (None, Some(_)) => Err(ConfigError::ProxyCredentialsAlone),
            (proxy, None) => Ok(proxy),
        }
    }
}

impl Default for TosClientBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TosClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TosClientBuilder")
            .field("region", &self.region)
            .field("timeouts", &self.timeouts)
            .field("max_retry_count", &self.max_retry_count)
            .field("retry_for", &self.retry_for)
            .field("max_connections", &self.max_connections)
            .field("max_downloads", &self.max_downloads)
            .field("enable_crc", &self.enable_crc)
            .field("range_crc", &self.range_crc)
            .field("tls", &self.tls)
            // The endpoint and the proxy are still as the user wrote them, perhaps with a password inside.
            .finish_non_exhaustive()
    }
}

/// What a client works with, all of it checked.
#[derive(Clone, Debug)]
pub(crate) struct ClientParts {
    service: Option<Service>,
    transport: Arc<Transport>,
    tls: Arc<Tls>,
    pub(crate) turns: Turns,
    /// Of all downloads that are not told how many to have.
    pub(crate) tasks: Tasks,
    pub(crate) timeouts: Timeouts,
    max_retry_count: Option<u32>,
    retry_for: Duration,
    pub(crate) enable_crc: bool,
    range_crc: bool,
}

/// The service that a client was told of.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) source: Arc<dyn Source>,
    /// For checking the names of buckets and keys before anything is sent.
    pub(crate) endpoint: Endpoint,
    pub(crate) presigner: Presigner,
}

/// Retries in a row of what is most likely a mistake, before anything is known of the endpoint; the official SDKs' number.
const FIRST_RETRIES: u32 = 3;

/// The same for a task under way: with the back-off's ceilings they take 35 s on average.
const TASK_RETRIES: u32 = 10;

impl ClientParts {
    /// The service, for calls that need one.
    pub(crate) fn service(&self) -> CallResult<&Service> {
        self.service.as_ref().ok_or_else(|| {
            Error::invalid_argument("the client knows neither endpoint nor region, so it can read URLs only")
                .with_hint("set an endpoint, or a region such as cn-beijing")
        })
    }

    /// Reads what is at a URL, over the client's connections and without its credentials.
    pub(crate) fn url_source(&self, url: GivenUrl) -> CallResult<Arc<dyn Source>> {
        if url.is_https() {
            self.tls.load().map_err(ConfigError::from)?;
        }
        let source = UrlSource::new(url, Arc::clone(&self.transport), self.range_crc);
        Ok(Arc::new(source))
    }

    /// What a call's first request bears.
    pub(crate) fn first_retries(&self) -> Retries {
        self.retries(FIRST_RETRIES)
    }

    /// What a task bears in a row, without progress.
    pub(crate) fn max_retries(&self) -> Retries {
        self.retries(TASK_RETRIES)
    }

    fn retries(&self, doubtful: u32) -> Retries {
        Retries {
            time: self.retry_for,
            count: self.max_retry_count,
            doubtful,
        }
    }
}

/// Why a client can't be built as configured. No secret in it.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("no credentials: set credentials or credentials_provider, or anonymous for public buckets")]
    NoCredentials,
    #[error("the region can't be told from the endpoint {0}: set it")]
    NoRegion(String),
    #[error("{0} must be above 0")]
    Zero(&'static str),
    #[error("the user agent's suffix must be visible ASCII characters and blanks")]
    UserAgent,
    #[error(transparent)]
    Proxy(#[from] ProxyUrlError),
    #[error("proxy_credentials are set without a proxy")]
    ProxyCredentialsAlone,
    #[error(transparent)]
    Tls(#[from] TlsError),
}

fn user_agent(suffix: Option<&str>) -> Result<HeaderValue, ConfigError> {
    let own = concat!("tosget/", env!("CARGO_PKG_VERSION"));
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let suffix = suffix.map(str::trim).filter(|suffix| !suffix.is_empty());
    if suffix.is_some_and(|suffix| !suffix.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
        return Err(ConfigError::UserAgent);
    }
    let text = match suffix {
        Some(suffix) => format!("{own} ({os}/{arch}) {suffix}"),
        None => format!("{own} ({os}/{arch})"),
    };
    HeaderValue::try_from(text).map_err(|_| ConfigError::UserAgent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> TosClientBuilder {
        TosClientBuilder::new()
            .region("cn-beijing")
            .credentials(Credentials::new("AKLT1", "very-secret"))
    }

    fn refusal(builder: TosClientBuilder) -> String {
        builder.into_parts().expect_err("refused").to_string()
    }

    #[test]
    fn a_region_and_credentials_are_enough() {
        let parts = builder().into_parts().expect("a client");
        let service = parts.service().expect("a service");
        assert_eq!(service.source.endpoint(), "https://tos-cn-beijing.volces.com");
        let retries = |doubtful| Retries {
            time: Duration::from_secs(300),
            count: None,
            doubtful,
        };
        assert_eq!(
            (parts.first_retries(), parts.max_retries()),
            (retries(3), retries(10))
        );
        assert_eq!(parts.timeouts.idle, Duration::from_secs(30));
        assert!(parts.enable_crc);
    }

    #[test]
    fn what_is_missing_is_named() {
        let region = TosClientBuilder::new().region("cn-beijing");
        assert!(refusal(region).contains("no credentials"));
        let custom = TosClientBuilder::new().anonymous().is_custom_domain(true);
        assert!(refusal(custom).contains("without an endpoint"));
        let elsewhere = TosClientBuilder::new().endpoint("http://tos.test");
        let keys = Credentials::new("a", "s");
        assert!(refusal(elsewhere.clone().credentials(keys)).contains("http://tos.test: set it"));
        assert!(elsewhere.anonymous().into_parts().is_ok());
    }

    #[test]
    fn a_client_of_nothing_reads_urls_only() {
        let parts = TosClientBuilder::new().into_parts().expect("a client");
        let refusal = parts.service().expect_err("no service");
        assert!(
            refusal.to_string().contains("neither endpoint nor region"),
            "{refusal}"
        );
        assert!(refusal.hint().is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(refusal(builder().idle_timeout(Duration::ZERO)).contains("idle_timeout"));
        assert!(refusal(builder().connect_timeout(Duration::ZERO)).contains("connect_timeout"));
        assert!(refusal(builder().max_connections(0)).contains("max_connections"));
        assert!(refusal(builder().max_downloads(0)).contains("max_downloads"));
        assert!(refusal(builder().user_agent_suffix("a\r\nb: c")).contains("user agent"));
        assert!(refusal(builder().proxy("socks5://h:1")).contains("proxy"));
        assert!(refusal(builder().proxy_credentials("u", "p")).contains("without a proxy"));
        assert!(refusal(builder().ca_file("/nowhere/ca.pem")).contains("/nowhere/ca.pem"));
        assert!(refusal(builder().client_certificate("/nowhere/c.pem", "/k")).contains("/nowhere/c.pem"));
    }

    #[test]
    fn no_secret_is_shown() {
        let builder = builder()
            .endpoint("https://u:hunter2@h")
            .proxy("http://u:hunter2@h:1")
            .proxy_credentials("u", "hunter3");
        let shown = format!("{builder:?} {}", refusal(builder.clone()));
        for secret in ["very-secret", "hunter2", "hunter3"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let parts = self::builder().proxy("http://u:hunter2@h:1").into_parts();
        let shown = format!("{parts:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("very-secret"),
            "{shown}"
        );
    }

    #[test]
    fn the_user_agent_names_us_and_then_the_user() {
        let plain = user_agent(None).expect("a value");
        let own = user_agent(Some(" my-tool/1.2 ")).expect("a value");
        let (plain, own) = (plain.to_str().expect("ASCII"), own.to_str().expect("ASCII"));
        assert!(plain.starts_with("tosget/") && plain.ends_with(')'), "{plain}");
        assert_eq!(own, format!("{plain} my-tool/1.2"));
    }
}
