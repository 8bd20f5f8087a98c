//! The client: endpoint, region, certificates, proxy, retries.

use std::env;
use std::path::Path;
use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
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

use super::clock::Clock;
use super::{S3Options, StorageError};

/// Requests are sent so often, with pauses that double up to [`LONGEST_PAUSE`].
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until the first byte of an answer. Completing an object of thousands of parts takes minutes, but AWS sends blanks meanwhile.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// The client, and whether checksums of requests are to be left out.
pub(super) async fn connect(options: &S3Options, clock: &Clock) -> Result<(Client, bool), StorageError> {
    let region = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_default_provider()
        .or_else(Region::new("us-east-1"));
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .retry_config(retries)
        .timeout_config(timeouts)
        .http_client(http_client(options)?);
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(credentials) = &options.credentials {
        loader = loader.credentials_provider(Credentials::new(
            &credentials.key_id,
            &credentials.secret,
            None,
            None,
            "options",
        ));
    }
    let shared = loader.load().await;
    let no_checksums = shared.request_checksum_calculation() == Some(RequestChecksumCalculation::WhenRequired);
    let variable = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let own_endpoint =
        shared.endpoint_url().is_some() || variable("AWS_ENDPOINT_URL_S3") || variable("AWS_ENDPOINT_URL");
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .force_path_style(options.path_style.unwrap_or(own_endpoint))
        .interceptor(clock.clone())
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
    Ok((Client::from_conf(config.build()), no_checksums))
}

/// Like the SDK's own, but with certificates and a proxy.
fn http_client(options: &S3Options) -> Result<SharedHttpClient, StorageError> {
    let named =
        options.ca.clone().or_else(|| env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(Into::into));
    // A container may have no certificates at all, which the SDK holds for a fault of the program.
    let native = !rustls_native_certs::load_native_certs().certs.is_empty();
    let mut trust = TrustStore::empty().with_native_roots(native);
    if let Some(path) = named {
        trust = trust.with_pem_certificate(certificates(&path)?);
    }
    let context = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| StorageError::other(format!("cannot set up TLS: {error}")))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context.clone()).build()
    }))
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
        return Err(wrong("it holds no certificate in PEM".to_owned()));
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
