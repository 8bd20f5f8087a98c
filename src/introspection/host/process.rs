//! Which process of this machine is the server: by the socket that it listens on, whatever its program is called.

use std::fs;

use crate::replies::Info;

/// Where the kernel tells of TCP sockets.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The process id of a server that answers on this machine, as INFO tells it; `None` where a process of this id is another one, as that of
/// another name space is.
pub fn process_of(info: &Info) -> Option<u64> {
    let process = info.u64("process_id")?;
    let port = info.u64("tcp_port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    // Started through a loader, a wrapper or another name the program is called anything. Only where nobody may see what the process has
    // open its name has to do.
    let is_ours = port.and_then(|port| listens(process, port)).unwrap_or_else(|| is_called_a_server(process));
    is_ours.then_some(process)
}

/// Whether the process holds a socket that listens at the port; `None` where that cannot be seen.
fn listens(process: u64, port: u16) -> Option<bool> {
    let tables = TABLES.iter().filter_map(|path| fs::read_to_string(path).ok());
    let sockets: Vec<String> = tables.flat_map(|table| listening_in(&table, port)).collect();
    if sockets.is_empty() {
        return None;
    }
    let open = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let held = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(held.filter_map(|target| target.to_str().map(str::to_owned)).any(|target| sockets.contains(&target)))
}

/// The sockets of the table that listen at the port, as a process names them: `socket:[4711]`.
fn listening_in(table: &str, port: u16) -> Vec<String> {
    let rows = table.lines().skip(1).filter_map(|row| {
        // Number, own address, other address, state (0A listens), queues, timer, retransmits, user, timeout, inode.
        let words: Vec<&str> = row.split_whitespace().collect();
        let (own, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
        let listens = *state == "0A" && u16::from_str_radix(own.rsplit_once(':')?.1, 16).ok()? == port;
        listens.then(|| format!("socket:[{inode}]"))
    });
    rows.collect()
}

fn is_called_a_server(process: u64) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.contains("redis") || name.contains("valkey")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:18EB 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
        \x20  1: 0100007F:18EB 0100007F:C000 01 00000000:00000009 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n";

    #[test]
    fn a_socket_that_listens_is_named_by_its_inode() {
        assert_eq!(listening_in(TABLE, 6379), ["socket:[4711]"]);
        assert!(listening_in(TABLE, 6380).is_empty() && listening_in("", 6379).is_empty());
    }

    /// This test is no server by its name.
    #[test]
    fn a_process_is_the_server_if_it_listens_at_the_port() {
        if !std::path::Path::new(TABLES[0]).exists() {
            eprintln!("skipped: there is no {}", TABLES[0]);
            return;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let own = u64::from(std::process::id());
        let of =
            |process: u64, port: u16| process_of(&Info::parse(&format!("process_id:{process}\ntcp_port:{port}\n")));
        assert_eq!(of(own, port), Some(own));
        // Another process may be what a number means here: the parent has not this socket.
        assert_eq!(of(u64::from(std::os::unix::process::parent_id()), port), None);
        assert_eq!((of(u64::MAX, port), process_of(&Info::parse("tcp_port:1\n"))), (None, None));
    }
}
