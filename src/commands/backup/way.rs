//! How the data of a server would be read: by replication, or key by key where that is not allowed.

use crate::backup::Method;
use crate::capture::source::{self, Chosen};
use crate::connection::replication::{self, ReplicationFault};
use crate::connection::{Command, ServerError};
use crate::explain::{Result, Status};
use crate::replies::Reply;

/// How the data would be read.
pub(super) enum Way {
    Open {
        method: &'static str,
        status: Status,
        line: String,
    },
    /// Not as it was asked for.
    Barred(ReplicationFault),
}

/// How the data would be read, and whether the server lets us: what a run finds out with the first `PSYNC`, without one.
pub(super) async fn method(chosen: &Chosen, wanted: Method) -> Result<Way> {
    match wanted {
        Method::Scan => return by_key(chosen, "").await,
        Method::Auto if chosen.is_stale => {
            return by_key(chosen, "a replica that has lost its primary does not replicate: ").await;
        }
        Method::Replication if chosen.is_stale => {
            let text = "a replica that has lost its primary does not replicate".to_owned();
            return Ok(Way::Barred(ReplicationFault::NoPrimaryLink { text }));
        }
        Method::Auto | Method::Replication => {}
    }
    let who = chosen.node.credentials.username.as_deref().unwrap_or("default");
    let by_replication = |line| Way::Open { method: "replication", status: Status::Ok, line };
    Ok(match (refused(chosen, who).await?, wanted) {
        (Asked::Yes, _) => by_replication(format!("the user `{who}` may request a full resync")),
        (Asked::NotFoundOut, _) => by_replication(format!("could not tell whether the user `{who}` may run `PSYNC`")),
        (Asked::No(fault), Method::Auto) => by_key(chosen, &format!("{fault}: ")).await?,
        (Asked::No(fault), _) => Way::Barred(fault),
    })
}

/// Key by key, unless that is forbidden as well.
async fn by_key(chosen: &Chosen, why: &str) -> Result<Way> {
    Ok(match barred_by_key(chosen).await? {
        Some(fault) => Way::Barred(fault),
        None => Way::Open {
            method: "scan",
            status: Status::Warning,
            line: format!("{why}the server would be read key by key, so the data is not from a single moment"),
        },
    })
}

/// Keys that are tried: whether our user may read them.
const TRIED: &str = "10";

/// What forbids to read the server key by key: each command that the run needs is tried, with what reads no value.
async fn barred_by_key(chosen: &Chosen) -> Result<Option<ReplicationFault>> {
    let mut connection = chosen.node.connect().await?;
    let is_7_or_newer = chosen.facts.version_numbers() >= (7, 0, 0);
    let databases = source::info(&mut connection).await?.databases().into_keys();
    let others = databases.filter(|database| *database != chosen.node.database);
    let mut questions = vec![Command::of(&["SCAN", "0", "COUNT", TRIED]), Command::new("TIME")];
    questions.extend(others.map(|database| Command::new("SELECT").arg(database)));
    let answers = connection.pipeline(&questions).await?;
    let keys: Vec<Vec<u8>> = match answers.first() {
        Some(Ok(Reply::Array(parts))) => {
            parts.last().into_iter().flat_map(Reply::items).filter_map(|key| Some(key.bytes()?.to_vec())).collect()
        }
        _ => Vec::new(),
    };
    if let Some(fault) = forbidden(&questions, &answers) {
        return Ok(Some(fault));
    }
    // The time left is no value; and no key has this name.
    let nobody = [&keys.first().cloned().unwrap_or_default()[..], b":redis-ops-plan"].concat();
    let expiry = if is_7_or_newer { "PEXPIRETIME" } else { "PTTL" };
    let mut questions = vec![Command::new("SELECT").arg(chosen.node.database)];
    questions.extend(keys.iter().map(|key| Command::new(expiry).arg(key)));
    questions.push(Command::new(expiry).arg(&nobody));
    questions.push(Command::new("DUMP").arg(&nobody));
    let answers = connection.pipeline(&questions).await?;
    // A server with one database may not know SELECT, and a pattern of keys need not take in the name that nobody has.
    let tried = 1..=keys.len();
    if let Some(fault) = forbidden(&questions[tried.clone()], &answers[tried]) {
        return Ok(Some(fault));
    }
    for (question, answer) in questions.iter().zip(&answers).skip(1 + keys.len()) {
        if let Some(fault) = forbidden(std::slice::from_ref(question), std::slice::from_ref(answer))
            && matches!(&fault, ReplicationFault::NoPermission { rule, .. } if rule.starts_with('+'))
        {
            return Ok(Some(fault));
        }
    }
    // Libraries that may not be read are left out with a warning; their format then has to be that of a key.
    if is_7_or_newer {
        let questions = [Command::new("RANDOMKEY"), Command::new("FUNCTION").arg("DUMP")];
        let answers = connection.pipeline(&questions).await?;
        if answers.iter().all(Result::is_err) {
            return Ok(forbidden(&questions[..1], &answers[..1]));
        }
    }
    Ok(None)
}

/// The first refusal for want of a right.
fn forbidden(questions: &[Command], answers: &[Result<Reply, ServerError>]) -> Option<ReplicationFault> {
    questions.iter().zip(answers).find_map(|(question, answer)| {
        let error = answer.as_ref().err()?;
        let fault = replication::refusal(&question.name(), error);
        matches!(fault, ReplicationFault::NoPermission { .. }).then_some(fault)
    })
}

/// Whether we may replicate.
enum Asked {
    Yes,
    No(ReplicationFault),
    NotFoundOut,
}

/// Asks with what cannot begin anything: `PSYNC` without its arguments is refused for their number by a server that has it, and in
/// other words by one that has not; `REPLCONF` without any does nothing.
async fn refused(chosen: &Chosen, who: &str) -> Result<Asked> {
    // A server that hangs up at the question is asked once more: once may be chance, as for a run.
    let mut tried = ask(chosen, who).await;
    if is_closed(&tried) {
        tried = ask(chosen, who).await;
    }
    if is_closed(&tried) {
        let text = "the server closes the connection at `REPLCONF` or `PSYNC`".to_owned();
        return Ok(Asked::No(ReplicationFault::Unsupported { text }));
    }
    tried
}

fn is_closed(asked: &Result<Asked>) -> bool {
    asked.as_ref().is_err_and(|error| error.code() == "disconnected")
}

async fn ask(chosen: &Chosen, who: &str) -> Result<Asked> {
    let mut connection = chosen.node.connect().await?;
    let questions = [
        Command::new("REPLCONF"),
        Command::new("PSYNC"),
        Command::of(&["COMMAND", "INFO", "SYNC"]),
        Command::of(&["ACL", "DRYRUN", who, "PSYNC", "?", "-1"]),
        Command::of(&["ACL", "DRYRUN", who, "REPLCONF", "capa", "eof"]),
    ];
    let answers = connection.pipeline(&questions).await?;
    let [replconf, psync, sync, may_psync, may_replconf] = answers.as_slice() else { return Ok(Asked::NotFoundOut) };
    if let Err(error) = replconf
        && let fault @ ReplicationFault::NoPermission { .. } = replication::refusal("REPLCONF", error)
    {
        return Ok(Asked::No(fault));
    }
    let has_sync = sync.as_ref().is_ok_and(|found| matches!(found.items().first(), Some(Reply::Array(_))));
    match psync {
        Err(error) if error.text.contains("wrong number of arguments") => {}
        Err(error) => match replication::refusal("PSYNC", error) {
            // A proxy refuses it, and tells of the commands of the server behind it.
            fault @ ReplicationFault::Unsupported { .. } if has_sync => {
                let words = connection.pipeline(&[Command::of(&["SYNC", "redis-ops"])]).await?.pop();
                match words {
                    Some(Err(error)) if error.text.contains("wrong number of arguments") => {}
                    _ => return Ok(Asked::No(fault)),
                }
            }
            fault @ (ReplicationFault::Unsupported { .. } | ReplicationFault::NoPermission { .. }) => {
                return Ok(Asked::No(fault));
            }
            _ => return Ok(Asked::NotFoundOut),
        },
        Ok(_) => return Ok(Asked::NotFoundOut),
    }
    // `OK`, or in words what is missing. Before 7.0 there is no such question, and few users may ask it.
    for (name, answer) in [("REPLCONF", may_replconf), ("PSYNC", may_psync)] {
        match answer {
            Ok(Reply::Bytes(words)) if words == b"OK" => {}
            Ok(Reply::Bytes(words)) => {
                let text = String::from_utf8_lossy(words).into_owned();
                let error = ServerError { code: "NOPERM".to_owned(), text };
                return Ok(Asked::No(replication::refusal(name, &error)));
            }
            _ => return Ok(Asked::NotFoundOut),
        }
    }
    Ok(Asked::Yes)
}
