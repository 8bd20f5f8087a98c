//! The first words on a connection: who we are, which database, that we are a tool that must not be evicted and leaves the keys'
//! idle times alone.

use std::io;

use tokio::time::{Instant, timeout_at};

use super::stream::is_closed;
use super::tls::fault_of;
use super::wire::{Reply, Wire};
use super::{AuthenticationFault, CommandFault, ConnectFault, Node, Phase, Phases, ServerError, Stream};

/// What our connections are called in `CLIENT LIST`, unless they have a name of their own.
const NAME: &str = "redis-ops";

/// What the greeting told.
pub(super) struct Greeting {
    /// The server is reading its data set from disk.
    pub(super) loading: bool,
}

/// A command of the greeting.
struct Step<'a> {
    words: Vec<&'a [u8]>,
    /// Its name for messages.
    name: &'static str,
    /// Whether the connection is good without it: an old server does not know it, or the ACL does not grant it.
    optional: bool,
}

/// Two round trips: everything about us, then `PING`.
pub(super) async fn greet(
    stream: Stream,
    node: &Node,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<(Stream, Greeting), ConnectFault> {
    let mut wire = Wire::new(stream);
    let late = |phase| ConnectFault::Timeout { phase, after: node.timeout };

    let begun = Instant::now();
    timeout_at(deadline, introduce(&mut wire, node)).await.map_err(|_| late(first_words(node)))??;
    phases.auth = begun.elapsed();

    let begun = Instant::now();
    let loading = timeout_at(deadline, ping(&mut wire)).await.map_err(|_| late(Phase::Ping))??;
    phases.ping = begun.elapsed();

    // Nobody asked for more: what speaks without being asked is not a Redis in RESP2.
    if !wire.buffer.is_empty() {
        return Err(ConnectFault::Protocol { got: super::wire::excerpt(&wire.buffer) });
    }
    Ok((wire.stream, Greeting { loading }))
}

/// Sends who we are, and questions right behind: one round trip for all. The answers to the questions, in their order; an error reply
/// is the answer to its own question, unless it concerns the whole connection.
pub(super) async fn ask_at_once(
    stream: Stream,
    node: &Node,
    questions: &[&[&str]],
    limit: usize,
) -> Result<Vec<Result<Vec<u8>, ServerError>>, ConnectFault> {
    let database = node.database.to_string();
    let mut steps = who_we_are(node, &database)?;
    let name = node.client_name.as_deref().unwrap_or(NAME);
    steps.push(Step { words: vec![b"CLIENT", b"SETNAME", name.as_bytes()], name: "CLIENT", optional: true });
    let mut commands: Vec<Vec<&[u8]>> = steps.iter().map(|step| step.words.clone()).collect();
    commands.extend(questions.iter().map(|words| words.iter().map(|word| word.as_bytes()).collect()));
    let wire = &mut Wire::new(stream);
    // As in `introduce`: a reason to refuse us may be there to be read although sending failed.
    let _ = wire.send(&commands).await;
    for step in &steps {
        let reply = wire.read_reply().await.map_err(|error| broken(wire, &error, first_words(node)))?;
        judge(step, &reply, node)?;
    }
    let mut answers = Vec::with_capacity(questions.len());
    for _ in questions {
        let answer = wire.read_text(limit).await.map_err(|error| broken(wire, &error, Phase::Ping))?;
        if let Some(fault) = answer.as_ref().err().and_then(refused_at_the_door) {
            return Err(fault);
        }
        answers.push(answer);
    }
    Ok(answers)
}

/// What the first commands are for: a server without a password authenticates nobody.
fn first_words(node: &Node) -> Phase {
    if node.credentials.password.is_some() { Phase::Auth } else { Phase::Handshake }
}

/// `AUTH` and `SELECT`, as far as they are needed.
fn who_we_are<'a>(node: &'a Node, database: &'a str) -> Result<Vec<Step<'a>>, ConnectFault> {
    if node.credentials.username.is_some() && node.credentials.password.is_none() {
        return Err(authentication(AuthenticationFault::PasswordMissing, ""));
    }
    let mut steps = Vec::new();
    if let Some(password) = &node.credentials.password {
        let mut words = vec![b"AUTH".as_slice()];
        words.extend(node.credentials.username.as_ref().map(|name| name.as_bytes()));
        words.push(password.expose().as_bytes());
        steps.push(Step { words, name: "AUTH", optional: false });
    }
    if node.database != 0 {
        steps.push(Step { words: vec![b"SELECT", database.as_bytes()], name: "SELECT", optional: false });
    }
    Ok(steps)
}

async fn introduce(wire: &mut Wire, node: &Node) -> Result<(), ConnectFault> {
    let database = node.database.to_string();
    let mut steps = who_we_are(node, &database)?;
    // SETINFO and NO-TOUCH: 7.2; NO-EVICT: 7.0.
    for words in [
        vec![b"CLIENT".as_slice(), b"SETNAME", node.client_name.as_deref().unwrap_or(NAME).as_bytes()],
        vec![b"CLIENT", b"SETINFO", b"LIB-NAME", NAME.as_bytes()],
        vec![b"CLIENT", b"NO-EVICT", b"on"],
        vec![b"CLIENT", b"NO-TOUCH", b"on"],
    ] {
        steps.push(Step { words, name: "CLIENT", optional: true });
    }
    if node.reads_replica {
        steps.push(Step { words: vec![b"READONLY"], name: "READONLY", optional: true });
    }
    let commands: Vec<_> = steps.iter().map(|step| step.words.clone()).collect();
    // A server that refuses us at the door (`maxclients`, `protected-mode`, no client certificate) says so and closes: sending may fail
    // then, and the reason is there to be read all the same.
    let _ = wire.send(&commands).await;
    for step in &steps {
        let reply = wire.read_reply().await.map_err(|error| broken(wire, &error, first_words(node)))?;
        judge(step, &reply, node)?;
    }
    Ok(())
}

/// What an answer to the introduction means for the connection.
fn judge(step: &Step<'_>, reply: &Reply, node: &Node) -> Result<(), ConnectFault> {
    let error = match reply {
        Reply::Simple(_) => return Ok(()),
        Reply::Other(got) => return Err(ConnectFault::Protocol { got: got.clone() }),
        Reply::Error(error) => error,
    };
    if let Some(fault) = refused_at_the_door(error) {
        return Err(fault);
    }
    if step.name == "AUTH" {
        return Err(authentication_fault(error, node));
    }
    if step.optional {
        return Ok(());
    }
    Err(match error.fault(step.name) {
        CommandFault::NoPermission { rule, text } => {
            ConnectFault::NoPermission { command: step.name.to_owned(), rule, text }
        }
        _ => ConnectFault::Server { command: step.name.to_owned(), error: error.clone() },
    })
}

/// Answers that concern the connection, whatever was asked. The texts: Redis `networking.c`, `acceptCommonHandler`.
fn refused_at_the_door(error: &ServerError) -> Option<ConnectFault> {
    match error.code.as_str() {
        "NOAUTH" => Some(authentication(AuthenticationFault::PasswordRequired, "")),
        "DENIED" => Some(ConnectFault::ProtectedMode),
        "BUSY" => Some(ConnectFault::Busy { text: error.text.clone() }),
        // In a cluster the text is `max number of clients + cluster connections reached`.
        "ERR" if error.text.starts_with("max number of clients") => Some(ConnectFault::MaxClients),
        _ => None,
    }
}

fn authentication_fault(error: &ServerError, node: &Node) -> ConnectFault {
    let text = error.text.to_ascii_lowercase();
    let fault = if text.contains("no password is set") || text.contains("without any password configured") {
        AuthenticationFault::NoPasswordConfigured
    } else if text.contains("wrong number of arguments") && node.credentials.username.is_some() {
        AuthenticationFault::UsersUnknown
    } else {
        AuthenticationFault::Rejected
    };
    authentication(fault, &error.to_string())
}

fn authentication(fault: AuthenticationFault, text: &str) -> ConnectFault {
    ConnectFault::Authentication { fault, text: text.to_owned() }
}

/// Whether the server is loading. Every other error of `PING` is left to the command that meets it: without `+ping` in the ACL,
/// with `MISCONF` or `MASTERDOWN`, much can still be asked.
async fn ping(wire: &mut Wire) -> Result<bool, ConnectFault> {
    wire.send(&[vec![b"PING"]]).await.map_err(|error| broken(wire, &error, Phase::Ping))?;
    match wire.read_reply().await.map_err(|error| broken(wire, &error, Phase::Ping))? {
        Reply::Simple(_) => Ok(false),
        Reply::Other(got) => Err(ConnectFault::Protocol { got }),
        Reply::Error(error) => match refused_at_the_door(&error) {
            Some(fault) => Err(fault),
            None => Ok(error.code == "LOADING"),
        },
    }
}

fn broken(wire: &Wire, error: &io::Error, phase: Phase) -> ConnectFault {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match (cause, wire.stream.ours()) {
        // With TLS 1.3 the server's verdict on our certificate comes after our side of the handshake is done.
        (Some(cause), Some(ours)) => {
            let (fault, reason) = fault_of(cause, ours);
            ConnectFault::Tls { fault, reason }
        }
        _ if error.kind() == io::ErrorKind::InvalidData => ConnectFault::Protocol { got: error.to_string() },
        _ if is_closed(error) => ConnectFault::Disconnected { phase },
        _ => ConnectFault::Unreachable { reason: super::stream::words(error) },
    }
}
