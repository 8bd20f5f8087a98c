//! `top` on a terminal of its own, before real servers.

mod harm;
mod link;
mod pages;
mod terminal;

use crate::support::pty::{Size, Terminal};
use crate::support::redis_server::{Installed, RedisServer, server_named};

/// The size that everything is made for.
const USUAL: Size = (24, 80);
/// A terminal that shows more than ASCII.
const UTF_8: &[(&str, &str)] = &[("LANG", "C.UTF-8")];

/// The versions that these tests look at, as far as they are installed.
fn versions() -> Vec<Installed> {
    let names = ["redis-server-6.2", "redis-server-7.0", "redis-server-8.10", "valkey-server-9.1"];
    names.into_iter().filter_map(server_named).collect()
}

/// `top` before a server; it looks every second.
fn top_of(server: &RedisServer, size: Size, more: &[&str]) -> Option<Terminal> {
    let url = server.url();
    let arguments = [&["top", "-i", &url, "--every", "1s"], more].concat();
    Terminal::controlling(size, &arguments, UTF_8)
}
