//! What the network says where no answer came.
//!
//! The texts are those of rustls, hyper and the system's resolver: their errors are hidden in boxes that only text comes out of.

use super::{Asked, Reason, StorageError};
use crate::explain::Hint;
use crate::storage::s3::pace::Passing;
use crate::storage::s3::site::Site;

/// What a text of the libraries means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Refused,
    UnknownHost,
    Expired,
    WrongName,
    UnknownAuthority,
    NoTls,
    NoHttp,
    Silent,
    Proxy,
    Broken,
}

fn meaning(text: &str) -> Meaning {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["certificate expired", "CertExpired", "Expired"]) {
        Meaning::Expired
    } else if has(&["not valid for name", "NotValidForName"]) {
        Meaning::WrongName
    } else if has(&["UnknownIssuer", "invalid peer certificate", "CaUsedAsEndEntity", "certificate"]) {
        Meaning::UnknownAuthority
    } else if has(&["corrupt message", "InvalidContentType", "InvalidMessage", "tls handshake eof"]) {
        Meaning::NoTls
    } else if has(&["failed to lookup address", "dns error", "Name or service not known"]) {
        Meaning::UnknownHost
    } else if has(&["Connection refused"]) {
        // Of a tunnel, too: then no server listens at the proxy.
        Meaning::Refused
    } else if has(&["proxy", "tunnel", "Tunnel"]) {
        Meaning::Proxy
    } else if has(&["invalid HTTP version", "invalid HTTP", "InvalidVersion", "message head is too large"]) {
        Meaning::NoHttp
    } else if has(&["no answer within", "timed out", "timeout", "HTTP connect timeout"]) {
        Meaning::Silent
    } else {
        Meaning::Broken
    }
}

pub(super) fn explain(text: &str, asked: Asked<'_>) -> StorageError {
    let site = asked.site;
    let (named, source) = (site.named(), site.source());
    // What is not even reached is the first on the way.
    let (next, next_source) = site.next();
    let (words, hint): (String, Hint) = match meaning(text) {
        Meaning::Refused if site.proxy.is_some() => (
            format!("no server listens at {next}"),
            format!("correct {next_source}, unset it, or put the store's host into NO_PROXY").into(),
        ),
        Meaning::Refused => (
            format!("no server listens at {named}"),
            format!("check that the store runs at {named}, or correct {source}").into(),
        ),
        Meaning::UnknownHost if site.proxy.is_none() && !site.url.contains("://") => (
            format!("the host name of {next} cannot be resolved"),
            "check the network and AWS_REGION, or set `--s3-endpoint`".into(),
        ),
        Meaning::UnknownHost => {
            (format!("the host of {next} is unknown"), format!("check the host name in {next_source}").into())
        }
        Meaning::Expired => (
            format!("the certificate of {named} has expired"),
            "renew the store's certificate; is the clock of this machine correct?".into(),
        ),
        Meaning::WrongName => (
            format!("the certificate of {named} is for another host ({text})"),
            format!("use the name of the store's certificate in {source}").into(),
        ),
        Meaning::UnknownAuthority => (
            format!("the certificate of {named} is not trusted ({text})"),
            "AWS_CA_BUNDLE=FILE, or `s3.ca` in the settings, names the CA that signed the store's certificate".into(),
        ),
        Meaning::NoTls => {
            (format!("{named} does not speak TLS"), format!("use `http://` instead of `https://` in {source}").into())
        }
        Meaning::NoHttp => (
            format!("{named} does not speak HTTP"),
            format!("for its TLS port use `https://`; for another port, correct {source}").into(),
        ),
        Meaning::Silent if site.proxy.is_some() => (
            format!("{next} does not answer, or the store behind it does not ({text})"),
            Hint::words(format!("is {next_source} right? NO_PROXY names hosts that are reached without it"))
                .and(Hint::WaitOn),
        ),
        Meaning::Silent => (
            format!("{named} does not answer ({text})"),
            Hint::words(format!("is that the store's port ({source})?")).and(Hint::WaitOn),
        ),
        Meaning::Proxy => (
            format!("the proxy in front of {named} refused the connection ({text})"),
            "check HTTPS_PROXY, or put the store's host into NO_PROXY".into(),
        ),
        Meaning::Broken => (
            format!("the connection to {named} was lost ({text})"),
            "check the log of the store and the network, then try again".into(),
        ),
    };
    StorageError::unavailable(Reason::new(words).hint(hint))
}

/// Whether asking again may help. A host that was named only just now is more likely to be named wrong than to be away.
pub(super) fn may_pass(text: &str, transferring: bool) -> bool {
    match meaning(text) {
        Meaning::Refused | Meaning::Silent | Meaning::Broken | Meaning::Proxy => true,
        Meaning::UnknownHost => transferring,
        Meaning::Expired | Meaning::WrongName | Meaning::UnknownAuthority | Meaning::NoTls | Meaning::NoHttp => false,
    }
}

/// In a few words, for a line on the way.
pub(super) fn brief(text: &str, site: &Site) -> Passing {
    let meaning = meaning(text);
    let next = if site.proxy.is_some() { site.next().0 } else { site.url.clone() };
    let words = match meaning {
        Meaning::Refused => format!("no server listens at {next}"),
        Meaning::UnknownHost => format!("the host of {next} is unknown"),
        Meaning::Silent => format!("{} does not answer", site.url),
        _ => format!("the connection to {} was lost", site.url),
    };
    Passing { nobody_listens: meaning == Meaning::Refused, ..Passing::of(words) }
}
