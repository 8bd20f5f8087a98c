//! How the data of a server would be read: by replication, or key by key where that is not allowed.

use super::rights::{Missing, NoReplication, each_once, no_resync};
use crate::backup::Method;
use crate::capture::source::{self, Chosen};
use crate::connection::replication::{self, ReplicationError, ReplicationFault};
use crate::connection::{Command, CommandError, CommandFault, ServerError};
use crate::explain::{Fault, Result, Status};
use crate::replies::{AclUser, Reply};

/// How the data would be read.
pub(super) enum Way {
    Open {
        method: &'static str,
        status: Status,
        line: String,
    },
    /// Not as it was asked for: in words for the plan, and as an error.
    Barred {
        line: String,
        error: Fault,
    },
}

impl Way {
    fn barred(chosen: &Chosen, fault: ReplicationFault) -> Self {
        let line = fault.to_string();
        Self::Barred { line, error: ReplicationError { target: chosen.node.to_string(), fault }.into() }
    }

    fn missing(missing: Missing) -> Self {
        Self::Barred { line: missing.to_string(), error: missing.into() }
    }
}

/// How the data would be read, and whether the server lets us: what a run finds out with the first `PSYNC`, without one.
pub(super) async fn method(chosen: &Chosen, wanted: Method) -> Result<Way> {
    match wanted {
        Method::Scan => return by_key(chosen, "", NoReplication::NotWanted).await,
        Method::Auto if chosen.is_stale => {
            let text = "a replica that has lost its primary does not replicate";
            return by_key(chosen, &format!("{text}: "), NoReplication::Other(text.to_owned())).await;
        }
        Method::Replication if chosen.is_stale => {
            let text = "a replica that has lost its primary does not replicate".to_owned();
            return Ok(Way::barred(chosen, ReplicationFault::NoPrimaryLink { text }));
        }
        Method::Auto | Method::Replication => {}
    }
    let user = user(chosen);
    let by_replication = |status, line| Way::Open { method: "replication", status, line };
    Ok(match (refused(chosen, &user).await?, wanted) {
        (Asked::Yes, _) => by_replication(Status::Ok, format!("the user `{user}` may request a full resync")),
        (Asked::NotFoundOut, _) => {
            let text = "this server tells that only when a backup begins";
            by_replication(Status::Unknown, format!("whether the user `{user}` may run `PSYNC` is unknown: {text}"))
        }
        (Asked::Forbidden(rules), Method::Auto) => {
            let allow = format!("to allow the full resync: `ACL SETUSER {user} {}`; until then, ", rules.join(" "));
            let why = format!("{}; {allow}", no_resync(&user, &rules));
            by_key(chosen, &why, NoReplication::Rules(rules)).await?
        }
        (Asked::Forbidden(rules), _) => {
            Way::missing(Missing { user, replication: NoReplication::Rules(rules), by_key: Vec::new() })
        }
        (Asked::No(fault), Method::Auto) => {
            by_key(chosen, &format!("{fault}: "), NoReplication::Other(fault.to_string())).await?
        }
        (Asked::No(fault), _) => Way::barred(chosen, fault),
    })
}

/// What the user lacks, if that is why a run has failed. Nobody is told if the server does not answer: the run has said why it failed.
pub(super) async fn missing(chosen: &Chosen, wanted: Method) -> Option<Fault> {
    match method(chosen, wanted).await {
        Ok(Way::Barred { error, .. }) if error.code() == "permission_denied" => Some(error),
        _ => None,
    }
}

fn user(chosen: &Chosen) -> String {
    chosen.node.credentials.username.clone().unwrap_or_else(|| "default".to_owned())
}

/// Key by key, unless that is forbidden as well.
async fn by_key(chosen: &Chosen, why: &str, replication: NoReplication) -> Result<Way> {
    let ByKey { missing, unknown, patterns } = forbidden_by_key(chosen).await?;
    if let Some(error) = unknown {
        return Ok(Way::Barred { line: format!("{why}{error}"), error: error.into() });
    }
    if !missing.is_empty() {
        return Ok(Way::missing(Missing { user: user(chosen), replication, by_key: missing }));
    }
    let line = format!("{why}the server would be read key by key, so the data is not from a single moment");
    Ok(match patterns {
        None => Way::Open { method: "scan", status: Status::Warning, line },
        // A few keys were tried; one that does not match is the end of a run.
        Some(patterns) => Way::Open {
            method: "scan",
            status: Status::Warning,
            line: format!(
                "{line}; the user `{}` may read only keys that match `{patterns}`: whether all keys do was tried with a few of them only",
                user(chosen)
            ),
        },
    })
}

/// What stands against reading a server key by key.
struct ByKey {
    /// ACL rules that are missing.
    missing: Vec<String>,
    /// A command that no run goes without, and that the server does not know: it was renamed.
    unknown: Option<CommandError>,
    /// The key patterns of our user, unless they take in all keys; `None` also where the server does not tell.
    patterns: Option<String>,
}

/// Keys that are tried: whether our user may read them.
const TRIED: &str = "10";

/// The ACL rules that are missing to read the server key by key: each command that the run needs is tried, with what reads no value.
async fn forbidden_by_key(chosen: &Chosen) -> Result<ByKey> {
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
    let mut rules = forbidden(&questions, &answers);
    let mut unknown = unknown_of(&questions[..2], &answers[..2]);
    let may_scan = !rules.iter().any(|rule| rule == "+scan");
    // The time left is no value; and no key has this name.
    let nobody = [&keys.first().cloned().unwrap_or_default()[..], b":redis-ops-plan"].concat();
    let expiry = if is_7_or_newer { "PEXPIRETIME" } else { "PTTL" };
    let mut questions = vec![Command::new("SELECT").arg(chosen.node.database)];
    questions.extend(keys.iter().map(|key| Command::new(expiry).arg(key)));
    questions.push(Command::new(expiry).arg(&nobody));
    questions.push(Command::new("DUMP").arg(&nobody));
    let answers = connection.pipeline(&questions).await?;
    // Without a key nothing is dumped.
    if !keys.is_empty() {
        unknown = unknown.or_else(|| unknown_of(&questions[questions.len() - 1..], &answers[answers.len() - 1..]));
    }
    // A server with one database may not know SELECT.
    let tried = 1..=keys.len();
    rules.extend(forbidden(&questions[tried.clone()], &answers[tried]));
    // A pattern of keys need not take in the name that nobody has; where no key is known, it is the only one that can be tried.
    let of_nobody = 1 + keys.len();
    let of_nobody = forbidden(&questions[of_nobody..], &answers[of_nobody..]);
    rules.extend(of_nobody.into_iter().filter(|rule| rule.starts_with('+') || !may_scan));
    // Libraries that may not be read are left out with a warning; their format then has to be that of a key.
    if is_7_or_newer {
        let questions = [Command::new("RANDOMKEY"), Command::new("FUNCTION").arg("DUMP")];
        let answers = connection.pipeline(&questions).await?;
        if answers.iter().all(Result::is_err) {
            rules.extend(forbidden(&questions[..1], &answers[..1]));
        }
    }
    let answer = connection.pipeline(&[Command::of(&["ACL", "GETUSER", &user(chosen)])]).await?.pop();
    let known = answer.and_then(Result::ok).and_then(|reply| AclUser::parse(&reply));
    let patterns = known
        .map(|user| user.keys)
        .filter(|keys| !keys.split(' ').any(|pattern| matches!(pattern, "~*" | "allkeys" | "%RW~*" | "%R~*")));
    Ok(ByKey { missing: each_once(rules), unknown, patterns })
}

/// The first command that the server does not know.
fn unknown_of(questions: &[Command], answers: &[Result<Reply, ServerError>]) -> Option<CommandError> {
    questions.iter().zip(answers).find_map(|(question, answer)| {
        let (command, error) = (question.name(), answer.as_ref().err()?);
        match error.fault(&command) {
            fault @ CommandFault::Unknown { .. } => Some(CommandError { command, fault }),
            _ => None,
        }
    })
}

/// The ACL rules for want of which these commands were refused.
fn forbidden(questions: &[Command], answers: &[Result<Reply, ServerError>]) -> Vec<String> {
    let rule = |(question, answer): (&Command, &Result<Reply, ServerError>)| {
        let error = answer.as_ref().err()?;
        match error.fault(&question.name()) {
            CommandFault::NoPermission { rule, .. } => Some(rule),
            _ => None,
        }
    };
    questions.iter().zip(answers).filter_map(rule).collect()
}

/// Whether we may replicate.
enum Asked {
    Yes,
    /// These ACL rules are missing.
    Forbidden(Vec<String>),
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
    let [_, psync, sync, may_psync, may_replconf] = answers.as_slice() else { return Ok(Asked::NotFoundOut) };
    let mut rules = forbidden(&questions[..2], &answers[..2]);
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
            fault @ ReplicationFault::Unsupported { .. } => return Ok(Asked::No(fault)),
            ReplicationFault::NoPermission { .. } => {}
            _ if rules.is_empty() => return Ok(Asked::NotFoundOut),
            _ => {}
        },
        Ok(_) if rules.is_empty() => return Ok(Asked::NotFoundOut),
        Ok(_) => {}
    }
    // The number of arguments comes before the rights.
    let mut is_told = false;
    if rules.iter().all(|rule| rule != "+psync") {
        let told = replication::may_psync(&mut connection, chosen.facts.version_numbers()).await?;
        is_told = told.is_some();
        if let Some(Err(error)) = told {
            rules.extend(forbidden(&[Command::new("PSYNC")], &[Err(error)]));
        }
    }
    // `OK`, or in words what is missing. Before 7.0 there is no such question, and few users may ask it.
    let mut is_unknown = false;
    for (name, answer) in [("REPLCONF", may_replconf), ("PSYNC", may_psync)] {
        match answer {
            Ok(Reply::Bytes(words)) if words == b"OK" => {}
            Ok(Reply::Bytes(words)) => {
                let text = String::from_utf8_lossy(words).into_owned();
                let error = ServerError { code: "NOPERM".to_owned(), text };
                rules.extend(forbidden(&[Command::new(name)], &[Err(error)]));
            }
            _ => is_unknown = true,
        }
    }
    let rules = each_once(rules);
    Ok(match rules.is_empty() {
        false => Asked::Forbidden(rules),
        true if is_unknown && !is_told => Asked::NotFoundOut,
        true => Asked::Yes,
    })
}
