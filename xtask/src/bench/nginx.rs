//! An nginx of our own, serving one directory on free ports, until dropped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::certificate::Certificate;
use crate::bench::machine;
use crate::failure::{About, Failure, Result};

const MISSING: &str = "\
nginx serves the files in this benchmark, and there is none here.
Install it (Debian and Ubuntu: apt-get install nginx-light; macOS: brew install nginx)";

const START_LIMIT: Duration = Duration::from_secs(10);

/// What is served and how.
pub(crate) struct Site<'a> {
    /// Below it is `www` with the files; nginx's own files go beside that.
    pub(crate) directory: &'a Path,
    /// The CRC64 of every file: TOS tells it, so nginx has to, and it has one for all.
    pub(crate) crc64: u64,
    /// HTTPS with this certificate, in TLS 1.3 with this cipher.
    pub(crate) tls: Option<(&'a Certificate, &'a str)>,
}

pub(crate) struct Nginx {
    process: Child,
    address: SocketAddr,
    logged: SocketAddr,
    scheme: &'static str,
    log: PathBuf,
}

impl Nginx {
    pub(crate) fn serve(site: &Site<'_>) -> Result<Self> {
        let (address, logged) = free_addresses()?;
        let config = site.directory.join("nginx.conf");
        fs::write(&config, site.configuration(address, logged)).about(config.display())?;
        let process = Command::new("nginx")
            .arg("-p")
            .arg(site.directory)
            .arg("-c")
            .arg(&config)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|_| Failure::new(MISSING))?;
        let mut nginx = Self {
            process,
            address,
            logged,
            scheme: if site.tls.is_some() { "https" } else { "http" },
            log: site.directory.join("access.log"),
        };
        nginx.await_start()?;
        Ok(nginx)
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The same site, where requests are logged.
    pub(crate) fn logged_url(&self) -> String {
        format!("{}://{}", self.scheme, self.logged)
    }

    /// The requests to [`logged_url`](Self::logged_url) since the last call.
    pub(crate) fn take_log(&self) -> Result<Vec<LoggedRequest>> {
        let text = fs::read_to_string(&self.log).about(self.log.display())?;
        // nginx appends, so it goes on at the beginning.
        fs::write(&self.log, "").about(self.log.display())?;
        Ok(text.lines().filter_map(LoggedRequest::read).collect())
    }

    pub(crate) fn in_words() -> String {
        format!("{}, 2 workers, sendfile", machine::version("nginx", &["-v"]))
    }

    fn await_start(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address).is_err() {
            let has_ended = self.process.try_wait().about("nginx")?.is_some();
            if has_ended || Instant::now() > deadline {
                return Err(Failure::new("nginx did not start; its reason is above"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, which std can't send: nginx's master takes its workers with it, which SIGKILL would leave behind.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// A request as the access log has it.
#[derive(Debug)]
pub(crate) struct LoggedRequest {
    pub(crate) status: u16,
    /// Protocol and cipher, `-/-` without TLS.
    pub(crate) tls: String,
}

impl LoggedRequest {
    fn read(line: &str) -> Option<Self> {
        let (status, tls) = line.split_once(' ')?;
        Some(Self {
            status: status.parse().ok()?,
            tls: tls.to_owned(),
        })
    }
}

/// Both at once, so that they differ.
fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).about("a free port");
    let (one, two) = (listen()?, listen()?);
    let address = |listener: &TcpListener| listener.local_addr().about("a free port");
    Ok((address(&one)?, address(&two)?))
}

impl Site<'_> {
    fn configuration(&self, address: SocketAddr, logged: SocketAddr) -> String {
        let directory = self.directory.display();
        let crc64 = self.crc64;
        let (ssl, tls) = match &self.tls {
            None => ("", String::new()),
            Some((certificate, cipher)) => (
                " ssl",
                format!(
                    "ssl_certificate {};
    ssl_certificate_key {};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {cipher};",
                    certificate.chain.display(),
                    certificate.key.display()
                ),
            ),
        };
        format!(
            "daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    log_format short '$status $ssl_protocol/$ssl_cipher';
    access_log off;
    sendfile on;
    keepalive_requests 100000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    root {directory}/www;
    add_header x-tos-hash-crc64ecma \"{crc64}\" always;
    add_header x-tos-request-id \"0123456789abcdef\" always;
    {tls}
    server {{ listen {address}{ssl}; }}
    server {{ listen {logged}{ssl}; access_log {directory}/access.log short; }}
}}
"
        )
    }
}
