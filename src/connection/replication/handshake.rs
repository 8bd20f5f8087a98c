//! From the greeting to the header of the RDB.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::{ReplicationError, ReplicationFault, Stage, failure, reason_of, refusal};
use super::payload::{Framing, Header, MARK_LENGTH, Payload};
use super::shutdown::Watch;
use super::{Options, SNAPSHOT_SILENCES, Transfer};
use crate::connection::wire::{Reply, Wire, excerpt};
use crate::connection::{Command, CommandFault, Node};

/// The version that we announce as a replica. Valkey 9.1 and newer choose the RDB version by it: without it they write version 11
/// to a diskless replica, and fail if a hash has fields with a TTL (Valkey `replication.c`, `replicaRdbVersion`).
pub(super) const ANNOUNCED_VERSION: &[u8] = b"9.1.0";

/// The pause before a server that hung up on the question itself is asked once more.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// Why there is no header.
enum Failed {
    Fault(ReplicationFault),
    /// The connection ended as the very answer to this command, without a byte of another one: a service that lets nobody replicate may
    /// say so without a word.
    HungUp(&'static str, ReplicationFault),
}

impl From<ReplicationFault> for Failed {
    fn from(fault: ReplicationFault) -> Self {
        Self::Fault(fault)
    }
}

impl Failed {
    /// What the end of the connection means where no line had been answered to `command`. Half a line is an answer that was cut off.
    fn at(command: &'static str, fault: ReplicationFault, wire: &Wire) -> Self {
        match fault {
            fault @ ReplicationFault::Disconnected { .. } if wire.buffer.is_empty() => Self::HungUp(command, fault),
            fault => Self::Fault(fault),
        }
    }
}

pub(super) async fn full_resync(node: &Node, options: &Options) -> Result<Payload, ReplicationError> {
    let fail = |fault| ReplicationError { target: node.to_string(), fault };
    let fault = match ask(node, options).await {
        Ok(payload) => return Ok(payload),
        Err(Failed::Fault(fault)) => fault,
        Err(Failed::HungUp(..)) => {
            // Once is chance. Twice, by a server that answers everything else, is an answer.
            sleep(ONCE_MORE).await;
            match ask(node, options).await {
                Ok(payload) => return Ok(payload),
                Err(Failed::HungUp(command, _)) if answers(node).await => ReplicationFault::Unsupported {
                    text: format!(
                        "the server closes the connection at `{command}` each time, but answers other commands"
                    ),
                },
                Err(Failed::Fault(fault) | Failed::HungUp(_, fault)) => fault,
            }
        }
    };
    Err(fail(fault))
}

/// Whether the server answers what is no replication.
async fn answers(node: &Node) -> bool {
    let Ok(mut connection) = node.connect().await else { return false };
    connection.query(&Command::new("PING")).await.is_ok()
}

async fn ask(node: &Node, options: &Options) -> Result<Payload, Failed> {
    let stream = node.open_authenticated().await.map_err(ReplicationFault::Connect)?;
    let mut wire = Wire::new(stream);
    let rdb_only = timeout(node.timeout, tell_what_we_can(&mut wire, options.transfer))
        .await
        .unwrap_or(Err(Failed::Fault(ReplicationFault::Silent { stage: Stage::Handshake, waited: node.timeout })))?;
    let mut watch = Watch::over(node);
    let header = tokio::select! {
        header = ask_for_everything(&mut wire, options.silence, rdb_only) => header,
        () = watch.shutting_down() => Err(ReplicationFault::ShuttingDown { stage: Stage::WaitingForSnapshot }.into()),
    };
    Ok(Payload::new(wire, node.to_string(), header?, options.silence, watch))
}

/// Sends the options of a replica, and returns whether the server will send nothing but the RDB (`rdb-only`, 6.2 and newer).
///
/// There is no `listening-port`: nobody is to connect to us. The empty `ip-address` keeps Sentinels from taking us for a replica
/// that they would then miss for ever: they cannot resolve it, and add nothing (6.2 and newer; before, it means "not given").
async fn tell_what_we_can(wire: &mut Wire, transfer: Transfer) -> Result<bool, Failed> {
    let capabilities: &[&[u8]] = match transfer {
        Transfer::Diskless => &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"],
        Transfer::Disk => &[b"REPLCONF", b"capa", b"psync2"],
    };
    let commands = [
        vec![b"REPLCONF".as_slice(), b"ip-address", b""],
        capabilities.to_vec(),
        vec![b"REPLCONF", b"version", ANNOUNCED_VERSION],
        vec![b"REPLCONF", b"rdb-only", b"1"],
    ];
    let broken = |error: &io::Error| closed(error, Stage::Handshake);
    wire.send(&commands).await.map_err(|error| Failed::at("REPLCONF", broken(&error), wire))?;
    let mut accepted = false;
    // All answers must be read before PSYNC: the server refuses it while it has something to say.
    for _ in &commands {
        let reply = wire.read_reply().await.map_err(|error| Failed::at("REPLCONF", broken(&error), wire))?;
        accepted = match reply {
            Reply::Simple(_) => true,
            Reply::Other(got) => return Err(ReplicationFault::Protocol { stage: Stage::Handshake, got }.into()),
            Reply::Error(error) => match error.fault("REPLCONF") {
                CommandFault::NoPermission { .. } => return Err(refusal("REPLCONF", &error).into()),
                _ => false,
            },
        };
    }
    Ok(accepted)
}

/// Sends `PSYNC`, or `SYNC` where that is refused, and waits for the header of the RDB.
async fn ask_for_everything(wire: &mut Wire, silence: Duration, rdb_only: bool) -> Result<Header, Failed> {
    let stage = Stage::WaitingForSnapshot;
    let broken = |error: &io::Error| closed(error, stage);
    let patience = silence.saturating_mul(SNAPSHOT_SILENCES);
    let (mut end, mut alive) = (Instant::now() + patience, false);
    let mut psync_refused = None;
    let mut origin = None;
    wire.send(&[vec![b"PSYNC", b"?", b"-1"]]).await.map_err(|error| Failed::at("PSYNC", broken(&error), wire))?;
    loop {
        let next = end.min(Instant::now() + silence);
        let line = match timeout_at(next, wire.read_line()).await {
            Ok(Ok(line)) => line,
            Ok(Err(error)) if alive || origin.is_some() => return Err(broken(&error).into()),
            Ok(Err(error)) => {
                return Err(match psync_refused {
                    // It refused in words, and then without.
                    Some(refused) => Failed::Fault(refused),
                    None => Failed::at("PSYNC", broken(&error), wire),
                });
            }
            Err(_) if next == end => return Err(ReplicationFault::NeverBegins { waited: patience }.into()),
            Err(_) => return Err(ReplicationFault::Silent { stage, waited: silence }.into()),
        };
        let not_understood = || ReplicationFault::Protocol { stage, got: excerpt(&line) };
        match line.split_first() {
            // The server is alive, and not ready yet: about one newline a second.
            None => alive = true,
            Some((b'-', text)) => {
                let error = crate::connection::ServerError::parse(&String::from_utf8_lossy(text));
                let command = if psync_refused.is_some() { "SYNC" } else { "PSYNC" };
                if alive || origin.is_some() {
                    return Err(failure(command, &error).into());
                }
                match (refusal(command, &error), psync_refused.take()) {
                    (refused @ ReplicationFault::Unsupported { .. }, None) => psync_refused = Some(refused),
                    (ReplicationFault::Unsupported { .. } | ReplicationFault::NoPermission { .. }, Some(first)) => {
                        return Err(first.into());
                    }
                    (refused, _) => return Err(refused.into()),
                }
                end = Instant::now() + patience;
                wire.send(&[vec![b"SYNC"]]).await.map_err(|error| broken(&error))?;
            }
            Some((b'+', text)) if origin.is_none() => {
                origin = Some(parse_full_resync(text).ok_or_else(not_understood)?);
            }
            Some((b'$', text)) => {
                let framing = parse_framing(text).ok_or_else(not_understood)?;
                let (replid, offset) = origin.unzip();
                return Ok(Header { replid, offset, framing, rdb_only });
            }
            Some(_) => return Err(not_understood().into()),
        }
    }
}

/// `FULLRESYNC <40 characters> <offset>`
pub(super) fn parse_full_resync(text: &[u8]) -> Option<(String, u64)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.strip_prefix("FULLRESYNC ")?.split(' ');
    let (replid, offset) = (words.next()?, words.next()?);
    let is_replid = replid.len() == 40 && replid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_replid && words.next().is_none()).then_some(())?;
    Some((replid.to_owned(), offset.parse().ok()?))
}

/// `<length>` or `EOF:<40 bytes>`
pub(super) fn parse_framing(text: &[u8]) -> Option<Framing> {
    if let Some(mark) = text.strip_prefix(b"EOF:") {
        let mark: [u8; MARK_LENGTH] = mark.try_into().ok()?;
        return Some(Framing::Marked(mark));
    }
    // `parse` would take a sign.
    text.iter().all(u8::is_ascii_digit).then_some(())?;
    Some(Framing::Counted(std::str::from_utf8(text).ok()?.parse().ok()?))
}

pub(super) fn closed(error: &io::Error, stage: Stage) -> ReplicationFault {
    if error.kind() == io::ErrorKind::InvalidData && error.get_ref().is_none_or(|cause| !cause.is::<rustls::Error>()) {
        return ReplicationFault::Protocol { stage, got: error.to_string() };
    }
    let reason = reason_of(error);
    ReplicationFault::Disconnected { stage, expected: None, reason, unread: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_apart_or_refused() {
        let mark = [b'a'; 40];
        assert_eq!(parse_framing(b"0"), Some(Framing::Counted(0)));
        assert_eq!(parse_framing(b"18446744073709551615"), Some(Framing::Counted(u64::MAX)));
        assert_eq!(parse_framing(&[b"EOF:".as_slice(), &mark].concat()), Some(Framing::Marked(mark)));
        for wrong in ["", "-1", "+1", "1 ", "18446744073709551616", "EOF:", "EOF:short", "eof:"] {
            assert_eq!(parse_framing(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(parse_framing(&[b"EOF:a".as_slice(), &mark].concat()), None);
    }

    #[test]
    fn the_origin_is_taken_apart_or_refused() {
        let replid = "8371445ee47fed5cbf8c4d15b2a0a4b0c8a8a5a8";
        let text = format!("FULLRESYNC {replid} 1234");
        assert_eq!(parse_full_resync(text.as_bytes()), Some((replid.to_owned(), 1234)));
        for wrong in ["CONTINUE", "FULLRESYNC", "FULLRESYNC x 1", &format!("FULLRESYNC {replid}")] {
            assert_eq!(parse_full_resync(wrong.as_bytes()), None, "{wrong}");
        }
        for offset in ["", "-1", "x", "1 2"] {
            assert_eq!(parse_full_resync(format!("FULLRESYNC {replid} {offset}").as_bytes()), None, "{offset}");
        }
    }
}
