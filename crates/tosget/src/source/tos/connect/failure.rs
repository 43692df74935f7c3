//! Why there is no answer: errors of the HTTP stack told apart, with their causes kept.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy;
use rustls::AlertDescription;
use thiserror::Error;

use super::proxy::TunnelError;
use crate::error::attempt::{AttemptError, BoxError};
use crate::error::shortage::Shortage;

/// Why no connection came about.
///
/// Cloneable, because the pool hands out its errors only by reference.
#[derive(Clone, Debug, Error)]
pub(super) enum ConnectFailure {
    #[error("could not connect to {peer}")]
    Connect { peer: String, source: Shared },
    #[error("this machine could not open a connection to {peer}")]
    Shortage {
        peer: String,
        shortage: Shortage,
        source: Shared,
    },
    #[error("could not connect to {peer}")]
    Refused { peer: String, source: Shared },
    #[error("the TLS handshake with {peer} failed")]
    Tls { peer: String, source: Shared },
    #[error("no connection within {} s", .0.as_secs_f64())]
    Timeout(Duration),
}

impl ConnectFailure {
    pub(super) fn connect(peer: &str, source: impl Into<BoxError>) -> Self {
        let (peer, source) = (peer.to_owned(), Shared(source.into().into()));
        match shortage(&*source.0) {
            Some(shortage) => Self::Shortage {
                peer,
                shortage,
                source,
            },
            None => Self::Connect { peer, source },
        }
    }

    /// TLS can't be set up as asked.
    pub(super) fn tls(peer: &str, source: impl Into<BoxError>) -> Self {
        Self::Tls {
            peer: peer.to_owned(),
            source: Shared(source.into().into()),
        }
    }

    /// The proxy did not lead to the peer. What it answers for good is no matter of time.
    pub(super) fn tunnel(proxy: &str, error: TunnelError) -> Self {
        if error.is_transient() {
            return Self::connect(proxy, error);
        }
        Self::Refused {
            peer: proxy.to_owned(),
            source: Shared(Arc::new(error)),
        }
    }

    /// What a failed handshake was: the peer's certificate or protocol, or the network underneath.
    /// `note` is what the environment says of whom to trust.
    pub(super) fn handshake(peer: &str, error: io::Error, note: Option<&str>) -> Self {
        let error = match (rustls_error(&error), note) {
            (None, _) => return Self::connect(peer, error),
            (Some(rustls::Error::InvalidCertificate(why)), Some(note)) => {
                let told = format!("{}; {note}", rustls::Error::InvalidCertificate(why.clone()));
                return Self::tls(peer, told);
            }
            (Some(_), _) => error,
        };
        Self::Tls {
            peer: peer.to_owned(),
            source: Shared(Arc::new(error)),
        }
    }
}

impl From<ConnectFailure> for AttemptError {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::Connect { peer, source } => Self::Connect {
                peer,
                source: Box::new(source),
            },
            ConnectFailure::Refused { peer, source } => Self::ProxyRefused {
                peer,
                source: Box::new(source),
            },
            ConnectFailure::Shortage {
                peer,
                shortage,
                source,
            } => Self::Shortage {
                peer,
                shortage,
                source: Box::new(source),
            },
            ConnectFailure::Tls { peer, source } => Self::Tls {
                peer,
                speaks_tls: speaks_tls(&*source.0),
                source: Box::new(source),
            },
            ConnectFailure::Timeout(limit) => Self::Timeout {
                waiting_for: "connection",
                limit,
            },
        }
    }
}

/// What this machine has not enough of, if it is that.
fn shortage(error: &(dyn StdError + 'static)) -> Option<Shortage> {
    match Shortage::of(error)? {
        // So does the system call an address that is of no use here, such as ::1 where there is no IPv6.
        Shortage::Ports if is_a_port_left() => None,
        shortage => Some(shortage),
    }
}

fn is_a_port_left() -> bool {
    let addresses = [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    ];
    let in_use =
        |address| TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    !addresses.into_iter().any(in_use)
}

/// Tells apart what the pool reports: no connection, a refusal by TLS, or a connection that broke.
pub(super) fn classify(error: legacy::Error, peer: String) -> AttemptError {
    if let Some(failure) = error
        .source()
        .and_then(|source| source.downcast_ref::<ConnectFailure>())
    {
        return failure.clone().into();
    }
    let refused = certificate_refused(&error);
    let source = Box::new(Stripped(error));
    if refused {
        AttemptError::Tls {
            peer,
            speaks_tls: true,
            source,
        }
    } else {
        AttemptError::Broken { source }
    }
}

/// With TLS 1.3 a server judges our certificate after the handshake is over for us.
fn certificate_refused(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if let Some(rustls::Error::AlertReceived(alert)) = io.and_then(rustls_error) {
            return concerns_certificates(*alert);
        }
        next = error.source();
    }
    false
}

fn concerns_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
    )
}

/// Whether what came was TLS at all.
fn speaks_tls(error: &(dyn StdError + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>().and_then(rustls_error);
    !matches!(error, Some(rustls::Error::InvalidMessage(_)))
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// One error in several places, which reads like the error itself.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<dyn StdError + Send + Sync>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// The pool's error without its own words, "client error (SendRequest)", which mean nothing to a user.
#[derive(Debug)]
struct Stripped(legacy::Error);

impl fmt::Display for Stripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(source) => fmt::Display::fmt(source, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl StdError for Stripped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source().and_then(StdError::source)
    }
}
