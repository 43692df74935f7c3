//! Who asks: access keys, and where they come from.
//!
//! A provider is asked before every attempt, so that renewed credentials reach the retries of a long download.

use std::env;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;

/// One consistent set of keys. `Debug` shows the access key's id and hides the rest.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key: String,
    secret_key: String,
    security_token: Option<String>,
}

impl Credentials {
    /// Keys as the console shows them; the secret key is used as it stands, not decoded.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self {
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            security_token: None,
        }
    }

    /// Reads `TOS_ACCESS_KEY`, `TOS_SECRET_KEY` and, for temporary credentials, `TOS_SECURITY_TOKEN`.
    ///
    /// White space around a value is dropped, and an empty value counts as absent.
    pub fn from_env() -> Result<Self, EnvironmentCredentialsError> {
        Self::from_variables(|name| env::var(name).ok())
    }

    /// Adds the token that temporary credentials (STS) come with.
    #[must_use]
    pub fn with_security_token(mut self, token: impl Into<String>) -> Self {
        self.security_token = Some(token.into());
        self
    }

    /// The access key's id; not a secret.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    pub(crate) fn secret_key(&self) -> &str {
        &self.secret_key
    }

    pub(crate) fn security_token(&self) -> Option<&str> {
        self.security_token.as_deref()
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentCredentialsError> {
        let value = |name| {
            read(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let (access_key, secret_key) = match (value(ACCESS_KEY), value(SECRET_KEY)) {
            (Some(access_key), Some(secret_key)) => (access_key, secret_key),
            (None, Some(_)) => return Err(EnvironmentCredentialsError(ACCESS_KEY)),
            (Some(_), None) => return Err(EnvironmentCredentialsError(SECRET_KEY)),
            (None, None) => return Err(EnvironmentCredentialsError("TOS_ACCESS_KEY and TOS_SECRET_KEY")),
        };
        Ok(Self {
            access_key,
            secret_key,
            security_token: value(SECURITY_TOKEN),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .field("secret_key", &"<redacted>")
            .field(
                "security_token",
                &self.security_token.as_ref().map(|_| "<redacted>"),
            )
            .finish()
    }
}

// The names that every official SDK reads.
const ACCESS_KEY: &str = "TOS_ACCESS_KEY";
const SECRET_KEY: &str = "TOS_SECRET_KEY";
const SECURITY_TOKEN: &str = "TOS_SECURITY_TOKEN";

/// The environment holds no complete credentials; names what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no credentials in the environment: {0} not set")]
pub struct EnvironmentCredentialsError(&'static str);

/// What a [`CredentialsProvider`] answers with: credentials, or `None` to send the request unsigned.
pub type CredentialsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Credentials>, Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// Gives the credentials for one request.
///
/// It is asked before each attempt of each request, many times a second and from several tasks at once. So one
/// that asks a service should keep the answer, renew it some minutes before it expires, and let concurrent
/// callers share one renewal. A failure here fails the attempt, which is tried again; so does an answer that does not come within
/// the client's [`idle_timeout`](crate::TosClientBuilder::idle_timeout).
pub trait CredentialsProvider: Send + Sync {
    /// The credentials to sign with now.
    fn credentials(&self) -> CredentialsFuture<'_>;
}

/// Asks a provider, and not for ever.
pub(crate) async fn ask(
    provider: &dyn CredentialsProvider,
    limit: Duration,
) -> Result<Option<Credentials>, Box<dyn StdError + Send + Sync>> {
    match timeout(limit, provider.credentials()).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(format!("it gave no answer within {} s", limit.as_secs_f64()).into()),
    }
}

/// Fixed credentials are their own provider.
impl CredentialsProvider for Credentials {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(async { Ok(Some(self.clone())) })
    }
}

/// Reads the environment anew at each call, as [`Credentials::from_env`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvironmentCredentials;

impl CredentialsProvider for EnvironmentCredentials {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(async { Ok(Some(Credentials::from_env()?)) })
    }
}

/// Sends requests unsigned, for buckets that anyone may read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

impl CredentialsProvider for Anonymous {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(async { Ok(None) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials::new("AKLT1", "very-secret").with_security_token("a-token");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKLT1"), "{shown}");
        assert!(
            !shown.contains("very-secret") && !shown.contains("a-token"),
            "{shown}"
        );
    }

    #[test]
    fn a_missing_variable_is_named() {
        let with = |set: &'static [(&str, &str)]| {
            Credentials::from_variables(|name| {
                set.iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        let missing = |set| with(set).expect_err("incomplete").to_string();
        assert!(missing(&[(ACCESS_KEY, "a")]).contains("TOS_SECRET_KEY not set"));
        assert!(missing(&[(SECRET_KEY, "s")]).contains("TOS_ACCESS_KEY not set"));
        assert!(missing(&[(ACCESS_KEY, " ")]).contains("TOS_ACCESS_KEY and TOS_SECRET_KEY"));
        assert_eq!(
            with(&[(ACCESS_KEY, "a"), (SECRET_KEY, "s\n"), (SECURITY_TOKEN, "")]),
            Ok(Credentials::new("a", "s"))
        );
        assert_eq!(
            with(&[(ACCESS_KEY, "a"), (SECRET_KEY, "s"), (SECURITY_TOKEN, "t")]),
            Ok(Credentials::new("a", "s").with_security_token("t"))
        );
    }
}
