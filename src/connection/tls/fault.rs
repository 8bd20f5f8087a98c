//! Why a handshake failed: whose certificate it was, and what is wrong with it.

use chrono::DateTime;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError};

use super::Ours;

/// What made a TLS handshake fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The server's certificate is out of date.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// No authority that is trusted here vouches for the server's certificate.
    UnknownIssuer,
    /// The server's certificate is for another name.
    OtherName,
    /// The server's certificate is of X.509 version 1.
    Version1,
    /// The server wants a certificate of ours, and none is given.
    OursIsWanted,
    /// The server does not accept our certificate.
    OursIsRefused,
    /// Anything else: a version of TLS, a cipher, a certificate that is broken.
    Other,
}

/// What a failed handshake means, and in words.
pub(in crate::connection) fn fault_of(error: &rustls::Error, ours: &Ours) -> (TlsFault, String) {
    match error {
        rustls::Error::InvalidCertificate(certificate) => (of_certificate(certificate), certificate_words(error)),
        rustls::Error::AlertReceived(alert) => of_alert(*alert, ours),
        other => (TlsFault::Other, other.to_string()),
    }
}

/// What it means that the server closed the connection where its verdict on our certificate was due, without a word.
pub(in crate::connection) fn missed_certificate() -> (TlsFault, String) {
    (
        TlsFault::OursIsWanted,
        "the server asked for a client certificate, got none, and closed the connection".to_owned(),
    )
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
        // Signed by an authority of this name with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::OtherName,
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::UnsupportedCertVersion) => TlsFault::Version1,
            Some(webpki::Error::CaUsedAsEndEntity) => TlsFault::UnknownIssuer,
            _ => TlsFault::Other,
        },
        _ => TlsFault::Other,
    }
}

fn of_alert(alert: AlertDescription, ours: &Ours) -> (TlsFault, String) {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown,
        DecryptError, HandshakeFailure, ProtocolVersion, UnknownCA, UnsupportedCertificate,
    };
    let said = format!("{alert:?}");
    match alert {
        // TLS 1.2 has no word for it.
        CertificateRequired | HandshakeFailure if ours.is_missed() => {
            (TlsFault::OursIsWanted, "the server requires a client certificate, and none was given".to_owned())
        }
        UnknownCA if ours.was_shown() => {
            (TlsFault::OursIsRefused, "the server does not know the CA of the client certificate".to_owned())
        }
        CertificateExpired if ours.was_shown() => {
            (TlsFault::OursIsRefused, "the server says that the client certificate has expired".to_owned())
        }
        AccessDenied
        | DecryptError
        | BadCertificate
        | CertificateRequired
        | CertificateRevoked
        | CertificateUnknown
        | HandshakeFailure
        | UnsupportedCertificate
            if ours.was_shown() =>
        {
            (TlsFault::OursIsRefused, format!("the server refuses the client certificate ({said})"))
        }
        ProtocolVersion => (TlsFault::Other, "the server does not support TLS 1.2 or 1.3".to_owned()),
        HandshakeFailure => (TlsFault::Other, "the server and redis-ops have no cipher in common".to_owned()),
        _ => (TlsFault::Other, format!("the server broke off the handshake ({said})")),
    }
}

/// What is wrong with a certificate of the server, or of a file.
pub(in crate::connection) fn certificate_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else { return error.to_string() };
    match certificate {
        CertificateError::Expired => "the server's certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has expired: it was valid until {}", day(*not_after))
        }
        CertificateError::NotValidYet => "the server's certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the server's certificate is not valid before {}", day(*not_before))
        }
        CertificateError::UnknownIssuer => "the server's certificate is not signed by a trusted CA".to_owned(),
        CertificateError::BadSignature => {
            "the server's certificate is signed by another CA that has the same name as a trusted one".to_owned()
        }
        CertificateError::NotValidForName => "the server's certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => other_name(expected, presented),
        _ => match webpki_error(error) {
            Some(webpki::Error::UnsupportedCertVersion) => {
                "the certificate is of X.509 version 1, which cannot name a host; create it again as version 3, with a subjectAltName \
                 (`openssl x509 -req … -extfile FILE`)"
                    .to_owned()
            }
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "the server uses a CA certificate as its own certificate; `--tls-ca` with that same certificate trusts it"
                    .to_owned()
            }
            _ => format!("cannot parse the certificate ({certificate})"),
        },
    }
}

/// Rustls writes a name as `DnsName("redis.example")` or `IpAddress(127.0.0.1)`.
fn other_name(expected: &ServerName<'static>, presented: &[String]) -> String {
    let inside = |name: &String| {
        let name = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        format!("`{}`", name.trim_matches('"'))
    };
    let names: Vec<String> = presented.iter().take(NAMES_SHOWN).map(inside).collect();
    let more = if presented.len() > NAMES_SHOWN { ", …" } else { "" };
    let expected = expected.to_str();
    if names.is_empty() {
        return format!("the server's certificate names no host, and `{expected}` was asked for");
    }
    format!("the server's certificate is for {}{more}, not for `{expected}`", names.join(", "))
}

/// Names of a certificate that are told.
const NAMES_SHOWN: usize = 3;

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| "a day unknown".to_owned(), |time| time.format("%Y-%m-%d").to_string())
}

pub(super) fn is_of_version_1(error: &rustls::Error) -> bool {
    matches!(webpki_error(error), Some(webpki::Error::UnsupportedCertVersion))
}

pub(super) fn webpki_error(error: &rustls::Error) -> Option<&webpki::Error> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}
