//! TLS: whom we trust, who we are, and which name we ask for.

use std::path::PathBuf;
use std::sync::Arc;

use redis_ops::connection::replication::{Options, full_resync};
use redis_ops::connection::{Command, ConnectFault, Node, Tls, TlsFault};
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
            connection.query(&Command::new("GET").arg("key:0")).await.expect("an answer");
            let phases = connection.phases();
            assert_eq!((phases.dns.is_some(), phases.tls.is_some()), (host == "localhost", true));
            let mut payload = full_resync(&node, &Options::default()).await.expect("a header");
            while payload.next().await.expect("bytes").is_some() {}
            assert!(payload.given() > 2_000_000, "{}", installed.name);
        }
    }
}

/// Why the handshake failed.
#[track_caller]
fn tls_fault(error: &redis_ops::connection::ConnectFault) -> TlsFault {
    match error {
        ConnectFault::Tls { fault, .. } => *fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_we_do_not_trust_is_refused_at_once() {
    let Some(installed) = tls_servers().pop() else { return };
    let Some(server) = RedisServer::builder().version(&installed).tls(Certificates::new()).start() else { return };
    let other = tempfile::tempdir().expect("a folder");
    Certificates::new().write_to(other.path());
    for (tls, expected, words) in [
        (Tls { ca: Some(other.path().join("ca.pem")), ..Tls::default() }, Some(TlsFault::UnknownIssuer), "CA"),
        // The system's authorities do not know it either; a system may have none.
        (Tls::default(), None, ""),
        (
            Tls { server_name: Some("redis.example".into()), ..trusting(&server) },
            Some(TlsFault::OtherName),
            "is for `localhost`, `127.0.0.1`, not for `redis.example`",
        ),
    ] {
        let retrying = Node { retry: redis_ops::connection::Retry::default(), ..tls_node(&server, "127.0.0.1", tls) };
        let error = retrying.connect().await.expect_err("it is not to be trusted");
        assert_eq!(error.attempts, 1, "never a second time");
        assert!(error.to_string().contains(words), "{error}");
        match (&error.fault, expected) {
            (ConnectFault::TlsSettings { .. }, None) => {}
            (fault, expected) => assert_eq!(tls_fault(fault), expected.unwrap_or(TlsFault::UnknownIssuer), "{error}"),
        }
    }
}

#[tokio::test]
async fn without_trust_every_certificate_is_taken_and_with_it_the_fault_is_named() {
    let Some(installed) = tls_servers().pop() else { return };
    let (certificate, key) = VERSION_1.split_once("-----BEGIN PRIVATE").expect("both");
    let (server, server_key) = (certificate.to_owned(), format!("-----BEGIN PRIVATE{key}"));
    let version_1 = Certificates { ca: server.clone(), server, server_key, ..Certificates::new() };
    for (certificates, fault, words) in [
        (
            version_1,
            TlsFault::Version1,
            "is of X.509 version 1, which cannot name a host; create it again as version 3, with a subjectAltName",
        ),
        (Certificates::expired(), TlsFault::Expired, "has expired: it was valid until 2002-01-01"),
        (
            Certificates::for_names(&["redis.example"]),
            TlsFault::OtherName,
            "is for `redis.example`, not for `127.0.0.1`",
        ),
        (Certificates::for_names(&[]), TlsFault::OtherName, "names no host"),
    ] {
        for protocol in ["TLSv1.2", "TLSv1.3"] {
            let builder = RedisServer::builder().version(&installed).tls(certificates.clone());
            let Some(server) = builder.arg("tls-protocols", protocol).start() else { return };
            let careless = Tls { insecure: true, ..Tls::default() };
            let connected = tls_node(&server, "127.0.0.1", careless).connect().await;
            connected.unwrap_or_else(|error| panic!("{protocol} {fault:?}: {error}"));
            let error =
                tls_node(&server, "127.0.0.1", trusting(&server)).connect().await.expect_err("not to be trusted");
            assert_eq!(tls_fault(&error.fault), fault, "{protocol}: {error}");
            assert!(error.to_string().contains(words), "{protocol}: {error}");
        }
    }
}

#[tokio::test]
async fn a_server_may_want_our_certificate() {
    let other = tempfile::tempdir().expect("a folder");
    Certificates::new().write_to(other.path());
    let newest = tls_servers().pop();
    for installed in tls_servers() {
        for protocol in ["TLSv1.2", "TLSv1.3"] {
            let builder = RedisServer::builder().version(&installed).tls(Certificates::new());
            let Some(server) = builder.arg("tls-auth-clients", "yes").arg("tls-protocols", protocol).start() else {
                return;
            };
            tls_node(&server, "127.0.0.1", with_certificate(&server)).connect().await.expect("we show one");
            // The server names it in an alert, which may be lost to a reset: the answer is the same.
            let error = tls_node(&server, "127.0.0.1", trusting(&server)).connect().await.expect_err("we show none");
            assert_eq!(tls_fault(&error.fault), TlsFault::OursIsWanted, "{} {protocol}: {error:?}", installed.name);
            let file = |name: &str| Some(other.path().join(name));
            let foreign = Tls { certificate: file("client.pem"), key: file("client.key"), ..trusting(&server) };
            let error = tls_node(&server, "127.0.0.1", foreign).connect().await.expect_err("of an authority unknown");
            let refused = matches!(&error.fault, ConnectFault::Tls { fault: TlsFault::OursIsRefused, .. });
            assert!(refused || error.code() == "disconnected", "{} {protocol}: {error:?}", installed.name);
            if newest.as_ref() != Some(&installed) {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_port_that_speaks_otherwise_is_named() {
    let Some(server) = RedisServer::start() else { return };
    let plain = || Node { tls: Some(Tls { insecure: true, ..Tls::default() }), ..node(&server.url()) };
    let error =
        Node { timeout: std::time::Duration::from_secs(3), ..plain() }.connect().await.expect_err("no TLS there");
    assert_eq!((error.fault, error.attempts), (ConnectFault::PlainPort, 1));
    server.ok(&["CONFIG", "SET", "requirepass", "secret"]);
    let asked = Node { timeout: std::time::Duration::from_secs(3), ..plain() }.ask_at_once(&[&["PING"]], 100).await;
    assert_eq!(asked.expect_err("no TLS there").fault, ConnectFault::PlainPort);

    for installed in tls_servers() {
        let Some(server) = RedisServer::builder().version(&installed).tls(Certificates::new()).start() else { return };
        let port = server.tls_port().expect("a TLS port");
        let node = node(&format!("redis://127.0.0.1:{port}"));
        let error = node.connect().await.expect_err("it wants TLS");
        assert_eq!((error.fault, error.attempts), (ConnectFault::TlsPort, 1), "{}", installed.name);
        let asked = node.ask_at_once(&[&["PING"]], 100).await;
        assert_eq!(asked.expect_err("it wants TLS").fault, ConnectFault::TlsPort, "{}", installed.name);
    }
}

#[tokio::test]
async fn what_speaks_neither_is_not_taken_for_a_redis() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let web = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    let spoken_to = |tls: Option<Tls>| Node { tls, ..node(&format!("redis://127.0.0.1:{port}")) };
    let error = spoken_to(Some(Tls { insecure: true, ..Tls::default() })).connect().await.expect_err("a web server");
    assert_eq!(error.code(), "tls_failed", "{error:?}");
    let error = spoken_to(None).connect().await.expect_err("a web server");
    assert_eq!(error.code(), "protocol_error", "{error:?}");
    web.abort();
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

/// A certificate that vouches for itself: as an authority or not, with these names, and valid or not.
fn self_signed(is_authority: bool, names: &[&str], valid: bool) -> Certificates {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).expect("good names");
    params.distinguished_name.push(rcgen::DnType::CommonName, "redis");
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    if !valid {
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2000, 1, 1), rcgen::date_time_ymd(2001, 1, 1));
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let server = params.self_signed(&key).expect("a certificate").pem();
    Certificates { ca: server.clone(), server, server_key: key.serialize_pem(), ..Certificates::new() }
}

#[tokio::test]
async fn a_certificate_that_was_given_itself_is_trusted_as_redis_cli_trusts_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (folder.path().join("own.pem"), folder.path().join("other.pem"));
    let tls = |ca: &std::path::Path, name: Option<&str>| Tls {
        ca: Some(ca.to_owned()),
        server_name: name.map(str::to_owned),
        ..Tls::default()
    };
    let open = async |certificates: &Certificates, tls: Tls| {
        let (port, asked) = server_that_notes_the_name(certificates);
        let node = Node { tls: Some(tls), ..node(&format!("rediss://127.0.0.1:{port}")) };
        let opened = node.open().await.map(drop);
        drop(asked);
        opened
    };
    // `openssl req -x509` says that it is an authority's; and names no host.
    for (is_authority, names) in [(true, &[][..]), (false, &[]), (true, &["redis.example"]), (false, &["127.0.0.1"])] {
        let certificates = self_signed(is_authority, names, true);
        std::fs::write(&own, &certificates.ca).expect("written");
        std::fs::write(&other, self_signed(is_authority, names, true).ca).expect("written");
        open(&certificates, tls(&own, None)).await.unwrap_or_else(|error| panic!("{is_authority} {names:?}: {error}"));
        // A bundle that holds it among others is as good.
        std::fs::write(&other, [self_signed(true, &[], true).ca, certificates.ca.clone()].concat()).expect("written");
        open(&certificates, tls(&other, None)).await.expect("it is in the bundle");
        // Another one, of the same words, is not.
        std::fs::write(&other, self_signed(is_authority, names, true).ca).expect("written");
        let error = open(&certificates, tls(&other, None)).await.expect_err("another certificate");
        assert_eq!(error.code(), "tls_failed", "{error}");
        // A name that was asked for must be there.
        let named = open(&certificates, tls(&own, Some("redis.example"))).await;
        assert_eq!(named.is_ok(), names == ["redis.example"], "{names:?}: {named:?}");
    }
    for is_authority in [true, false] {
        let certificates = self_signed(is_authority, &["127.0.0.1"], false);
        std::fs::write(&own, &certificates.ca).expect("written");
        let error = open(&certificates, tls(&own, None)).await.expect_err("its time is over");
        assert!(error.to_string().contains("expired"), "{error}");
    }
}

/// Of X.509 version 1, as `openssl x509 -req` makes it without `-extfile`; valid for a hundred years.
const VERSION_1: &str = include_str!("version_1.pem");

#[tokio::test]
async fn tls_files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    Certificates::new().write_to(folder.path());
    let file = |name: &str| Some::<PathBuf>(folder.path().join(name));
    std::fs::write(folder.path().join("empty.pem"), "").expect("it is written");
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it is there");
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).expect("it is written");
    let damaged = text("ca.pem").replacen("MII", "M!I", 1);
    write("bundle.pem", [text("ca.pem"), damaged, text("client.pem")].concat().as_bytes());
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    write("garbage.pem", [&text("ca.pem"), garbage].concat().as_bytes());
    write("no-certificate.pem", garbage.as_bytes());
    write("der.pem", CertificateDer::from_pem_slice(text("ca.pem").as_bytes()).expect("a certificate").as_ref());
    let body = text("client.key").replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    write("encrypted.key", body.as_bytes());
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    write("encrypted-old.key", old.as_bytes());
    let good = Tls { ca: file("ca.pem"), ..Tls::default() };
    let with_key = |key: &str| Tls { certificate: file("client.pem"), key: file(key), ..good.clone() };
    for (tls, expected) in [
        (Tls { ca: file("missing.pem"), ..Tls::default() }, "cannot read the certificates in "),
        (Tls { ca: file("empty.pem"), ..Tls::default() }, "contains no PEM certificate"),
        (Tls { ca: file("bundle.pem"), ..Tls::default() }, "certificate 2 in "),
        (Tls { ca: file("garbage.pem"), ..Tls::default() }, "certificate 2 of 2 in "),
        (Tls { ca: file("der.pem"), ..Tls::default() }, " is in DER format, not PEM"),
        (
            Tls { certificate: file("no-certificate.pem"), key: file("client.key"), ..good.clone() },
            "no-certificate.pem cannot be used",
        ),
        (with_key("encrypted.key"), " is encrypted with a passphrase"),
        (with_key("encrypted-old.key"), " is encrypted with a passphrase"),
        (Tls { certificate: file("client.pem"), ..good.clone() }, "a client certificate was given, but not its key"),
        (
            Tls { key: file("client.key"), ..good.clone() },
            "the key of a client certificate was given, but not the certificate",
        ),
        (
            Tls { certificate: file("client.pem"), key: file("ca.pem"), ..good.clone() },
            "cannot read the private key in ",
        ),
        (Tls { certificate: file("client.pem"), key: file("server.key"), ..good.clone() }, " do not match: "),
        (Tls { server_name: Some("no name".into()), ..good.clone() }, "`no name` cannot be a name in a certificate"),
    ] {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let node = Node { tls: Some(tls), ..node(&format!("rediss://127.0.0.1:{port}")) };
        // Nobody is asked: it says nothing about the server.
        drop(listener);
        let error = node.connect().await.expect_err(expected);
        assert_eq!((error.code(), error.attempts), ("tls_settings", 1), "{error}");
        assert!(error.to_string().starts_with("the TLS settings for 127.0.0.1:"), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
