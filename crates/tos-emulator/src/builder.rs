//! How an emulator is set up.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::emulator::{Emulator, Running};
use crate::faults::FaultRule;
use crate::request::address::Addressing;
use crate::service::Service;
use crate::signature::Verifier;
use crate::signature::credential::Credential;
use crate::store::Store;
use crate::wire::listener::serve;
use crate::wire::tls::{self, TlsFiles};

/// Settings of an emulator that is not running yet; see [`Emulator::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    root: Option<PathBuf>,
    listen: SocketAddr,
    credentials: Vec<Credential>,
    region: String,
    bases: Vec<String>,
    domains: BTreeMap<String, String>,
    public_buckets: Vec<String>,
    range_crc: bool,
    tls: Option<Tls>,
    names: Vec<String>,
    faults: Vec<FaultRule>,
}

#[derive(Clone, Debug)]
enum Tls {
    Files(TlsFiles),
    SelfSigned(PathBuf),
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            root: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            credentials: vec![Credential {
                access_key: "test-access-key".into(),
                secret_key: "test-secret-key".into(),
                security_token: None,
            }],
            region: "cn-beijing".into(),
            bases: vec!["localhost".into()],
            domains: BTreeMap::new(),
            public_buckets: Vec::new(),
            range_crc: false,
            tls: None,
            names: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Where objects are kept. By default a temporary directory, which is removed with the emulator.
    pub fn root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.root = Some(directory.into());
        self
    }

    /// Where to listen; port 0 picks a free one. By default `127.0.0.1:0`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The access key; by default `test-access-key`.
    pub fn access_key(mut self, access_key: impl Into<String>) -> Self {
        self.credentials[0].access_key = access_key.into();
        self
    }

    /// The secret key; by default `test-secret-key`.
    pub fn secret_key(mut self, secret_key: impl Into<String>) -> Self {
        self.credentials[0].secret_key = secret_key.into();
        self
    }

    /// Another pair of keys that is accepted, with the security token that then has to come along, if any.
    pub fn credential(
        mut self,
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
        security_token: Option<String>,
    ) -> Self {
        let (access_key, secret_key) = (access_key.into(), secret_key.into());
        self.credentials.push(Credential {
            access_key,
            secret_key,
            security_token,
        });
        self
    }

    /// The region that signatures must name; by default `cn-beijing`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// A host name below which buckets have their own: `bucket.<base>`. The base itself is path style.
    ///
    /// Without any, IP addresses, `localhost` and hosts that begin with `tos.` or `tos-` are path style; of all other
    /// hosts the first label is the bucket.
    pub fn base_domain(mut self, base: impl Into<String>) -> Self {
        self.bases.push(base.into().to_ascii_lowercase());
        self
    }

    /// A host name that stands for a bucket.
    pub fn custom_domain(mut self, host: impl Into<String>, bucket: impl Into<String>) -> Self {
        self.domains
            .insert(host.into().to_ascii_lowercase(), bucket.into());
        self
    }

    /// A bucket that anyone may read; it is created when it does not exist.
    pub fn public_read(mut self, bucket: impl Into<String>) -> Self {
        self.public_buckets.push(bucket.into());
        self
    }

    /// Whether reads of a range that ask for it get the range's CRC64 in a trailer. By default not.
    pub fn grant_range_crc(mut self, grant: bool) -> Self {
        self.range_crc = grant;
        self
    }

    /// Serve HTTPS with this certificate chain and key, both PEM files.
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some(Tls::Files(TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
        }));
        self
    }

    /// Serve HTTPS with a certificate made for the occasion: `ca.pem`, `cert.pem` and `key.pem` are written into
    /// `directory`, and `ca.pem` is what clients have to trust. It is valid for `localhost`, the loopback addresses,
    /// the base domains and what is below them, the custom domains, and [`tls_name`](Self::tls_name)s.
    pub fn tls_self_signed(mut self, directory: impl Into<PathBuf>) -> Self {
        self.tls = Some(Tls::SelfSigned(directory.into()));
        self
    }

    /// One more name for the certificate, such as `*.tos.test`.
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// A fault rule that is in force from the start.
    pub fn fault(mut self, rule: FaultRule) -> Self {
        self.faults.push(rule);
        self
    }

    /// Starts the emulator on the current tokio runtime. It serves once this returns.
    ///
    /// # Errors
    ///
    /// When the root directory cannot be used, the address is taken or the certificate is no good.
    pub async fn start(self) -> io::Result<Emulator> {
        let prepared = self.prepare()?;
        let (listener, address) = bind(prepared.listen).await?;
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(
            listener,
            prepared.tls.clone(),
            Arc::clone(&prepared.service),
            stopped,
        ));
        Ok(prepared.emulator(address, stop, Running::Task(serving)))
    }

    /// Starts the emulator on a thread and a runtime of its own, for callers that are not asynchronous, or busy.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn spawn(self) -> io::Result<Emulator> {
        let prepared = self.prepare()?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let (listening, is_listening) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        let (listen, tls, service) = (
            prepared.listen,
            prepared.tls.clone(),
            Arc::clone(&prepared.service),
        );
        // The runtime is used on this thread only: the caller's may belong to another one, which forbids blocking.
        let thread = thread::Builder::new()
            .name("tos-emulator".into())
            .spawn(move || {
                runtime.block_on(async {
                    match bind(listen).await {
                        Ok((listener, address)) => {
                            // The caller waits for it.
                            let _ = listening.send(Ok(address));
                            serve(listener, tls, service, stopped).await;
                        }
                        Err(error) => drop(listening.send(Err(error))),
                    }
                });
                runtime.shutdown_background();
                drop(done);
            })?;
        let address = is_listening.recv().map_err(io::Error::other)??;
        let running = Running::Thread {
            thread: Some(thread),
            is_done,
        };
        Ok(prepared.emulator(address, stop, running))
    }

    fn prepare(self) -> io::Result<Prepared> {
        let temporary = self
            .root
            .is_none()
            .then(|| TempDir::with_prefix(format!("tos-emulator-{}-", std::process::id())))
            .transpose()?;
        let root = self
            .root
            .as_deref()
            .or(temporary.as_ref().map(TempDir::path))
            .map(PathBuf::from);
        let store = Store::open(root.unwrap_or_default())?;
        let acceptor = self.acceptor()?;

        let credential = self.credentials[0].clone();
        let addressing = Addressing {
            bases: self.bases,
            domains: self.domains,
        };
        let verifier = Verifier {
            credentials: self.credentials,
            region: self.region,
        };
        let service = Arc::new(Service::new(store, addressing, verifier, self.range_crc));
        self.faults.into_iter().for_each(|rule| service.faults.add(rule));
        for bucket in &self.public_buckets {
            if service.store.set_public_read(bucket).is_err() {
                service.public_bucket(bucket).map_err(io::Error::other)?;
            }
        }
        Ok(Prepared {
            service,
            tls: acceptor,
            credential,
            listen: self.listen,
            temporary,
        })
    }

    fn acceptor(&self) -> io::Result<Option<TlsAcceptor>> {
        let files = match &self.tls {
            None => return Ok(None),
            Some(Tls::Files(files)) => files.clone(),
            Some(Tls::SelfSigned(directory)) => tls::make_certificates(directory, &self.certificate_names())?,
        };
        tls::acceptor(&files).map(Some)
    }

    fn certificate_names(&self) -> Vec<String> {
        let bases = self
            .bases
            .iter()
            .flat_map(|base| [base.clone(), format!("*.{base}")]);
        bases
            .chain(self.domains.keys().cloned())
            .chain(self.names.iter().cloned())
            .collect()
    }
}

/// Everything but the socket.
struct Prepared {
    service: Arc<Service>,
    tls: Option<TlsAcceptor>,
    credential: Credential,
    listen: SocketAddr,
    temporary: Option<TempDir>,
}

impl Prepared {
    fn emulator(self, address: SocketAddr, stop: watch::Sender<bool>, running: Running) -> Emulator {
        let https = self.tls.is_some();
        Emulator::new(
            self.service,
            self.credential,
            address,
            https,
            stop,
            running,
            self.temporary,
        )
    }
}

async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
