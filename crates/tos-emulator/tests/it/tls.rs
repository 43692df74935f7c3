//! HTTPS with a certificate made on the spot.

use std::io::{Read, Write};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use tos_emulator::{Emulator, FaultRule, Verdict};

use crate::client::Client;

#[test]
fn the_certificate_is_good_for_all_its_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let emulator = Emulator::builder()
        .tls_self_signed(directory.path())
        .base_domain("tos.test")
        .tls_name("*.extra.test")
        .spawn()
        .expect("a free port");
    assert!(emulator.endpoint().starts_with("https://"));
    emulator.public_bucket("pub");
    emulator.put_object("pub", "k", "secret");
    for name in [
        "localhost",
        "127.0.0.1",
        "tos.test",
        "pub.tos.test",
        "any.extra.test",
    ] {
        let answer = get(&emulator, directory.path(), name, "/pub/k").expect("a trusted certificate");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") || name.contains('.'),
            "{name}: {answer}"
        );
    }
    let answer = get(&emulator, directory.path(), "pub.tos.test", "/k").expect("a trusted certificate");
    assert!(answer.ends_with("\r\n\r\nsecret"), "{answer}");
    assert!(get(&emulator, directory.path(), "other.test", "/k").is_err());
}

#[test]
fn a_tls_connection_can_be_reset_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let emulator = Emulator::builder()
        .tls_self_signed(directory.path())
        .spawn()
        .expect("a free port");
    emulator.public_bucket("pub");
    emulator.put_object("pub", "k", vec![b'x'; 10_000]);
    emulator.add_fault(FaultRule::new(Verdict::ResetAfter { bytes: 5000 }));
    let error = get(&emulator, directory.path(), "localhost", "/pub/k").expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(emulator.requests()[0].body_bytes, 5000);
}

fn get(
    emulator: &Emulator,
    directory: &std::path::Path,
    name: &str,
    target: &str,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(directory.join("ca.pem")).expect("a certificate");
    roots.add(authority).expect("a certificate authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).expect("a name");
    let connection = ClientConnection::new(Arc::new(config), server).expect("a configuration");
    let mut stream = StreamOwned::new(connection, Client::of(emulator).connect());
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
