//! Emulators, and the clients that are pointed at them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Once;
use std::time::Duration;

use async_trait::async_trait;
use opendal::services::Tos;
use opendal::{HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tos_emulator::Emulator;
use ve_tos_rust_sdk::asynchronous::tos::{self, AsyncRuntime, TosClientImpl};
use ve_tos_rust_sdk::credential::{CommonCredentials, CommonCredentialsProvider};

pub(crate) const BUCKET: &str = "peer";
/// No name server knows it.
const HOST: &str = "tos.test";

/// The SDK's client.
pub(crate) type Sdk =
    TosClientImpl<CommonCredentialsProvider<CommonCredentials>, CommonCredentials, TokioRuntime>;

/// How the SDK is to sleep and spawn.
#[derive(Debug, Default)]
pub(crate) struct TokioRuntime;

#[async_trait]
impl AsyncRuntime for TokioRuntime {
    type JoinError = JoinError;

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn spawn<'a, F>(
        &self,
        future: F,
    ) -> Pin<Box<dyn Future<Output = Result<F::Output, Self::JoinError>> + Send + 'a>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Box::pin(tokio::spawn(future))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        Handle::current().block_on(future)
    }
}

/// An emulator with a bucket, and the SDK's client for it, which takes it for its HTTP proxy.
pub(crate) fn for_the_sdk() -> (Emulator, Sdk) {
    let emulator = Emulator::builder().spawn().expect("a free port");
    emulator.create_bucket(BUCKET);
    let sdk = tos::builder::<TokioRuntime>()
        .ak(emulator.access_key())
        .sk(emulator.secret_key())
        .region(emulator.region())
        .endpoint(format!("http://{HOST}"))
        .proxy_host("http://127.0.0.1")
        .proxy_port(emulator.address().port() as isize)
        .max_retry_count(0)
        .build()
        .expect("settings that the SDK takes");
    (emulator, sdk)
}

/// An HTTP client without any knowledge of TOS, for presigned URLs.
pub(crate) fn plain_client(emulator: &Emulator) -> reqwest::Client {
    provide_crypto();
    let proxy = reqwest::Proxy::http(emulator.endpoint()).expect("a proxy's URL");
    reqwest::Client::builder()
        .proxy(proxy)
        .tls_certs_only([])
        .build()
        .expect("a client")
}

/// An emulator with TLS and a bucket, and OpenDAL for that bucket. The directory holds the certificates.
pub(crate) fn for_open_dal() -> (Emulator, Operator, reqwest::Client, TempDir) {
    let certificates = tempfile::tempdir().expect("a directory");
    let emulator = Emulator::builder()
        .tls_self_signed(certificates.path())
        .base_domain(HOST)
        .spawn()
        .expect("a free port");
    emulator.create_bucket(BUCKET);

    let authority = std::fs::read(certificates.path().join("ca.pem")).expect("a certificate");
    let authority = reqwest::Certificate::from_pem(&authority).expect("a certificate");
    provide_crypto();
    let client = reqwest::Client::builder()
        .tls_certs_only([authority])
        .resolve(&format!("{BUCKET}.{HOST}"), emulator.address())
        .no_proxy()
        .build()
        .expect("a client");
    let service = Tos::default()
        .bucket(BUCKET)
        .endpoint(&format!("https://{HOST}:{}", emulator.address().port()))
        .region(emulator.region())
        .access_key_id(emulator.access_key())
        .secret_access_key(emulator.secret_key());
    let transport = HttpTransporter::new(ReqwestTransport::new(client.clone()));
    let operator = Operator::new(service)
        .expect("settings that OpenDAL takes")
        .with_context(OperationContext::new().with_http_transport(transport));
    (emulator, operator, client, certificates)
}

/// Bytes of a ramp modulo a prime, so that a shifted part cannot look right.
pub(crate) fn ramp(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// reqwest is built without a provider of cryptography: ring is here already, and the default one takes long to compile.
fn provide_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let provider = rustls::crypto::ring::default_provider();
        provider.install_default().expect("nobody else provides");
    });
}
