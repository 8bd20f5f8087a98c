//! Where a server is: what may be typed as a URL, taken apart. Secrets go to [`Credentials`], and from there nowhere.

use std::fmt;
use std::path::PathBuf;

use super::{Credentials, Secret};
use crate::explain::{Explain, Meaning};

/// The port of Redis where none is given.
pub const DEFAULT_PORT: u16 = 6379;
/// The port of a Sentinel where none is given.
pub const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// Where a server is. Holds no secret; `Display` is for people: `10.0.0.1:6379`, `[::1]:6379`, `unix:/run/redis.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port. The host is a name or an IP address, IPv6 without brackets.
    Tcp {
        /// Name or IP address.
        host: String,
        /// Port of the server.
        port: u16,
    },
    /// A unix socket.
    Unix {
        /// The path of the socket file.
        path: PathBuf,
    },
    /// The primary that Sentinels know under a name; they are asked at each connection.
    Sentinel {
        /// Host and port of each Sentinel.
        hosts: Vec<(String, u16)>,
        /// The name of the group, such as `mymaster`.
        service: String,
    },
}

impl Address {
    /// A TCP address.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write_host(f, host, *port),
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
            Self::Sentinel { hosts, service } => {
                write!(f, "{service} of Sentinel ")?;
                for (index, (host, port)) in hosts.iter().enumerate() {
                    if index > 0 {
                        f.write_str(",")?;
                    }
                    write_host(f, host, *port)?;
                }
                Ok(())
            }
        }
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
}

/// A URL of an instance, taken apart. `Debug` shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceUrl {
    /// Where it is.
    pub address: Address,
    /// User and password, if the URL holds them.
    pub credentials: Credentials,
    /// Whether the scheme asks for TLS (`rediss`).
    pub tls: bool,
    /// The database, if the URL names one.
    pub database: Option<u32>,
}

impl InstanceUrl {
    /// Takes a URL apart:
    ///
    /// - `redis://[user[:password]@][host][:port][/db][?db=N]`, `rediss://…` (also `valkey://`, `valkeys://`)
    /// - `unix:///path[?db=N]`, `unix://path`, `redis+unix://…`, with `user` and `password` before an `@` or in the query
    /// - `redis+sentinel://[user[:password]@]host[:port],host…/service[/db]`, `rediss+sentinel://…`
    ///
    /// Parts are percent-decoded. A password may hold `/`, `?`, `#` and `@` as they are: the last `@` ends it.
    ///
    /// # Errors
    /// Anything else. The message never repeats what stands before the last `@`, nor the value of a parameter.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| fail("there is no scheme such as `redis://`"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => network(rest, false),
            "rediss" | "valkeys" => network(rest, true),
            "unix" | "redis+unix" | "valkey+unix" => unix(rest),
            "redis+sentinel" | "redis-sentinel" => sentinel(rest, false),
            "rediss+sentinel" | "rediss-sentinel" => sentinel(rest, true),
            _ => Err(fail("the scheme must be `redis`, `rediss`, `unix` or `redis+sentinel`")),
        }
    }
}

/// A URL that cannot be taken apart. Says what is wrong, without repeating what may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid URL of the instance: {reason}")]
pub struct AddressError {
    /// What is wrong, in words.
    pub reason: String,
}

impl Explain for AddressError {
    fn meaning(&self) -> Meaning {
        Meaning::of("usage").unknown()
    }
}

fn fail(reason: impl Into<String>) -> AddressError {
    AddressError { reason: reason.into() }
}

fn network(rest: &str, tls: bool) -> Result<InstanceUrl, AddressError> {
    let (mut credentials, rest) = take_credentials(rest)?;
    let (rest, mut database) = take_query(rest, &mut credentials)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host_and_port(authority, DEFAULT_PORT)?;
    if !path.is_empty() {
        database = Some(number_of_database(path.trim_end_matches('/'))?);
    }
    Ok(InstanceUrl { address: Address::Tcp { host, port }, credentials, tls, database })
}

fn sentinel(rest: &str, tls: bool) -> Result<InstanceUrl, AddressError> {
    let (mut credentials, rest) = take_credentials(rest)?;
    let (rest, mut database) = take_query(rest, &mut credentials)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = authority
        .split(',')
        .filter(|host| !host.is_empty())
        .map(|host| host_and_port(host, DEFAULT_SENTINEL_PORT))
        .collect::<Result<Vec<_>, _>>()?;
    let (service, number) = path.split_once('/').unwrap_or((path, ""));
    if hosts.is_empty() || service.is_empty() {
        return Err(fail("a Sentinel URL is `redis+sentinel://host,host/service`"));
    }
    if !number.is_empty() {
        database = Some(number_of_database(number.trim_end_matches('/'))?);
    }
    let service = decode(service, "the name of the service")?;
    Ok(InstanceUrl { address: Address::Sentinel { hosts, service }, credentials, tls, database })
}

fn unix(rest: &str) -> Result<InstanceUrl, AddressError> {
    // An `@` may be part of a path: only one that stands before the first slash ends a password.
    let head = rest.split('/').next().unwrap_or_default();
    let (mut credentials, rest) =
        if head.contains('@') { take_credentials(rest)? } else { (Credentials::default(), rest) };
    let (path, database) = take_query(rest, &mut credentials)?;
    if path.is_empty() {
        return Err(fail("the path of the socket is missing: write `unix:///path`"));
    }
    let path = PathBuf::from(decode(path, "the path")?);
    Ok(InstanceUrl { address: Address::Unix { path }, credentials, tls: false, database })
}

/// `user:password@` at the beginning. In Redis URLs no `@` can stand behind it, so the last one ends it.
fn take_credentials(rest: &str) -> Result<(Credentials, &str), AddressError> {
    let Some((who, rest)) = rest.rsplit_once('@') else {
        return Ok((Credentials::default(), rest));
    };
    let (user, password) = match who.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (who, None),
    };
    let username = Some(decode(user, "the user name")?).filter(|user| !user.is_empty());
    let password = password.map(|password| decode(password, "the password")).transpose()?;
    // `user:@` is an ACL user with `nopass`; `:@` is nobody.
    let password = password.filter(|text| username.is_some() || !text.is_empty()).map(Secret::new);
    Ok((Credentials { username, password }, rest))
}

fn take_query<'a>(rest: &'a str, credentials: &mut Credentials) -> Result<(&'a str, Option<u32>), AddressError> {
    if rest.contains('#') {
        return Err(fail("a `#` is not allowed (in a path, write `%23`)"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut database = None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "db" => database = Some(number_of_database(value)?),
            "user" | "username" => credentials.username = Some(decode(value, "the user name")?),
            "pass" | "password" => credentials.password = Some(Secret::new(decode(value, "the password")?)),
            _ => return Err(fail("a parameter is unknown: only `db`, `user` and `password` are allowed")),
        }
    }
    Ok((rest, database))
}

fn number_of_database(text: &str) -> Result<u32, AddressError> {
    // Redis takes a C `int` here.
    match text.parse::<u32>() {
        Ok(number) if number <= i32::MAX as u32 => Ok(number),
        _ => Err(fail("the database is not a number")),
    }
}

fn host_and_port(authority: &str, default_port: u16) -> Result<(String, u16), AddressError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| fail("`[` without `]`"))?;
        let address: std::net::Ipv6Addr = host
            .split('%')
            .next()
            .unwrap_or_default()
            .parse()
            .map_err(|_| fail("no IPv6 address between `[` and `]`"))?;
        let host = if host.contains('%') { host.to_owned() } else { address.to_string() };
        match rest {
            "" => (host, None),
            rest => {
                (host, Some(rest.strip_prefix(':').ok_or_else(|| fail("unexpected text between `]` and the port"))?))
            }
        }
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(fail("write an IPv6 address in brackets: `[::1]:6379`"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        (decode(host, "the host")?, port)
    };
    if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(fail("the host has a space"));
    }
    let port = match port {
        None | Some("") => default_port,
        Some(port) => port
            .parse::<u16>()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| fail("the port is not a number from 1 to 65535"))?,
    };
    Ok((if host.is_empty() { "127.0.0.1".to_owned() } else { host }, port))
}

/// Percent-decoding (RFC 3986). A `+` stays a `+`: this is no form.
fn decode(text: &str, what: &str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let mut byte = [0];
        let digits = tail.get(..2).ok_or_else(|| fail(format!("{what} ends in the middle of a `%XX`")))?;
        hex::decode_to_slice(digits, &mut byte)
            .map_err(|_| fail(format!("{what} has a `%` without two hexadecimal digits after it (write `%25`)")))?;
        bytes.push(byte[0]);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| fail(format!("{what} is not UTF-8")))
}

#[cfg(test)]
mod tests;
