//! HTTP proxies: requests to plain HTTP endpoints are handed to them, TLS goes through a tunnel.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::connector::authority;
use super::failure::ConnectFailure;
use crate::endpoint::Endpoint;

/// A proxy's answer to CONNECT may be this long.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// An HTTP proxy, reached without TLS. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    uri: Uri,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Reads `[http://][user:password@]host[:port]`; user and password are percent-decoded.
    pub(crate) fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyUrlError::Scheme),
            None => text,
        };
        let (user_info, host) = match rest.trim_end_matches('/').rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, rest.trim_end_matches('/')),
        };
        // A proxy's host and port follow the same rules as an endpoint's.
        let host = Endpoint::parse(&format!("http://{host}"), true).map_err(|_| ProxyUrlError::Host)?;
        let uri = host.to_string().parse().map_err(|_| ProxyUrlError::Host)?;
        let proxy = Self {
            uri,
            authorization: None,
        };
        Ok(match user_info {
            Some(user_info) => proxy.with_user_info(user_info),
            None => proxy,
        })
    }

    /// Authenticates with these, taken as they are.
    #[must_use]
    pub(crate) fn with_credentials(mut self, user: &str, password: &str) -> Self {
        let token = STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {token}")).expect("base64 makes a header value");
        value.set_sensitive(true);
        self.authorization = Some(value);
        self
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.authorization.clone()
    }

    /// Whether an answer with this status is not the proxy's own refusal.
    pub(super) fn check(&self, status: StatusCode) -> Result<(), ConnectFailure> {
        if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Ok(());
        }
        Err(ConnectFailure::tunnel(
            &authority(&self.uri),
            TunnelError::Authentication,
        ))
    }

    /// Asks for a tunnel to `target` (`host:port`); when this returns, the stream speaks to the target.
    pub(super) async fn tunnel<S>(&self, stream: &mut S, target: &str) -> Result<(), TunnelError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        stream.write_all(&self.connect_request(target)).await?;
        let head = read_head(stream).await?;
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(407) => Err(TunnelError::Authentication),
            Some(status) => Err(TunnelError::Refused(status)),
            None => Err(TunnelError::NotHttp),
        }
    }

    fn with_user_info(self, user_info: &str) -> Self {
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        self.with_credentials(&decoded(user), &decoded(password))
    }

    fn connect_request(&self, target: &str) -> Vec<u8> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("uri", &self.uri)
            .field(
                "authorization",
                &self.authorization.as_ref().map(|_| "<redacted>"),
            )
            .finish()
    }
}

/// Why a proxy's URL can't be used. The URL is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ProxyUrlError {
    #[error("the proxy's scheme must be http")]
    Scheme,
    #[error("the proxy must be given as http://[user:password@]host:port")]
    Host,
}

/// Why a proxy opened no tunnel.
#[derive(Debug, Error)]
pub(super) enum TunnelError {
    #[error("the connection to the proxy broke")]
    Broken(#[from] io::Error),
    #[error("the proxy closed the connection instead of answering")]
    Closed,
    #[error("the proxy's answer is not HTTP")]
    NotHttp,
    #[error("the proxy wants a user name and password, or other ones (status 407)")]
    Authentication,
    #[error("the proxy refused the tunnel (status {0})")]
    Refused(u16),
}

impl TunnelError {
    /// Whether another try may help.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Closed => true,
            Self::Refused(status) => matches!(status, 408 | 429 | 500..),
            Self::NotHttp | Self::Authentication => false,
        }
    }
}

/// Reads up to the empty line and nothing after it: what follows belongs to the target.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, TunnelError> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD_BYTES {
            return Err(TunnelError::NotHttp);
        }
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Err(TunnelError::Closed);
        }
        head.push(byte[0]);
    }
    Ok(head)
}

/// The status in `HTTP/1.x NNN …`.
fn status(head: &[u8]) -> Option<u16> {
    let digits = head.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Proxy {
        Proxy::parse(text).expect("a proxy")
    }

    fn authorization(proxy: &Proxy) -> Option<&str> {
        proxy.authorization.as_ref().and_then(|value| value.to_str().ok())
    }

    #[test]
    fn a_proxy_url_is_read_with_and_without_its_options() {
        for text in [
            "http://h.test:3128",
            "HTTP://h.test:3128/",
            "h.test:3128",
            " http://h.test:3128 ",
        ] {
            let proxy = parse(text);
            assert_eq!(proxy.uri, "http://h.test:3128/", "{text}");
            assert_eq!(proxy.authorization, None, "{text}");
        }
        let expected = "Basic dTpwQHNz"; // u:p@ss
        assert_eq!(authorization(&parse("http://u:p%40ss@h:1")), Some(expected));
        assert_eq!(authorization(&parse("http://u:p@ss@h:1")), Some(expected));
        assert_eq!(
            authorization(&parse("h:1").with_credentials("u", "p@ss")),
            Some(expected)
        );
    }

    #[test]
    fn what_is_not_a_proxy_is_refused_without_repeating_it() {
        assert_eq!(Proxy::parse("https://u:hunter2@h:1"), Err(ProxyUrlError::Scheme));
        assert_eq!(Proxy::parse("socks5://h:1"), Err(ProxyUrlError::Scheme));
        for text in [
            "",
            "http://",
            "http://h:x",
            "http://h/p",
            "http://u:hunter2@",
            "h?x",
            "a b",
        ] {
            assert_eq!(Proxy::parse(text), Err(ProxyUrlError::Host), "{text:?}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let shown = format!("{:?}", parse("http://user:hunter2@h:1"));
        assert!(!shown.contains("hunter2") && !shown.contains("Basic"), "{shown}");
    }

    async fn tunnel(answer: &[u8]) -> Result<(), String> {
        let (mut ours, mut theirs) = tokio::io::duplex(MAX_HEAD_BYTES * 2);
        theirs.write_all(answer).await.expect("room in the pipe");
        theirs.shutdown().await.expect("an open pipe");
        let tunnel = parse("http://h:1").tunnel(&mut ours, "t:443").await;
        tunnel.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_refused_tunnel_says_what_the_proxy_answered() {
        assert_eq!(
            tunnel(b"HTTP/1.0 200 Connection established\r\nx: y\r\n\r\n").await,
            Ok(())
        );
        for (answer, told) in [
            (&b"HTTP/1.1 407 No\r\n\r\n"[..], "status 407"),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502"),
            (b"HTTP/1.1 2", "closed"),
            (b"", "closed"),
            (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
            (&[b'x'; MAX_HEAD_BYTES + 1], "not HTTP"),
        ] {
            let error = tunnel(answer).await.expect_err("refused");
            assert!(error.contains(told), "{error}");
        }
    }
}
