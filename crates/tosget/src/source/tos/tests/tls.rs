//! Whom we trust, and who we are.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::config::TosClientBuilder;
use crate::error::attempt::AttemptError;
use crate::source::RangeResponse;
use crate::source::tos::testing::{Server, Step, get, partial, read_all};

/// An authority of our own, with its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    files: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a certificate");
        let files = tempfile::tempdir().expect("a directory");
        fs::write(files.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, files }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Writes a certificate and its key for one name.
    fn issue_files(&self, name: &str) {
        let key = key();
        let certificate = self.sign(name, &key);
        fs::write(self.file("client.pem"), certificate.pem()).expect("written");
        fs::write(self.file("client.key"), key.serialize_pem()).expect("written");
    }

    /// A server for one name, which may want a certificate of ours from its clients.
    fn server(&self, name: &str, wants_certificate: bool) -> TlsAcceptor {
        let key = key();
        let certificate = self.sign(name, &key);
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if wants_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(vec![certificate.der().clone()], private);
        TlsAcceptor::from(Arc::new(config.expect("a configuration")))
    }

    fn sign(&self, name: &str, key: &KeyPair) -> rcgen::Certificate {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.signed_by(key, &self.issuer).expect("a certificate")
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

async fn fetch(builder: TosClientBuilder) -> Result<RangeResponse, AttemptError> {
    get(
        &*builder
            .into_parts()
            .expect("a client")
            .service()
            .expect("a service")
            .source
            .clone(),
        5,
    )
    .await
}

fn builder(server: &Server) -> TosClientBuilder {
    TosClientBuilder::new()
        .endpoint(format!("https://{}", server.address))
        .anonymous()
}

fn hello() -> Step {
    Step::Answer(partial(b"hello", 5, ""))
}

#[tokio::test]
async fn an_authority_of_our_own_is_trusted() {
    let authority = Authority::new();
    let server = Server::start_tls(vec![hello()], authority.server("127.0.0.1", false)).await;
    let mut response = fetch(builder(&server).ca_file(authority.file("ca.pem")))
        .await
        .expect("an answer");
    assert_eq!(read_all(&mut *response.body).await.expect("a body"), b"hello");
}

#[tokio::test]
async fn an_unknown_authority_or_another_name_is_refused_before_anything_is_sent() {
    let authority = Authority::new();
    let server = Server::start_tls(vec![], authority.server("127.0.0.1", false)).await;
    let error = fetch(builder(&server)).await.expect_err("unknown");
    assert!(matches!(error, AttemptError::Tls { .. }), "{error:?}");

    let server = Server::start_tls(vec![], authority.server("other.test", false)).await;
    let error = fetch(builder(&server).ca_file(authority.file("ca.pem")))
        .await
        .expect_err("another");
    assert!(
        matches!(&error, AttemptError::Tls { peer, .. } if *peer == server.address.to_string()),
        "{error:?}"
    );
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn without_verification_anyone_is_trusted() {
    let authority = Authority::new();
    let server = Server::start_tls(vec![hello()], authority.server("other.test", false)).await;
    let response = fetch(builder(&server).enable_verify_ssl(false)).await;
    assert_eq!(response.expect("an answer").head.status, 206);
}

#[tokio::test]
async fn a_server_that_wants_our_certificate_gets_it() {
    let authority = Authority::new();
    authority.issue_files("us.test");
    let server = Server::start_tls(vec![hello()], authority.server("127.0.0.1", true)).await;
    let trusting = builder(&server).ca_file(authority.file("ca.pem"));
    let error = fetch(trusting.clone()).await.expect_err("no certificate");
    assert!(matches!(error, AttemptError::Tls { .. }), "{error:?}");

    let ours = trusting.client_certificate(authority.file("client.pem"), authority.file("client.key"));
    assert_eq!(fetch(ours).await.expect("an answer").head.status, 206);
}

#[tokio::test]
async fn a_plain_server_behind_https_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("a client");
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        let _ = tcp.write_all(answer).await;
        let _ = tcp.read(&mut [0; 1024]).await;
    });
    let source = TosClientBuilder::new()
        .endpoint(format!("https://{address}"))
        .anonymous();
    let error = fetch(source).await.expect_err("no TLS");
    assert!(
        matches!(
            error,
            AttemptError::Tls {
                speaks_tls: false,
                ..
            }
        ),
        "{error:?}"
    );
    let error = crate::error::Error::from_attempt("read", 1, error);
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("http://") && !hint.contains("authority"), "{hint}");
}

#[tokio::test]
async fn tls_goes_through_a_proxys_tunnel_to_the_endpoint_itself() {
    let authority = Authority::new();
    let established = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
    let script = vec![Step::AnswerAndStartTls(established), hello()];
    let proxy = Server::start_proxy(script, authority.server("bkt.tos.test", false)).await;
    let source = TosClientBuilder::new()
        .endpoint("https://tos.test:8443")
        .anonymous()
        .ca_file(authority.file("ca.pem"))
        .proxy(proxy.url())
        .proxy_credentials("user", "p@ss");
    let mut response = fetch(source).await.expect("an answer");
    assert_eq!(read_all(&mut *response.body).await.expect("a body"), b"hello");

    let [tunnel, request] = proxy.asked().try_into().expect("two requests");
    assert!(
        tunnel.starts_with("CONNECT bkt.tos.test:8443 HTTP/1.1\r\n"),
        "{tunnel}"
    );
    assert!(
        tunnel.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"),
        "{tunnel}"
    );
    assert!(request.starts_with("GET /k HTTP/1.1\r\n"), "{request}");
    assert!(
        !request.to_ascii_lowercase().contains("proxy-authorization"),
        "{request}"
    );
}
