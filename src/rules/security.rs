//! S01–S10: who may come in, and what the server lets them do.

use super::case::{Case, percent, skip};
use super::judged::Judged;
use super::rule::{RULE, Rule, Topic};
use crate::introspection::{Part, Question};

const S: Rule = Rule { topic: Topic::Security, ..RULE };

/// The rules about security.
pub(super) const RULES: &[&[Rule]] = &[ACCESS, UPKEEP];

const ACCESS: &[Rule] = &[
    Rule {
        id: "S01",
        title: "anyone who reaches the port can do everything",
        reads: "ACL GETUSER default",
        asks: &[Question::Config, Question::DefaultUser],
        threshold: "the user `default` needs no password, sees all keys and may run all commands; critical: other machines can reach it",
        why: "reaching the port is enough to read, delete or take over everything",
        fix: &["ACL SETUSER default on ><a long password>", "CONFIG REWRITE"],
        source: "Redis documentation, security",
        weight: 90,
        examine: open_server,
        ..S
    },
    Rule {
        id: "S02",
        title: "protected mode is off and there is no password",
        reads: "CONFIG protected-mode, ACL GETUSER default",
        asks: &[Question::Config, Question::DefaultUser],
        threshold: "both are true; info: redis-ops connected over loopback and cannot tell who else can connect",
        why: "protected mode is the only protection of a server without a password",
        fix: &["CONFIG SET protected-mode yes"],
        source: "Redis documentation, security",
        because_of: &["S01"],
        examine: unprotected,
        ..S
    },
    Rule {
        id: "S03",
        title: "all clients log in as `default`",
        reads: "CLIENT LIST: user",
        asks: &[Question::Clients],
        limits: &[("share", 0.90), ("count", 20.0)],
        threshold: "{share%} of more than {count} connections log in as `default`; info only",
        why: "one leaked password opens everything, and users cannot be told apart",
        fix: &[
            "ACL SETUSER <application> on ><password> ~<prefix>:* &* +@all -@admin +info +client (a user for each application; `default` stays until all have moved)",
        ],
        source: "practice (redis-doctor)",
        examine: everybody_is_default,
        ..S
    },
    Rule {
        id: "S05",
        title: "passwords and data cross the network unencrypted",
        reads: "the connection of redis-ops",
        asks: &[Question::Config],
        threshold: "the address is not private, and the connection has no TLS",
        why: "anyone on the network path can read passwords and data",
        fix: &["use rediss:// (`tls-port` on the server)"],
        examine: plaintext,
        ..S
    },
    Rule {
        id: "S06",
        title: "debugging commands are open",
        reads: "CONFIG enable-debug-command, enable-protected-configs (7.0)",
        asks: &[Question::Config],
        threshold: "either setting is `local` (critical: `yes`)",
        why: "DEBUG can crash the server, and protected settings let a client write files anywhere",
        fix: &["set `enable-debug-command no` and `enable-protected-configs no` in the configuration file and restart"],
        source: "redis.conf",
        examine: debug_open,
        ..S
    },
];

const UPKEEP: &[Rule] = &[
    Rule {
        id: "S04",
        title: "a certificate of the server expires soon",
        reads: "tls_server_cert_expires_in_seconds, tls_client_cert_…, tls_ca_cert_… (Valkey 9.1)",
        limits: &[("warning", 2_592_000.0), ("critical", 604_800.0)],
        threshold: "a certificate expires in less than {warning} s (critical: {critical} s)",
        why: "when the certificate has expired, clients that verify it cannot connect",
        fix: &[
            "CONFIG SET tls-cert-file <path> (of the renewed certificate)",
            "CONFIG SET tls-client-cert-file <path> (of the renewed certificate)",
            "CONFIG SET tls-ca-cert-file <path> (of the renewed certificate)",
        ],
        source: "observed on Valkey 9.1",
        weight: 70,
        examine: certificate,
        ..S
    },
    Rule {
        id: "S07",
        title: "this version is no longer maintained",
        reads: "redis_version, or valkey_version where there is one",
        threshold: "the version is below Redis 7.2 or Valkey 7.2 (as of August 2026); info only",
        why: "it no longer gets security fixes",
        fix: &["redis-ops backup (then upgrade)"],
        source: "release notes of Redis and Valkey",
        examine: version,
        ..S
    },
    Rule {
        id: "S08",
        title: "the server was restarted recently",
        reads: "uptime_in_seconds",
        limits: &[("seconds", 600.0)],
        threshold: "it started less than {seconds} s ago; info only",
        why: "if nobody planned the restart, the server crashed or was killed",
        fix: &["journalctl -u redis", "dmesg | grep -i oom"],
        source: "Zabbix: 10 minutes",
        examine: restarted,
        ..S
    },
    Rule {
        id: "S09",
        title: "settings will not survive a restart",
        reads: "config_file",
        threshold: "the server was started without a configuration file, and memory or eviction settings are set",
        why: "CONFIG REWRITE needs a configuration file",
        fix: &["start the server with a configuration file"],
        examine: no_file,
        ..S
    },
    Rule {
        id: "S10",
        title: "settings cannot be read",
        reads: "CONFIG GET",
        asks: &[Question::Config],
        threshold: "the server refuses CONFIG GET; info only, because managed services do so",
        why: "rules that need settings are skipped; memory limits and policies are read from INFO",
        fix: &["ACL SETUSER <user> +config|get"],
        source: "rma#3, redis_exporter#13",
        examine: config_denied,
        ..S
    },
];

fn open_server(case: &Case<'_>) -> Judged {
    let user = case.snapshot.answers.default_user.need("ACL GETUSER")?;
    if !user.is_open_to_everybody() {
        return Ok(None);
    }
    // Over loopback nobody can tell who else comes in; protected mode, if it is on, turns all others away.
    let protected = case.snapshot.answers.config.got().and_then(|config| config.flag("protected-mode"));
    let finding = match (case.snapshot.path.local, protected) {
        (false, _) => case.critical(),
        (true, _) => case.info(),
    };
    Ok(Some(finding.evidence("default", "on nopass ~* +@all").evidence("protected_mode", protected)))
}

fn unprotected(case: &Case<'_>) -> Judged {
    let user = case.snapshot.answers.default_user.need("ACL GETUSER")?;
    let off = case.config()?.flag("protected-mode") == Some(false);
    if !off || !user.is_open_to_everybody() {
        return Ok(None);
    }
    let finding = if case.snapshot.path.local { case.info() } else { case.critical() };
    Ok(Some(finding.evidence("protected-mode", "no").evidence("default", "nopass")))
}

fn everybody_is_default(case: &Case<'_>) -> Judged {
    let clients = case.applications()?;
    let default = clients.iter().filter(|client| client.user == "default").count();
    let share = default as f64 / clients.len().max(1) as f64;
    let speaks = clients.len() as f64 > case.limit("count") && share >= case.limit("share");
    // Most servers are run so: it is worth knowing, and nothing is wrong with the server.
    Ok(speaks.then(|| case.info().evidence("share", percent(share)).evidence("connections", clients.len())))
}

fn plaintext(case: &Case<'_>) -> Judged {
    if matches!(case.snapshot.answers.config, Part::NotAsked) && !case.snapshot.path.private {
        return skip("there is no connection to look at");
    }
    let path = case.snapshot.path;
    Ok((!path.tls && !path.private && !path.local).then(|| case.warning().evidence("tls", false)))
}

fn debug_open(case: &Case<'_>) -> Judged {
    let config = case.config()?;
    let names = ["enable-debug-command", "enable-protected-configs"];
    let values: Vec<(&str, &str)> = names.iter().filter_map(|name| Some((*name, config.get(name)?))).collect();
    if values.is_empty() {
        return skip("the server does not have these settings (7.0 and later)");
    }
    let finding = if values.iter().any(|(_, value)| *value == "yes") {
        case.critical()
    } else if values.iter().any(|(_, value)| *value == "local") {
        case.warning()
    } else {
        return Ok(None);
    };
    Ok(Some(values.into_iter().fold(finding, |finding, (name, value)| finding.evidence(name, value))))
}

fn certificate(case: &Case<'_>) -> Judged {
    case.signed("tls_server_cert_expires_in_seconds")?;
    let info = &case.snapshot.info;
    // Without a certificate the server says 0 and the serial `none`.
    let has = |kind: &&str| {
        info.get(&format!("tls_{kind}_cert_serial")).is_some_and(|serial| !serial.is_empty() && serial != "none")
    };
    let expiries = ["server", "client", "ca"].into_iter().filter(has);
    let expiries = expiries.filter_map(|kind| Some((info.i64(&format!("tls_{kind}_cert_expires_in_seconds"))?, kind)));
    let Some((seconds, kind)) = expiries.min() else { return Ok(None) };
    Ok(case.grade_low(seconds as f64).map(|finding| {
        let finding = finding.evidence("certificate", kind).evidence("expires_in_days", seconds / 86_400);
        let setting = match kind {
            "client" => "tls-client-cert-file",
            "ca" => "tls-ca-cert-file",
            _ => "tls-cert-file",
        };
        finding.fix(format!("CONFIG SET {setting} <path> (of the renewed certificate)"))
    }))
}

fn version(case: &Case<'_>) -> Judged {
    let server = &case.snapshot.server;
    if server.version.is_empty() {
        return skip("the server does not report its version");
    }
    let old = server.version_numbers() < (7, 2, 0);
    Ok(old.then(|| case.info().evidence("server", server.name.as_str()).evidence("version", server.version.as_str())))
}

fn restarted(case: &Case<'_>) -> Judged {
    let uptime = case.number("uptime_in_seconds")?;
    Ok(((uptime as f64) < case.limit("seconds")).then(|| case.info().evidence("uptime_in_seconds", uptime)))
}

fn no_file(case: &Case<'_>) -> Judged {
    let limit = case.number("maxmemory")?;
    let none = case.text("config_file")?.is_empty();
    Ok((none && limit > 0).then(|| case.info().evidence("config_file", "").evidence("maxmemory", limit)))
}

fn config_denied(case: &Case<'_>) -> Judged {
    match &case.snapshot.answers.config {
        Part::Got(_) => Ok(None),
        Part::Denied(reason) | Part::Unsupported(reason) => Ok(Some(case.info().evidence("answer", reason.as_str()))),
        Part::TooLarge(_) | Part::NotAsked => skip("CONFIG GET was not sent in this run"),
    }
}
