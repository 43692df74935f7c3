//! The ways to a server: unsigned, with TLS, through a proxy, by a domain of one's own.

use std::io::{Read, Write};

use tempfile::TempDir;

use crate::stage::{BUCKET, Stage, run};

#[test]
fn a_public_bucket_needs_no_keys() {
    let stage = Stage::with(|builder| builder.public_read("open"));
    stage.emulator.put_object("open", "k", "content");
    let mut command = stage.command(&["get", "tos://open/k", "--anonymous"]);
    run(command.env_remove("TOS_ACCESS_KEY").env_remove("TOS_SECRET_KEY")).ends_with(0);
    assert_eq!(stage.read("k"), b"content");
}

#[test]
fn a_private_authority_can_be_trusted() {
    let certificates = TempDir::new().expect("a directory");
    let stage = Stage::with(|builder| builder.tls_self_signed(certificates.path()));
    stage.emulator.put_object(BUCKET, "k", "content");
    let untrusted = stage
        .run(&["get", "tos://bkt/k", "--max-retries", "0"])
        .ends_with(1);
    untrusted.says("TLS handshake");
    let ca = certificates.path().join("ca.pem");
    stage
        .run(&["get", "tos://bkt/k", "--ca-file", ca.to_str().expect("UTF-8")])
        .ends_with(0);
    stage
        .run(&["stat", "tos://bkt/k", "--no-verify-ssl"])
        .ends_with(0);
    assert_eq!(stage.read("k"), b"content");
}

#[test]
fn a_custom_domain_stands_for_its_bucket_and_a_proxy_leads_there() {
    let stage = Stage::with(|builder| builder.custom_domain("cdn.test", BUCKET));
    stage.emulator.put_object(BUCKET, "k", "content");
    let proxy = stage.emulator.endpoint();
    let get = [
        "get",
        "tos://bkt/k",
        "--endpoint",
        "http://cdn.test",
        "--custom-domain",
        "--proxy",
        &proxy,
    ];
    stage.run(&get).ends_with(0);
    assert_eq!(stage.read("k"), b"content");
    let asked = stage.emulator.requests();
    assert!(
        asked.iter().all(|request| request.host == "cdn.test"),
        "{asked:#?}"
    );
}

/// A proxy that wants a password, and gets none that it likes; what it was asked.
fn picky_proxy() -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let refusal = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(refusal).expect("answered");
        String::from_utf8(head).expect("ASCII")
    });
    (address, asked)
}

/// `ps` shows a command line to everybody.
#[test]
fn a_proxy_and_its_password_come_from_the_environment() {
    let stage = Stage::new();
    let (address, asked) = picky_proxy();
    let mut command = stage.command(&["get", "tos://bkt/k", "-vvv"]);
    let ran = run(command.env("TOS_PROXY", format!("http://user:p%40ss@{address}"))).ends_with(1);
    ran.says(&format!("could not connect to {address}"))
        .says("status 407")
        .says("hint: check the proxy");
    assert!(
        !ran.stderr.contains("p%40ss") && !ran.stderr.contains("p@ss"),
        "{ran:#?}"
    );
    let asked = asked.join().expect("no panic");
    assert!(
        asked
            .to_ascii_lowercase()
            .contains("proxy-authorization: basic dxnlcjpwqhnz"),
        "{asked}"
    );
    assert_eq!(stage.emulator.stats().requests, 0);
    // An empty variable is one that is not set, and the flag goes before it.
    stage.emulator.put_object(BUCKET, "k", "content");
    let get = ["get", "tos://bkt/k"];
    run(stage.command(&get).env("TOS_PROXY", " ")).ends_with(0);
    let endpoint = stage.emulator.endpoint();
    let get = ["stat", "tos://bkt/k", "--proxy", &endpoint];
    run(stage.command(&get).env("TOS_PROXY", "http://127.0.0.1:1")).ends_with(0);
}

#[test]
fn a_proxys_password_is_not_shown_by_the_help() {
    let stage = Stage::new();
    let mut command = stage.command(&["get", "--help"]);
    let ran = run(command.env("TOS_PROXY", "http://user:hunter2@h:1")).ends_with(0);
    assert!(
        ran.stdout.contains("TOS_PROXY") && !ran.stdout.contains("hunter2"),
        "{}",
        ran.stdout
    );
}

/// OpenSSL reads a file and directories, and each variable replaces its own place only.
#[test]
fn a_variable_for_authorities_adds_what_it_names_and_is_named_where_that_is_not_enough() {
    let certificates = TempDir::new().expect("a directory");
    let stage = Stage::with(|builder| builder.tls_self_signed(certificates.path()));
    stage.emulator.put_object(BUCKET, "k", "content");
    let (own, empty) = (
        TempDir::new().expect("a directory"),
        TempDir::new().expect("a directory"),
    );
    let ca = own.path().join("ca.pem");
    std::fs::copy(certificates.path().join("ca.pem"), &ca).expect("copied");
    let stat = |variables: &[(&str, &std::path::Path)]| {
        let mut command = stage.command(&["stat", "tos://bkt/k"]);
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        run(command.envs(variables.iter().copied()))
    };
    stat(&[("SSL_CERT_FILE", &ca)]).ends_with(0);
    stat(&[("SSL_CERT_DIR", own.path())]).ends_with(0);
    stat(&[("SSL_CERT_FILE", &ca), ("SSL_CERT_DIR", empty.path())]).ends_with(0);
    let nowhere = std::path::Path::new("/nowhere/at/all");
    stat(&[("SSL_CERT_FILE", nowhere), ("SSL_CERT_DIR", own.path())]).ends_with(0);
    stat(&[("SSL_CERT_FILE", &ca), ("SSL_CERT_DIR", nowhere)]).ends_with(0);
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        let ran = stat(&[(variable, nowhere)]).ends_with(1);
        ran.says(&format!("{variable} names /nowhere/at/all, which can't be read"));
        ran.says("invalid peer certificate");
    }
    let ran = stat(&[("SSL_CERT_DIR", empty.path())]).ends_with(1);
    ran.says("which holds no authority");
}
