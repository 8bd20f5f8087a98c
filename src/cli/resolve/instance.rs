//! Which server is meant, who we are to it, and how it is reached.

use crate::cli::env;
use crate::cli::settings_file::{Instance, Tls as TlsBlock};
use crate::commands::instances::Only;
use crate::commands::nearest::nearest;
use crate::commands::which::Server;
use crate::connection::{
    Address, Credentials, DEFAULT_PORT, DEFAULT_TIMEOUT, InstanceUrl, NatMap, Node, Secret, Tls, read_password_file,
};
use crate::explain::Misuse;
use crate::repository::{check_instance, instance_name};

use super::Resolver;

/// Where nothing is said.
const DEFAULT_INSTANCE: &str = "redis://127.0.0.1:6379";

/// What names a server.
enum Choice {
    /// A URL, or a name from the settings.
    Named(String),
    /// `-H` and `-p`.
    Port(String, u16),
}

impl Resolver<'_> {
    /// The name under which what is read of a server is stored. A Sentinel group that was given by its URL has none of its own.
    pub(super) fn name_in_repository(&self, server: &Server, typed: Option<&str>) -> Result<String, Misuse> {
        let has_name = typed.is_some() || self.file.instances().contains(&server.instance.as_str());
        if let Address::Sentinel { .. } = server.node.address
            && !has_name
        {
            return Err(Misuse::usage("a Sentinel group given by URL needs a name in the repository")
                .hint("`--name NAME`, or an entry under `instances` in the settings"));
        }
        checked_name(typed.unwrap_or(&server.instance))
    }

    /// The server that is meant where any will do: typed, from the environment, or the default.
    pub(super) fn server(&self, database: Option<u32>) -> Result<Server, Misuse> {
        if let Some(choice) = self.typed_choice() {
            return self.server_of(&choice, database);
        }
        let named = self.environment.text(env::INSTANCE)?.unwrap_or(DEFAULT_INSTANCE).to_owned();
        self.server_of(&Choice::Named(named), database)
    }

    /// The server that was typed; `None`: none was.
    pub(super) fn typed_server(&self, database: Option<u32>) -> Result<Option<Server>, Misuse> {
        self.typed_choice().map(|choice| self.server_of(&choice, database)).transpose()
    }

    /// A server by what was typed for an option of its own.
    pub(super) fn named_server(&self, named: &str) -> Result<Server, Misuse> {
        self.server_of(&Choice::Named(named.to_owned()), None)
    }

    /// The name of the instance that was typed. A name that the settings do not know is no error: its backups may have outlived it.
    pub(super) fn typed_instance_name(&self) -> Result<Option<String>, Misuse> {
        match self.typed_choice() {
            None => Ok(None),
            Some(Choice::Named(named)) if !named.contains("://") => {
                let known = self.file.instances().contains(&named.as_str());
                if known || may_be_shown(&named) { Ok(Some(named)) } else { Err(self.unknown(&named)) }
            }
            Some(choice) => {
                let server = self.server_of(&choice, None)?;
                // `-n` is refused, or means something else, by the command itself.
                if self.database.is_none() {
                    Self::all_databases(&server, "this command uses all databases", |_| String::new())?;
                }
                Ok(Some(server.instance))
            }
        }
    }

    /// The instance that was typed as the only one to look at, beside those of the settings.
    pub(super) fn only_instance(&self) -> Result<Option<Only>, Misuse> {
        let of_settings = self.file.instances().into_iter().map(str::to_owned).collect();
        Ok(self.typed_instance_name()?.map(|name| Only { name, of_settings }))
    }

    /// Refuses a database that the URL of a server names where none is chosen that way: it would be passed over.
    pub(super) fn all_databases(server: &Server, sentence: &str, hint: impl Fn(u32) -> String) -> Result<(), Misuse> {
        match server.node.database {
            0 => Ok(()),
            number => {
                let text = format!("{sentence}, but the URL of `{}` names database {number}", server.node.name);
                Err(Misuse::usage(text).hint(format!("leave out `/{number}`{}", hint(number))))
            }
        }
    }

    fn typed_choice(&self) -> Option<Choice> {
        let global = self.global;
        if let Some(named) = global.instance.as_ref().or(global.uri.as_ref()) {
            return Some(Choice::Named(named.clone()));
        }
        if global.host.is_none() && global.port.is_none() {
            return None;
        }
        let host = global.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
        Some(Choice::Port(host, global.port.unwrap_or(DEFAULT_PORT)))
    }

    fn server_of(&self, choice: &Choice, database: Option<u32>) -> Result<Server, Misuse> {
        let (name, mut node, block) = match choice {
            // Part of a URL, most likely, with a password before the `@`: it is not shown.
            Choice::Port(host, _) if host.contains(['@', '/']) || host.starts_with(':') => {
                return Err(Misuse::usage("the value of `--host` is not a host name").hint(
                    "`--host NAME --port NUMBER`, with `--username` and `--password-file` beside them; or a URL for `--instance`",
                ));
            }
            // An address of IPv6 has several colons.
            Choice::Port(host, _) if host.split_once(':').is_some_and(|(_, port)| is_port(port)) => {
                let hint = host.replacen(':', "` and `--port ", 1);
                return Err(Misuse::usage("`--host` takes no port").hint(format!("`--host {hint}`")));
            }
            Choice::Port(host, port) => (None, Node::new(Address::tcp(host.as_str(), *port)), Instance::default()),
            Choice::Named(url) if url.contains("://") => (None, node_of_url(url)?, Instance::default()),
            Choice::Named(name) => {
                let block = self.file.instance(name)?.ok_or_else(|| self.unknown(name))?;
                (Some(name.clone()), node_of(&block)?, block)
            }
        };
        if let Some(name) = &name {
            node.name = name.clone();
        }
        self.credentials(&mut node, &block)?;
        self.sentinel_credentials(&mut node, &block)?;
        self.tls(&mut node, block.tls.as_ref())?;
        // What was typed counts before what stands in the settings.
        node.nat = NatMap::of(self.global.nat_map.iter().chain(&block.nat_map).cloned().collect());
        if let Some(number) = database.or(self.database) {
            node.database = number;
        }
        node.timeout = self
            .global
            .timeout
            .map_or_else(|| self.file.timeout(), |typed| Ok(Some(typed)))?
            .unwrap_or(DEFAULT_TIMEOUT);
        if node.timeout.is_zero() {
            return Err(Misuse::usage("invalid value `0` for `--timeout`: use a time above 0, such as 5s"));
        }
        // What was typed holds for every silence. What stands in the settings is about answers that come at once: only a longer one
        // says something of a server that makes its snapshot.
        node.silence = self.global.timeout.unwrap_or_else(|| node.silence.max(node.timeout));
        node.retry = self.file.retry()?;
        for credentials in [Some(&node.credentials), node.sentinel.as_deref()].into_iter().flatten() {
            if let Some(password) = &credentials.password {
                self.printer.hide(password.expose());
            }
        }
        Ok(Server { instance: name.unwrap_or_else(|| folder_name(&node.address)), node })
    }

    fn unknown(&self, name: &str) -> Misuse {
        if !may_be_shown(name) {
            let misuse = Misuse::usage("the value for the instance is neither a name nor a URL");
            // A path holds no password; a URL that lost its scheme may.
            return match name {
                path if path.starts_with('/') && !path.contains(['@', ':', '?']) => {
                    misuse.hint(format!("to name a socket, use its URL: `unix://{path}`"))
                }
                port if port.strip_prefix(':').is_some_and(is_port) => misuse.hint(port_alone(&port[1..])),
                _ => misuse.hint(URLS),
            };
        }
        let known = self.file.instances();
        let place = match self.file.path() {
            Some(path) => format!("in the settings file {}", path.display()),
            None => "because there is no settings file".to_owned(),
        };
        let misuse = Misuse::settings(format!("there is no instance `{name}` {place}"));
        if is_port(name) {
            return misuse.hint(port_alone(name));
        }
        if name.contains(['.', ':']) || name == "localhost" {
            return misuse.hint(format!("to name a server, use its URL: `redis://{name}`"));
        }
        match nearest(name, &known) {
            Some(best) => misuse.hint(format!("did you mean `{best}`?")),
            None if !known.is_empty() => misuse.hint(format!("known: `{}`", known.join("`, `"))),
            None => misuse.hint("add it under `instances` in the settings, or give its URL: `redis://host:6379`"),
        }
    }

    /// Flags, then what a URL says itself (it was given together with the address), the environment, the settings.
    fn credentials(&self, node: &mut Node, block: &Instance) -> Result<(), Misuse> {
        let environment = self.environment;
        let credentials = &mut node.credentials;
        if let Some(name) = &self.global.username {
            credentials.username = Some(name.clone());
        } else if credentials.username.is_none() || block.url.is_some() {
            let of_environment = environment.text(env::USERNAME)?.map(str::to_owned);
            credentials.username =
                of_environment.or_else(|| block.username.clone()).or_else(|| credentials.username.take());
        }
        if let Some(path) = &self.global.password_file {
            credentials.password = Some(read_password_file(path).map_err(|error| Misuse::usage(error.to_string()))?);
        } else if credentials.password.is_none() || block.url.is_some() {
            let of_environment = match environment.text(env::PASSWORD)? {
                Some(password) => Some(password),
                None => environment.text(env::REDISCLI_AUTH)?,
            };
            credentials.password = match of_environment {
                Some(password) => Some(Secret::new(password)),
                None => password_of(block)?.or_else(|| credentials.password.take()),
            };
        }
        Ok(())
    }

    /// Flags, the environment, the settings. Where none of them says anything, the Sentinels are told what the server is told.
    fn sentinel_credentials(&self, node: &mut Node, block: &Instance) -> Result<(), Misuse> {
        let (global, environment) = (self.global, self.environment);
        let typed = global.sentinel_username.is_some() || global.sentinel_password_file.is_some();
        if !matches!(node.address, Address::Sentinel { .. }) {
            return match typed {
                true => Err(Misuse::usage(
                    "`--sentinel-username` and `--sentinel-password-file` need an instance behind Sentinels",
                )
                .hint("`redis+sentinel://host,host/service` names the Sentinels")),
                false => Ok(()),
            };
        }
        let block = block.sentinel.clone().unwrap_or_default();
        let username = match &global.sentinel_username {
            Some(name) => Some(name.clone()),
            None => environment.text(env::SENTINEL_USERNAME)?.map(str::to_owned).or(block.username),
        };
        let password = match (&global.sentinel_password_file, environment.text(env::SENTINEL_PASSWORD)?) {
            (Some(path), _) => Some(read_password_file(path).map_err(|error| Misuse::usage(error.to_string()))?),
            (None, Some(password)) => Some(Secret::new(password)),
            (None, None) => either(block.password.as_ref(), block.password_file.as_deref())?,
        };
        let credentials = Credentials { username, password };
        node.sentinel = (!credentials.is_empty()).then(|| Box::new(credentials));
        Ok(())
    }

    /// The block of the settings, and flags over it. Any of them means TLS, as does `rediss://`.
    fn tls(&self, node: &mut Node, block: Option<&TlsBlock>) -> Result<(), Misuse> {
        let global = self.global;
        let flagged = global.tls
            || global.insecure
            || global.sni.is_some()
            || [&global.tls_ca, &global.tls_cert, &global.tls_key].iter().any(|path| path.is_some());
        if block.is_some_and(|block| block.off) && !flagged {
            return match node.tls {
                Some(_) => Err(Misuse::settings(format!(
                    "`{}`: `rediss://` means TLS, but `tls: false` turns it off",
                    node.name
                ))),
                None => Ok(()),
            };
        }
        if !flagged && block.is_none() {
            return Ok(());
        }
        let block = block.cloned().unwrap_or_default();
        let tls = Tls {
            ca: global.tls_ca.clone().or(block.ca),
            certificate: global.tls_cert.clone().or(block.cert),
            key: global.tls_key.clone().or(block.key),
            server_name: global.sni.clone().or(block.sni),
            insecure: global.insecure || block.insecure,
        };
        if tls.certificate.is_some() != tls.key.is_some() {
            let (given, missing) =
                if tls.key.is_none() { ("--tls-cert", "--tls-key") } else { ("--tls-key", "--tls-cert") };
            return Err(Misuse::usage(format!("`{given}` needs `{missing}`")).hint(format!("add `{missing} FILE`")));
        }
        if matches!(node.address, Address::Unix { .. }) {
            return Err(Misuse::usage("a Unix socket does not use TLS"));
        }
        node.tls = Some(tls);
        Ok(())
    }
}

fn node_of(block: &Instance) -> Result<Node, Misuse> {
    match (&block.url, &block.host) {
        (Some(url), _) => node_of_url(url.expose()),
        (None, Some(host)) => Ok(Node::new(Address::tcp(host.as_str(), block.port.unwrap_or(DEFAULT_PORT)))),
        (None, None) => Err(Misuse::settings("an instance has either `url` or `host` and `port`")),
    }
}

fn node_of_url(url: &str) -> Result<Node, Misuse> {
    let parsed = InstanceUrl::parse(url).map_err(|error| Misuse::usage(error.to_string()).hint(URLS))?;
    Ok(Node::from_url(parsed))
}

/// What may be typed.
const URLS: &str =
    "`redis://host:6379`, `rediss://user@host:6380`, `unix:///path`, `redis+sentinel://host,host/service`";

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn port_alone(port: &str) -> String {
    format!("a port of this machine: `--port {port}`, or `redis://127.0.0.1:{port}`")
}

/// Whether a text is a name, or a host and a port, which somebody who reads over the shoulder may see. What is neither may be a URL
/// that was mistyped, with a password in it.
fn may_be_shown(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    check_instance(host).is_ok() && (port.is_empty() || port.parse::<u16>().is_ok())
}

fn password_of(block: &Instance) -> Result<Option<Secret>, Misuse> {
    either(block.password.as_ref(), block.password_file.as_deref())
}

fn either(password: Option<&Secret>, file: Option<&std::path::Path>) -> Result<Option<Secret>, Misuse> {
    match (password, file) {
        (Some(password), _) => Ok(Some(password.clone())),
        (None, Some(path)) => read_password_file(path).map(Some).map_err(|error| Misuse::settings(error.to_string())),
        (None, None) => Ok(None),
    }
}

/// The name of an instance that has none: `host-port`, for a socket its path, for a Sentinel group its service. The colons of an IPv6
/// address become underscores, which no name of a host has: `[::1]:6379` is not `1-6379`.
fn folder_name(address: &Address) -> String {
    match address {
        Address::Tcp { host, port } => instance_name(&format!("{}-{port}", host.replace(':', "_"))),
        Address::Unix { path } => instance_name(&path.to_string_lossy()),
        Address::Sentinel { service, .. } => instance_name(service),
    }
}

/// Refuses a name that cannot be a folder in every store.
pub(super) fn checked_name(name: &str) -> Result<String, Misuse> {
    match check_instance(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(error) => {
            Err(Misuse::usage(error.to_string())
                .hint("`--name NAME` gives the instance another name in the repository"))
        }
    }
}
