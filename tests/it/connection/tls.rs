//! TLS: whom we trust, who we are, and which name we ask for.

use std::path::PathBuf;
use std::sync::Arc;

use redis_ops::connection::replication::{Options, full_resync};
use redis_ops::connection::{ConnectFault, Node, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::node;
use crate::support::redis_server::{Certificates, Installed, RedisServer, servers};

fn tls_servers() -> Vec<Installed> {
    let found: Vec<_> = servers().into_iter().filter(RedisServer::has_tls).collect();
    if found.is_empty() {
        crate::support::skip("redis-server");
    }
    found
}

fn tls_node(server: &RedisServer, host: &str, tls: Tls) -> Node {
    let port = server.tls_port().expect("a TLS port");
    Node { tls: Some(tls), ..node(&format!("rediss://{host}:{port}")) }
}

fn trusting(server: &RedisServer) -> Tls {
    Tls { ca: Some(server.dir().join("ca.pem")), ..Tls::default() }
}

fn with_certificate(server: &RedisServer) -> Tls {
    let file = |name: &str| Some(server.dir().join(name));
    Tls { certificate: file("client.pem"), key: file("client.key"), ..trusting(server) }
}

#[tokio::test]
async fn every_server_is_reached_over_tls_and_replicated_from() {
    for installed in tls_servers() {
        let Some(server) = RedisServer::builder().version(&installed).tls(Certificates::new()).start() else { return };
        server.fill(2000, 1000);
        for host in ["127.0.0.1", "localhost"] {
            let node = tls_node(&server, host, trusting(&server));
            let mut connection = node.connect().await.unwrap_or_else(|error| panic!("{}: {error}", installed.name));
            connection.query(redis::cmd("GET").arg("key:0")).await.expect("an answer");
            let phases = connection.phases();
            assert_eq!((phases.dns.is_some(), phases.tls.is_some()), (host == "localhost", true));
            let mut payload = full_resync(&node, &Options::default()).await.expect("a header");
            while payload.next().await.expect("bytes").is_some() {}
            assert!(payload.given() > 2_000_000, "{}", installed.name);
        }
    }
}

#[tokio::test]
async fn a_server_that_we_do_not_trust_is_refused_at_once() {
    let Some(installed) = tls_servers().pop() else { return };
    let Some(server) = RedisServer::builder().version(&installed).tls(Certificates::new()).start() else { return };
    let other = tempfile::tempdir().expect("a folder");
    Certificates::new().write_to(other.path());
    for (tls, expected) in [
        (Tls { ca: Some(other.path().join("ca.pem")), ..Tls::default() }, "invalid peer certificate: "),
        // The system's authorities do not know it either; a system may have none.
        (Tls::default(), ""),
        (
            Tls { server_name: Some("redis.example".into()), ..trusting(&server) },
            "invalid peer certificate: certificate not valid for name",
        ),
    ] {
        let retrying = Node { retry: redis_ops::connection::Retry::default(), ..tls_node(&server, "127.0.0.1", tls) };
        let error = retrying.connect().await.expect_err("it is not to be trusted");
        assert_eq!(error.attempts, 1, "never a second time");
        match &error.fault {
            ConnectFault::Tls { reason } => assert!(reason.starts_with(expected), "{error}"),
            ConnectFault::TlsSettings { .. } if expected.is_empty() => {}
            other => panic!("{other:?}"),
        }
    }
    let careless = Tls { insecure: true, ..Tls::default() };
    tls_node(&server, "127.0.0.1", careless).connect().await.expect("anything goes");
}

#[tokio::test]
async fn a_server_may_want_our_certificate() {
    for installed in tls_servers() {
        let builder = RedisServer::builder().version(&installed).tls(Certificates::new());
        let Some(server) = builder.arg("tls-auth-clients", "yes").start() else { return };
        tls_node(&server, "127.0.0.1", with_certificate(&server)).connect().await.expect("we show one");
        let error = tls_node(&server, "127.0.0.1", trusting(&server)).connect().await.expect_err("we show none");
        // Most name it in an alert; if the alert is lost to a reset, the connection is just closed.
        assert!(["tls_failed", "disconnected"].contains(&error.code()), "{}: {error:?}", installed.name);
    }
}

#[tokio::test]
async fn a_port_without_tls_is_told_from_one_with_a_bad_certificate() {
    let Some(server) = RedisServer::start() else { return };
    let plain = Node { tls: Some(Tls { insecure: true, ..Tls::default() }), ..node(&server.url()) };
    let error =
        Node { timeout: std::time::Duration::from_millis(500), ..plain }.connect().await.expect_err("no TLS there");
    assert!(["tls_failed", "timeout"].contains(&error.code()), "{error:?}");

    let Some(installed) = tls_servers().pop() else { return };
    let Some(server) = RedisServer::builder().version(&installed).tls(Certificates::new()).start() else { return };
    let port = server.tls_port().expect("a TLS port");
    let error = node(&format!("redis://127.0.0.1:{port}")).connect().await.expect_err("it wants TLS");
    assert!(["disconnected", "protocol_error"].contains(&error.code()), "{error:?}");
}

#[tokio::test]
async fn the_name_that_is_asked_for_is_the_one_given_or_the_host() {
    let certificates = Certificates::for_names(&["redis.example", "localhost"]);
    let folder = tempfile::tempdir().expect("a folder");
    certificates.write_to(folder.path());
    for (server_name, expected) in [(Some("redis.example"), "redis.example"), (None, "localhost")] {
        let (port, asked) = server_that_notes_the_name(&certificates);
        let tls = Tls {
            ca: Some(folder.path().join("ca.pem")),
            server_name: server_name.map(str::to_owned),
            ..Tls::default()
        };
        let node = Node { tls: Some(tls), ..node(&format!("rediss://localhost:{port}")) };
        node.open().await.expect("the name is in the certificate");
        assert_eq!(asked.await.expect("a handshake"), Some(expected.to_owned()));
    }
}

/// A TLS server that tells which name the first client asked for.
fn server_that_notes_the_name(certificates: &Certificates) -> (u16, tokio::task::JoinHandle<Option<String>>) {
    let chain = vec![CertificateDer::from_pem_slice(certificates.server.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(certificates.server_key.as_bytes()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("a good configuration");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.set_nonblocking(true).expect("it can be");
    let port = listener.local_addr().expect("an address").port();
    let asked = tokio::spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let (stream, _) = listener.accept().await.expect("a client");
        let acceptor = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        let start = acceptor.await.expect("a hello");
        let name = start.client_hello().server_name().map(str::to_owned);
        let _ = start.into_stream(Arc::new(config)).await;
        name
    });
    (port, asked)
}

#[tokio::test]
async fn tls_files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    Certificates::new().write_to(folder.path());
    let file = |name: &str| Some::<PathBuf>(folder.path().join(name));
    std::fs::write(folder.path().join("empty.pem"), "").expect("it is written");
    let good = Tls { ca: file("ca.pem"), ..Tls::default() };
    for (tls, expected) in [
        (Tls { ca: file("missing.pem"), ..Tls::default() }, "cannot read the certificates in "),
        (Tls { ca: file("empty.pem"), ..Tls::default() }, "holds no certificate in PEM form"),
        (Tls { certificate: file("client.pem"), ..good.clone() }, "a client certificate is given, but not its key"),
        (
            Tls { key: file("client.key"), ..good.clone() },
            "the key of a client certificate is given, but not the certificate",
        ),
        (
            Tls { certificate: file("client.pem"), key: file("ca.pem"), ..good.clone() },
            "cannot read the private key in ",
        ),
        (Tls { certificate: file("client.pem"), key: file("server.key"), ..good.clone() }, " do not fit: "),
        (
            Tls { server_name: Some("no name".into()), ..good.clone() },
            "`no name` is no name that a certificate can hold",
        ),
    ] {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let node = Node { tls: Some(tls), ..node(&format!("rediss://127.0.0.1:{port}")) };
        let error = node.connect().await.expect_err(expected);
        assert_eq!(error.code(), "tls_settings", "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
