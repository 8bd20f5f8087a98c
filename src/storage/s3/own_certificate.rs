//! The way to a store that shows the very certificate that was given for it (`AWS_CA_BUNDLE`, `s3.ca`), where that calls itself an
//! authority's, as `openssl req -x509` makes them. The TLS of the SDK takes no authority for a server; OpenSSL, and so the AWS CLI, does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::errors::causes;

/// What the library calls such a certificate (webpki `Error::CaUsedAsEndEntity`): its errors come in boxes that only text comes out of.
const AUTHORITY_AS_SERVER: &str = "CaUsedAsEndEntity";

/// A second connector, used once the first has met such a certificate.
#[derive(Debug)]
pub(super) struct OwnCertificate {
    client: Client<HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>, SdkBody>,
    is_needed: AtomicBool,
}

impl OwnCertificate {
    /// For a store of which these certificates were given; `None` where no TLS can be made of them.
    pub(super) fn new(given: Vec<CertificateDer<'static>>, connect: Duration) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(given.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().ok()?;
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Given { usual, given }))
            .with_no_client_auth();
        let mut http = hyper_util::client::legacy::connect::HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(connect));
        let https = hyper_rustls::HttpsConnectorBuilder::new();
        let https = https.with_tls_config(config).https_only().enable_http1().wrap_connector(http);
        Some(Self { client: Client::builder(TokioExecutor::new()).build(https), is_needed: AtomicBool::new(false) })
    }

    /// Sends a request by the first connector, or by this one if the store shows a certificate that was given and is an authority's. The
    /// first request to a store is a short one, which can be sent again.
    pub(super) fn call(self: &Arc<Self>, request: HttpRequest, first: &dyn HttpConnector) -> HttpConnectorFuture {
        let own = Arc::clone(self);
        if own.is_needed.load(Ordering::Relaxed) {
            return HttpConnectorFuture::new(async move { own.send(request).await });
        }
        let again = request.try_clone();
        let tried = first.call(request);
        HttpConnectorFuture::new(async move {
            match (tried.await, again) {
                (Err(error), Some(again)) if causes(&error).contains(AUTHORITY_AS_SERVER) => {
                    own.is_needed.store(true, Ordering::Relaxed);
                    own.send(again).await
                }
                (tried, _) => tried,
            }
        })
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::other(error.into(), None))?;
        let response = self.client.request(request).await.map_err(|error| ConnectorError::io(error.into()))?;
        HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
            .map_err(|error| ConnectorError::other(error.into(), None))
    }
}

/// Trusts whom the authorities vouch for, and a server that shows one of the certificates that were given for its name.
#[derive(Debug)]
struct Given {
    usual: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Given {
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
        // The times of a certificate are looked at before what it may be used for: this hides no other fault.
        let is_authority = format!("{error:?}").contains(AUTHORITY_AS_SERVER);
        if !is_authority || !self.given.iter().any(|given| given == end_entity) {
            return Err(error);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
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
