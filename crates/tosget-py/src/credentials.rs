//! Keys that Python code gives.

use std::error::Error as StdError;
use std::sync::Arc;

use pyo3::prelude::*;
use tokio::sync::oneshot;
use tosget::{Credentials, CredentialsFuture, CredentialsProvider};

use crate::process::aside;

/// Calls a Python callable for access key, secret key and token (or nothing) before each attempt.
#[derive(Clone, Debug)]
pub(crate) struct PythonCredentials(Arc<Py<PyAny>>);

impl PythonCredentials {
    pub(crate) fn new(callable: Py<PyAny>) -> Self {
        Self(Arc::new(callable))
    }

    fn call(&self) -> Result<Credentials, Box<dyn StdError + Send + Sync>> {
        let called =
            Python::try_attach(|py| self.0.call0(py)?.extract::<(String, String, Option<String>)>(py));
        let (access_key, secret_key, token) =
            called.ok_or("the interpreter shuts down, so nobody can be asked for credentials")??;
        let credentials = Credentials::new(access_key, secret_key);
        Ok(match token {
            Some(token) if !token.is_empty() => credentials.with_security_token(token),
            _ => credentials,
        })
    }
}

impl CredentialsProvider for PythonCredentials {
    fn credentials(&self) -> CredentialsFuture<'_> {
        let provider = self.clone();
        // Waiting for the interpreter's lock, or for the user's code, must not hold up the runtime's threads.
        let (tell, answer) = oneshot::channel();
        aside(move || {
            // Whoever asked may have gone away.
            let _ = tell.send(provider.call());
        });
        Box::pin(async move { answer.await?.map(Some) })
    }
}
