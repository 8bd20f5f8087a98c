//! The client: endpoint, region, certificates, proxy.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use super::clock::Clock;
use super::credentials::Clean;
use super::own_certificate::OwnCertificate;
use super::pace::Pace;
use super::site::{self, Site};
use super::watch::Watched;
use super::whole::Whole;
use super::{Reason, S3Options, StorageError};
use crate::blocking;

/// What was made of the options.
pub(super) struct Connected {
    pub(super) client: Client,
    /// Checksums of requests are to be left out: the AWS variables or the profile say so.
    pub(super) no_checksums: bool,
    pub(super) site: Site,
}

pub(super) async fn connect(
    bucket: &str,
    prefix: &str,
    options: &S3Options,
    pace: &Arc<Pace>,
    clock: &Clock,
) -> Result<Connected, StorageError> {
    let region = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_default_provider()
        .or_else(Region::new("us-east-1"));
    let timeouts = TimeoutConfig::builder().connect_timeout(Pace::connecting(options.timeout)).build();
    let ca = options.ca.clone();
    let (http, given) = blocking::run(move || http_client(ca)).await?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .timeout_config(timeouts)
        .http_client(http.clone());
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(credentials) = &options.credentials {
        loader = loader.credentials_provider(Credentials::new(
            &credentials.key_id,
            &credentials.secret,
            credentials.token.clone(),
            None,
            "options",
        ));
    }
    let shared = loader.load().await;
    let no_checksums = shared.request_checksum_calculation() == Some(RequestChecksumCalculation::WhenRequired);
    let (site, own_endpoint) = site(bucket, prefix, options, &shared)?;
    let given = Some(given).filter(|given| !given.is_empty() && site.proxy.is_none());
    let own = given.and_then(|given| OwnCertificate::new(given, Pace::connecting(options.timeout))).map(Arc::new);
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .force_path_style(options.path_style.unwrap_or(own_endpoint))
        .interceptor(clock.clone())
        .interceptor(Whole)
        // We ask again ourselves: see `pace`.
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(Watched { inner: http, pace: Arc::clone(pace), own })
        // We compute checksums of requests ourselves and send them as plain headers: the SDK would send them behind the body, in
        // an encoding that many stores do not know.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        // The manifest's own SHA-256 is what counts for what is read.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    // An endpoint that was typed beats the one for S3 in the environment.
    let config = match &options.endpoint {
        Some(endpoint) => config.endpoint_url(endpoint),
        None => config,
    };
    let config = match shared.credentials_provider() {
        Some(inner) => {
            config.credentials_provider(Clean { inner, seen: Arc::clone(&site.seen), profile: options.profile.clone() })
        }
        None => config,
    };
    Ok(Connected { client: Client::from_conf(config.build()), no_checksums, site })
}

/// Which store it is, and whether it is another one than AWS.
fn site(
    bucket: &str,
    prefix: &str,
    options: &S3Options,
    shared: &aws_config::SdkConfig,
) -> Result<(Site, bool), StorageError> {
    let variable = |name: &str| env::var(name).ok().map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
    let ours = options.endpoint.clone().map(|url| (url, options.endpoint_from.clone().unwrap_or_default()));
    let named = ours
        .or_else(|| variable("AWS_ENDPOINT_URL_S3").map(|url| (url, "AWS_ENDPOINT_URL_S3".to_owned())))
        .or_else(|| variable("AWS_ENDPOINT_URL").map(|url| (url, "AWS_ENDPOINT_URL".to_owned())))
        .or_else(|| shared.endpoint_url().map(|url| (url.to_owned(), "`endpoint_url` in the AWS profile".to_owned())));
    let region = shared.region().map_or("us-east-1", |region| region.as_ref());
    let own_endpoint = named.is_some();
    if let Some((url, from)) = &named
        && Url::parse(url).map_or(true, |url| !matches!(url.scheme(), "http" | "https") || url.host().is_none())
    {
        let from = if from.is_empty() { "--s3-endpoint" } else { from };
        // What has an `@` or a query may hold a secret.
        let is_plain = !url.contains(['@', '?']);
        let words = format!("{from} is not a URL: {}", if is_plain { url.clone() } else { site::shown(url) });
        let hint = match is_plain && !url.contains("://") {
            true => format!("write `http://{url}` or `https://{url}`"),
            false => "write `http://HOST:PORT` or `https://HOST:PORT`".to_owned(),
        };
        return Err(StorageError::other(Reason::new(words).hint(hint)));
    }
    let endpoint = named.as_ref().map_or_else(|| format!("https://s3.{region}.amazonaws.com"), |(url, _)| url.clone());
    let proxy = site::proxy(&endpoint)?;
    let site = Site {
        bucket: bucket.to_owned(),
        prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
        url: named.as_ref().map_or_else(|| format!("AWS S3 in {region}"), |(url, _)| site::shown(url)),
        from: named.map(|(_, from)| from).unwrap_or_default(),
        proxy,
        proxy_url: proxy.map(site::proxy_url).unwrap_or_default(),
        seen: Arc::default(),
    };
    Ok((site, own_endpoint))
}

/// Like the SDK's own, but with certificates and a proxy; and the certificates that were given beside the system's.
fn http_client(ca: Option<PathBuf>) -> Result<(SharedHttpClient, Vec<CertificateDer<'static>>), StorageError> {
    let named = ca.or_else(|| env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(Into::into));
    // A container may have no certificates at all, which the SDK holds for a fault of the program.
    let native = !rustls_native_certs::load_native_certs().certs.is_empty();
    let mut trust = TrustStore::empty().with_native_roots(native);
    let mut given = Vec::new();
    if let Some(path) = named {
        let text = certificates(&path)?;
        given.extend(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
        trust = trust.with_pem_certificate(text);
    }
    let context = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| StorageError::other(format!("cannot set up TLS: {error}")))?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context.clone()).build()
    });
    Ok((client, given))
}

/// The text of a file of certificates. They are parsed here, because the SDK panics on one that it cannot parse.
fn certificates(path: &Path) -> Result<Vec<u8>, StorageError> {
    let wrong = |why: String| StorageError::other(format!("cannot use the CA file {}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it contains no PEM certificate".to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_is_none_is_refused_and_does_not_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(certificates(&path).is_err(), "missing");
        for text in [
            "",
            "no PEM",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n§",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(certificates(&path).is_err(), "{text:?}");
        }
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&path, pair.cert.pem()).unwrap();
        assert!(certificates(&path).is_ok());
    }
}
