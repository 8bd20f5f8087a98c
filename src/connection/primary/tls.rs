//! Our certificate, for targets that replicate by TLS (`tls-replication yes`).

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;

use crate::connection::tls::{read_certificates, read_key};

/// How a listener speaks TLS with this certificate and key (PEM files). The target checks it against its own `tls-ca-cert-file`,
/// without looking at names (Redis and Valkey `tls.c`). Its own certificate is not asked for: we recognise it by its `PSYNC`.
/// Reads files: call it where blocking is allowed.
///
/// # Errors
/// In words: a file that cannot be read, or that does not fit the other.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(read_certificates(certificate)?, read_key(key)?)
        .map_err(|error| format!("{} and {} do not match: {error}", certificate.display(), key.display()))?;
    Ok(Arc::new(config))
}
