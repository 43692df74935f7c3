//! An nginx of our own, serving one directory on a free port, until dropped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{About, Failure, Result};

const MISSING: &str = "\
nginx serves the file in this benchmark, and there is none here.
Install it (Debian and Ubuntu: apt-get install nginx-light; macOS: brew install nginx)";

const START_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Nginx {
    process: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Serves the files of `directory`, with these header lines on every answer; its own files go there as well.
    pub(crate) fn serve(directory: &Path, headers: &[(&str, String)]) -> Result<Self> {
        let address = free_address()?;
        let config = directory.join("nginx.conf");
        fs::write(&config, configuration(directory, address, headers)).about(config.display())?;
        let process = Command::new("nginx")
            .arg("-p")
            .arg(directory)
            .arg("-c")
            .arg(&config)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|_| Failure::new(MISSING))?;
        let mut nginx = Self { process, address };
        nginx.await_start()?;
        Ok(nginx)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
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

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).about("a free port")?;
    listener.local_addr().about("a free port")
}

fn configuration(directory: &Path, address: SocketAddr, headers: &[(&str, String)]) -> String {
    let directory = directory.display();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("add_header {name} \"{value}\" always;\n"))
        .collect();
    format!(
        "daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {address};
        root {directory};
        {headers}
    }}
}}
"
    )
}
