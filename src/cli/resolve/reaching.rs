//! The options that say how a server and a store are reached, as they were typed: lines that are printed to be typed need them again.

use super::Resolver;
use crate::printer::words::redact_urls;

impl Resolver<'_> {
    /// Word by word. Which server and which repository is left out: the lines name them. So is every secret.
    pub(super) fn reaching(&self) -> Vec<String> {
        let global = self.global;
        let mut words = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
        add("--config", path(&global.config));
        add("--username", global.username.clone());
        add("--password-file", path(&global.password_file));
        add("--sentinel-username", global.sentinel_username.clone());
        add("--sentinel-password-file", path(&global.sentinel_password_file));
        add("--tls-ca", path(&global.tls_ca));
        add("--tls-cert", path(&global.tls_cert));
        add("--tls-key", path(&global.tls_key));
        add("--sni", global.sni.clone());
        add(
            "--timeout",
            global.timeout.map(|timeout| humantime::format_duration(timeout).to_string().replace(' ', "")),
        );
        add("--s3-endpoint", global.s3_endpoint.as_deref().map(redact_urls));
        add("--s3-region", global.s3_region.clone());
        let flags = [
            ("--tls".to_owned(), global.tls),
            ("--insecure".to_owned(), global.insecure),
            (format!("--s3-path-style={}", global.s3_path_style.unwrap_or_default()), global.s3_path_style.is_some()),
        ];
        words.extend(flags.into_iter().filter(|(_, is_typed)| *is_typed).map(|(name, _)| name));
        words
    }
}
