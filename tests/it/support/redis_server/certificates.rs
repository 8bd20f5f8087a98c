//! Certificates for tests: an authority, a server and a client.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// An authority with one certificate for a server and one for a client, all in PEM form.
#[derive(Clone)]
pub struct Certificates {
    pub ca: String,
    pub server: String,
    pub server_key: String,
    pub client: String,
    pub client_key: String,
}

impl Certificates {
    /// For `localhost` and `127.0.0.1`.
    pub fn new() -> Self {
        Self::for_names(&["localhost", "127.0.0.1"])
    }

    /// For a server with these names or addresses.
    pub fn for_names(names: &[&str]) -> Self {
        Self::made(names, false)
    }

    /// The server's has been out of date for years.
    pub fn expired() -> Self {
        Self::made(&["localhost", "127.0.0.1"], true)
    }

    /// A server with these names that is its own authority, as `openssl req -x509` makes one.
    pub fn own(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "store");
        let key = KeyPair::generate().expect("a key");
        let server = params.self_signed(&key).expect("a certificate").pem();
        Self { ca: server.clone(), server, server_key: key.serialize_pem(), ..Self::made(&[], false) }
    }

    fn made(names: &[&str], expired: bool) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names are fine");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "redis-ops test authority");
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority_key = KeyPair::generate().expect("a key");
        let ca = authority.self_signed(&authority_key).expect("a certificate").pem();
        let issuer = Issuer::new(authority, authority_key);
        let issue = |names: &[&str], common_name: &str, usage: ExtendedKeyUsagePurpose| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).expect("good names");
            params.distinguished_name.push(DnType::CommonName, common_name);
            params.extended_key_usages = vec![usage];
            if expired {
                (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
            }
            let key = KeyPair::generate().expect("a key");
            (params.signed_by(&key, &issuer).expect("a certificate").pem(), key.serialize_pem())
        };
        let (server, server_key) = issue(names, "server", ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = issue(&[], "client", ExtendedKeyUsagePurpose::ClientAuth);
        Self { ca, server, server_key, client, client_key }
    }

    /// Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`.
    pub fn write_to(&self, folder: &Path) {
        for (name, content) in [
            ("ca.pem", &self.ca),
            ("server.pem", &self.server),
            ("server.key", &self.server_key),
            ("client.pem", &self.client),
            ("client.key", &self.client_key),
        ] {
            std::fs::write(folder.join(name), content).expect("the folder can be written");
        }
    }
}
