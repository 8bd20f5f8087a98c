//! Which store it is, in words: its URL, where that was named, and the proxy on the way.

use std::env;
use std::sync::Arc;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::seen::Seen;
use super::{Reason, StorageError};

/// Which store it is, for messages. No secret is in it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) bucket: String,
    /// With a slash at its end, or empty.
    pub(super) prefix: String,
    /// `http://127.0.0.1:9000`, or `AWS S3 in eu-west-1`.
    pub(super) url: String,
    /// What named the URL: `--s3-endpoint`, a variable, the settings, a profile; empty for AWS.
    pub(super) from: String,
    /// The variable that names the proxy on the way.
    pub(super) proxy: Option<&'static str>,
    /// The URL of that proxy, without secrets.
    pub(super) proxy_url: String,
    pub(super) seen: Arc<Seen>,
}

impl Site {
    /// Whether it is S3 itself, at an address of its own.
    pub(super) fn is_aws(&self) -> bool {
        self.from.is_empty()
    }

    /// The store as messages name it: `http://127.0.0.1:9000 (--s3-endpoint)`.
    pub(super) fn named(&self) -> String {
        match (self.from.as_str(), self.proxy) {
            ("", None) => self.url.clone(),
            ("", Some(proxy)) => format!("{} (through the proxy of {proxy})", self.url),
            (from, None) => format!("{} ({from})", self.url),
            (from, Some(proxy)) => format!("{} ({from}; through the proxy of {proxy})", self.url),
        }
    }

    /// Who is spoken to first, the proxy or the store, as messages name it; and what names that one.
    pub(super) fn next(&self) -> (String, &str) {
        match self.proxy {
            Some(proxy) => (format!("the proxy {} ({proxy}), which stands before {}", self.proxy_url, self.url), proxy),
            None => (self.named(), self.source()),
        }
    }

    /// The option, variable or setting to correct if the URL is wrong.
    pub(super) fn source(&self) -> &str {
        if self.from.is_empty() { "`--s3-endpoint`" } else { &self.from }
    }
}

/// A URL without what may be secret in it.
pub(super) fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            // They fail only for URLs that have no host.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.to_string().trim_end_matches('/').to_owned()
        }
        Err(_) => "(no URL)".to_owned(),
    }
}

/// The proxy that a variable names, as a URL without secrets.
pub(super) fn proxy_url(name: &str) -> String {
    let value = env::var(name).unwrap_or_default();
    shown(&if value.contains("://") { value } else { format!("http://{value}") })
}

/// The variable whose proxy the requests go through; `None`: they go straight.
///
/// # Errors
/// If the variable that would name it holds no URL of a proxy: it would be passed over in silence.
pub(super) fn proxy(endpoint: &str) -> Result<Option<&'static str>, StorageError> {
    let names: &[&str] = if endpoint.starts_with("http://") {
        &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    };
    let set = names.iter().find(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let Some(name) = set.copied() else { return Ok(None) };
    let value = env::var(name).unwrap_or_default();
    if !is_proxy(&value) {
        let words = format!("the environment variable {name} is not a proxy URL");
        return Err(StorageError::other(
            Reason::new(words).hint(format!("write `{name}=http://host:port`, or unset it to use no proxy")),
        ));
    }
    let uri: Option<Uri> = endpoint.parse().ok();
    Ok(uri.filter(|uri| Matcher::from_env().intercept(uri).is_some()).map(|_| name))
}

fn is_proxy(value: &str) -> bool {
    if value.trim() != value || value.contains(char::is_whitespace) {
        return false;
    }
    let url = if value.contains("://") { Url::parse(value) } else { Url::parse(&format!("http://{value}")) };
    url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_proxy_is_told_from_one() {
        for good in ["http://proxy:3128", "proxy:3128", "http://user:pw@proxy", "https://10.0.0.1:8443/"] {
            assert!(is_proxy(good), "{good}");
        }
        for bad in ["http://", "http://proxy:port", "://", "http://a b", "socks5://x:1", "http://proxy:3128\n", ":"] {
            assert!(!is_proxy(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_url_is_shown_without_secrets() {
        assert_eq!(shown("https://AKIA:hunter2@store:9000/x?sig=hunter2"), "https://store:9000/x");
        assert_eq!(shown("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
    }
}
