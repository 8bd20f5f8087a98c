//! TLS to a server: which authorities we trust, and who we are. rustls with aws-lc-rs, named here and not taken from a process
//! default, so that nobody else's choice matters.

mod fault;
mod ours;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

pub use fault::TlsFault;
pub(super) use fault::{certificate_words, fault_of, missed_certificate};
pub(super) use ours::Ours;
use trust::{AnyCertificate, Trusting};

/// How TLS is spoken to a server. The default trusts the system's authorities, and shows no certificate of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file of the authorities to trust, in place of the system's; also of the very certificate that a server shows.
    pub ca: Option<PathBuf>,
    /// A PEM file with our own certificate and its chain. Needs `key`.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the private key of `certificate`.
    pub key: Option<PathBuf>,
    /// The name to ask for (SNI) and to find in the server's certificate, in place of the host in its address.
    pub server_name: Option<String>,
    /// Takes any certificate. The connection is encrypted, but nobody knows to whom: it must be asked for by name.
    pub insecure: bool,
}

impl Tls {
    /// The settings as rustls wants them, and what will be known of our own certificate. Reads files: call it where blocking is allowed.
    ///
    /// # Errors
    /// In words: a file that cannot be read or holds nothing of use, a certificate without its key, no authority to trust.
    pub(super) fn client_config(&self) -> Result<(ClientConfig, Arc<Ours>), String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider.clone())))
        } else {
            let (roots, given) = self.roots()?;
            let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| error.to_string())?;
            let trusting = Trusting { usual, given, name_was_asked_for: self.server_name.is_some() };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(trusting))
        };
        let ours = Arc::new(Ours::new(self.own_key(&provider)?));
        Ok((builder.with_client_cert_resolver(ours.clone()), ours))
    }

    /// Our certificate with its key, if one is given.
    fn own_key(&self, provider: &CryptoProvider) -> Result<Option<CertifiedKey>, String> {
        let (certificate, key) = match (&self.certificate, &self.key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return Err("a client certificate was given, but not its key".to_owned()),
            (None, Some(_)) => {
                return Err("the key of a client certificate was given, but not the certificate".to_owned());
            }
        };
        let chain = read_certificates(certificate)?;
        let loaded = provider
            .key_provider
            .load_private_key(read_key(key)?)
            .map_err(|error| format!("the private key in {} cannot be used: {error}", key.display()))?;
        let pair = CertifiedKey::new(chain, loaded);
        match pair.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Some(pair)),
            // Whether it fits cannot be seen in what our library does not read; the server may take it.
            Err(error) if fault::is_of_version_1(&error) => Ok(Some(pair)),
            Err(rustls::Error::InconsistentKeys(_)) => Err(format!(
                "{} and {} do not match: the key belongs to another certificate",
                certificate.display(),
                key.display()
            )),
            Err(error) => Err(format!(
                "the certificate in {} cannot be used: {}",
                certificate.display(),
                certificate_words(&error)
            )),
        }
    }

    /// The name to ask for at `host`. An IP address is looked for among the addresses in the certificate.
    ///
    /// # Errors
    /// In words: neither a name nor an IP address.
    pub fn name_for(&self, host: &str) -> Result<ServerName<'static>, String> {
        let name = self.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` cannot be a name in a certificate"))
    }

    /// The authorities, and the certificates as they were given.
    fn roots(&self) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca {
            let given = read_certificates(path)?;
            for (index, certificate) in given.iter().enumerate() {
                roots.add(certificate.clone()).map_err(|error| {
                    let (number, all, path) = (index + 1, given.len(), path.display());
                    format!("certificate {number} of {all} in {path} cannot be used: {}", certificate_words(&error))
                })?;
            }
            return Ok((roots, given));
        }
        let found = rustls_native_certs::load_native_certs();
        // Systems carry a few certificates that rustls does not take; the others are good enough.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reason = found.errors.first().map_or("there are none".to_owned(), ToString::to_string);
            return Err(format!("cannot read the system's CA certificates: {reason}"));
        }
        Ok((roots, Vec::new()))
    }
}

pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let mut certificates = Vec::new();
    let found = CertificateDer::pem_file_iter(path)
        .map_err(|error| format!("cannot read the certificates in {shown}: {error}"))?;
    for certificate in found {
        let number = certificates.len() + 1;
        certificates.push(certificate.map_err(|error| {
            format!("certificate {number} in {shown} is damaged ({error}): remove it, or replace it with the complete certificate")
        })?);
    }
    if certificates.is_empty() {
        return Err(match read_start(path).first() {
            Some(0x30) => format!(
                "{shown} is in DER format, not PEM: `openssl x509 -inform der -in {shown} -out FILE` writes PEM"
            ),
            _ => format!("{shown} contains no PEM certificate"),
        });
    }
    Ok(certificates)
}

/// The beginning of a file, as far as it matters here; nothing where it cannot be read.
fn read_start(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let mut start = Vec::new();
    let file = std::fs::File::open(path);
    let _ = file.and_then(|file| file.take(KEY_FILE_LIMIT).read_to_end(&mut start));
    start
}

/// A file with a key is no longer, in bytes.
const KEY_FILE_LIMIT: u64 = 64 * 1024;

pub(super) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        let (shown, start) = (path.display(), read_start(path));
        // PKCS #8 says so in its first line, the older forms in a header (RFC 1421).
        let encrypted = [b"BEGIN ENCRYPTED PRIVATE KEY".as_slice(), b"Proc-Type: 4,ENCRYPTED"];
        if encrypted.iter().any(|mark| memchr::memmem::find(&start, mark).is_some()) {
            return format!(
                "the private key in {shown} is encrypted with a passphrase, which redis-ops cannot ask for: \
                 `openssl pkey -in {shown} -out FILE` writes it without one"
            );
        }
        format!("cannot read the private key in {shown}: {error}")
    })
}
