//! A client as Python configures it.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::runtime::Handle;
use tosget::{Credentials, TosClient, TosClientBuilder};

use crate::credentials::PythonCredentials;
use crate::failure::refused;
use crate::operation::Operation;
use crate::process::{self, PerProcess};
use crate::request::{Download, Head, seconds};

/// Everything that a client is made of. All keys have to be there; what is `None` is left as the engine has it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Settings {
    endpoint: String,
    region: String,
    identity: Option<Identity>,
    is_custom_domain: bool,
    connect_timeout: f64,
    idle_timeout: f64,
    max_retry_count: Option<u32>,
    retry_for: Option<f64>,
    max_connections: usize,
    enable_crc: bool,
    enable_verify_ssl: bool,
    ca_file: Option<PathBuf>,
    client_certificate: Option<(PathBuf, PathBuf)>,
    proxy: Option<String>,
    proxy_credentials: Option<(String, String)>,
    user_agent: String,
}

/// Who asks; nobody, if it is not there.
#[derive(FromPyObject)]
enum Identity {
    /// Access key, secret key and, for temporary ones, the token.
    Fixed((String, String, Option<String>)),
    /// A callable that gives them.
    Asked(Py<PyAny>),
}

impl Settings {
    fn into_builder(self) -> TosClientBuilder {
        let mut builder = TosClient::builder()
            .is_custom_domain(self.is_custom_domain)
            .connect_timeout(seconds(self.connect_timeout))
            .idle_timeout(seconds(self.idle_timeout))
            .max_connections(self.max_connections)
            .enable_crc(self.enable_crc)
            .enable_verify_ssl(self.enable_verify_ssl)
            .user_agent_suffix(self.user_agent);
        if !self.endpoint.is_empty() {
            builder = builder.endpoint(self.endpoint);
        }
        if !self.region.is_empty() {
            builder = builder.region(self.region);
        }
        if let Some(count) = self.max_retry_count {
            builder = builder.max_retry_count(count);
        }
        if let Some(time) = self.retry_for {
            builder = builder.retry_for(seconds(time));
        }
        if let Some(file) = self.ca_file {
            builder = builder.ca_file(file);
        }
        if let Some((certificate, key)) = self.client_certificate {
            builder = builder.client_certificate(certificate, key);
        }
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(proxy);
        }
        if let Some((user, password)) = self.proxy_credentials {
            builder = builder.proxy_credentials(user, password);
        }
        match self.identity {
            None => builder.anonymous(),
            Some(identity) => identity.add_to(builder),
        }
    }
}

impl Identity {
    fn add_to(self, builder: TosClientBuilder) -> TosClientBuilder {
        match self {
            Self::Fixed((access_key, secret_key, token)) => {
                let credentials = Credentials::new(access_key, secret_key);
                builder.credentials(match token {
                    Some(token) => credentials.with_security_token(token),
                    None => credentials,
                })
            }
            Self::Asked(callable) => builder.credentials_provider(Arc::new(PythonCredentials::new(callable))),
        }
    }
}

/// A client of one endpoint. A child of a fork makes its own of the same settings.
#[pyclass(frozen, module = "tosget._tosget")]
#[derive(Debug)]
pub(crate) struct Client {
    settings: TosClientBuilder,
    made: PerProcess<TosClient>,
}

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, settings: Settings) -> PyResult<Self> {
        let client = Self {
            settings: settings.into_builder(),
            made: PerProcess::new(),
        };
        // At once, so that what can't work is refused here.
        client.ready(py)?;
        Ok(client)
    }

    /// The endpoint, as it is asked.
    #[getter]
    fn endpoint(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.ready(py)?.0.endpoint().map(str::to_owned))
    }

    /// Begins a download.
    fn download(&self, py: Python<'_>, request: Download) -> PyResult<Operation> {
        let (client, runtime) = self.ready(py)?;
        Operation::download(py, client, &runtime, request)
    }

    /// Begins to ask what the service knows of an object.
    fn head(&self, py: Python<'_>, request: Head) -> PyResult<Operation> {
        let (client, runtime) = self.ready(py)?;
        Operation::head(py, client, &runtime, request)
    }
}

impl Client {
    /// This process's client, and the threads it works on.
    fn ready(&self, py: Python<'_>) -> PyResult<(TosClient, Handle)> {
        let runtime = process::runtime(py).map_err(PyOSError::new_err)?;
        let client = self.made.get_or_make(py, || {
            let _entered = runtime.enter();
            self.settings.clone().build()
        });
        Ok((client.map_err(|error| refused(py, &error))?, runtime))
    }
}
