//! TLS to a server: which authorities we trust, and who we are. rustls with aws-lc-rs, named here and not taken from a process
//! default, so that nobody else's choice matters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

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
    /// The settings as rustls wants them. Reads files: call it where blocking is allowed.
    ///
    /// # Errors
    /// In words: a file that cannot be read or holds nothing of use, a certificate without its key, no authority to trust.
    pub fn client_config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            let (roots, given) = self.roots()?;
            let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| error.to_string())?;
            let trusting = Trusting { usual, given, name_was_asked_for: self.server_name.is_some() };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(trusting))
        };
        match (&self.certificate, &self.key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(read_certificates(certificate)?, read_key(key)?)
                .map_err(|error| format!("{} and {} do not fit: {error}", certificate.display(), key.display())),
            (Some(_), None) => Err("a client certificate is given, but not its key".to_owned()),
            (None, Some(_)) => Err("the key of a client certificate is given, but not the certificate".to_owned()),
        }
    }

    /// The name to ask for at `host`. An IP address is looked for among the addresses in the certificate.
    ///
    /// # Errors
    /// In words: neither a name nor an IP address.
    pub fn name_for(&self, host: &str) -> Result<ServerName<'static>, String> {
        let name = self.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is no name that a certificate can hold"))
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
            return Err(format!("no certificate authorities of the system can be read: {reason}"));
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
            format!("certificate {number} in {shown} is damaged ({error}): take it out, or put it in whole")
        })?);
    }
    if certificates.is_empty() {
        return Err(match read_start(path).first() {
            Some(0x30) => format!(
                "{shown} is in DER form, not in PEM form: `openssl x509 -inform der -in {shown} -out FILE` writes PEM"
            ),
            _ => format!("{shown} holds no certificate in PEM form"),
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
                "the private key in {shown} is encrypted with a passphrase, which nobody can type here: \
                 `openssl pkey -in {shown} -out FILE` writes it without one"
            );
        }
        format!("cannot read the private key in {shown}: {error}")
    })
}

/// What is wrong with a certificate, also where the library says it in the name of a variant only.
pub(super) fn certificate_words(error: &rustls::Error) -> String {
    match webpki_error(error) {
        Some(webpki::Error::UnsupportedCertVersion) => {
            "the certificate is of X.509 version 1, which can name no host; make it anew as version 3, with a subjectAltName \
             (`openssl x509 -req … -extfile FILE`)"
                .to_owned()
        }
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the server shows the certificate of an authority as its own; `--tls-ca` with that very certificate trusts it".to_owned()
        }
        _ => error.to_string(),
    }
}

fn webpki_error(error: &rustls::Error) -> Option<&webpki::Error> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}

/// Trusts whom the authorities vouch for; and, as OpenSSL does, a server that shows one of the very certificates that were given: it
/// is its own authority then. Such certificates often say that they are an authority's, and name no host: whoever holds the key of the
/// certificate that was given is the one who was meant, unless a name was asked for besides.
#[derive(Debug)]
struct Trusting {
    usual: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
    name_was_asked_for: bool,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let usual = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(error) = usual else { return usual };
        if !self.given.iter().any(|given| given == end_entity) {
            return Err(error);
        }
        // The path is looked at before the name, and its times before what it may be used for: neither of these hides another fault.
        let is_authority = matches!(webpki_error(&error), Some(webpki::Error::CaUsedAsEndEntity));
        let is_named_otherwise = matches!(
            error,
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        );
        match (is_authority, is_named_otherwise) {
            (true, _) if self.name_was_asked_for => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            (true, _) => Ok(ServerCertVerified::assertion()),
            (_, true) if !self.name_was_asked_for => Ok(ServerCertVerified::assertion()),
            _ => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Takes any certificate, for `insecure`. Signatures of the handshake are checked all the same: the other side must hold the key
/// of the certificate it shows, whoever it is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
