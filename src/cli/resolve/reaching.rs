//! The options that say how a server and a store are reached, as they were typed: lines that are printed to be typed need them again.

use super::Resolver;
use crate::cli::env;
use crate::connection::NatMap;
use crate::printer::words::redact_urls;

impl Resolver<'_> {
    /// Word by word. Which server and which repository is left out: the lines name them. So is every secret.
    pub(super) fn reaching(&self) -> Vec<String> {
        let global = self.global;
        let mut words = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        // The line is typed later, maybe from another folder, where nobody has set what our environment names.
        let shown = |path: &std::path::Path| {
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
        };
        let path = |path: &Option<std::path::PathBuf>| path.as_deref().map(shown);
        let is_found_anywhere = |path: &&std::path::Path| global.config.is_none() && path.is_absolute();
        let of_environment = |variable: env::Variable| self.environment.text(variable).ok().flatten();
        let found = self.file.path().filter(|path| !is_found_anywhere(path) || of_environment(env::CONFIG).is_some());
        add("--config", path(&global.config).or(found.map(shown)));
        let username = global.username.clone();
        add("--username", username.or_else(|| of_environment(env::USERNAME).map(str::to_owned)));
        add("--password-file", path(&global.password_file));
        add("--sentinel-username", global.sentinel_username.clone());
        add("--sentinel-password-file", path(&global.sentinel_password_file));
        let map = NatMap::of(global.nat_map.clone());
        add("--nat-map", (!map.is_empty()).then(|| map.typed().join(",")));
        add("--tls-ca", path(&global.tls_ca));
        add("--tls-cert", path(&global.tls_cert));
        add("--tls-key", path(&global.tls_key));
        add("--sni", global.sni.clone());
        add(
            "--timeout",
            global.timeout.map(|timeout| humantime::format_duration(timeout).to_string().replace(' ', "")),
        );
        let identity = self.environment.path(env::IDENTITY).filter(|_| global.identities.is_empty());
        for file in global.identities.iter().chain(&identity) {
            add("--identity", Some(shown(file)));
        }
        add("--passphrase-file", path(&global.passphrase_file));
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
