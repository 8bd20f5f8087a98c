//! `redis-ops health`: up, degraded or down, with reasons.

use std::path::PathBuf;

use super::nagios::{self, Number};
use super::table::{Table, verdict};
use super::which::Server;
use super::{Context, Format, Outcome};
use crate::explain::{Result, Status};
use crate::health::{self, Health, Level};
use crate::printer::Printer;
use crate::printer::words::{count, escape, span};

/// Complete settings of `health`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which server is asked.
    pub server: Server,
    /// What it must be able to do.
    pub require: Level,
    /// Where restores write down what they change on a target.
    pub restores: PathBuf,
}

/// Asks, and answers.
///
/// # Errors
/// The TLS settings cannot be used. Everything else is an answer: also that there is none.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let health = health::check(&settings.server.node, settings.require, Some(&settings.restores)).await?;
    let status = health.health.status();
    let text = match context.format {
        Format::Nagios => one_line(&health, status),
        _ => table(&health, status, &settings.server.instance, &context.printer),
    };
    let mut outcome =
        Outcome::new(status).text(text).field("instance", &settings.server.instance).field("require", settings.require);
    if let serde_json::Value::Object(fields) = serde_json::json!(health) {
        for (name, value) in fields {
            outcome = outcome.field(&name, value);
        }
    }
    Ok(outcome)
}

fn table(health: &Health, status: Status, instance: &str, printer: &Printer) -> String {
    let mut table = Table::pairs();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([name.to_owned(), escape(value.as_bytes())]);
        }
    };
    row("instance", Some(instance.to_owned()));
    row("status", Some(health.health.name().to_owned()));
    row("redis_version", health.redis_version.clone());
    // Valkey claims to be Redis 7.2.4 for ever.
    let own = health.server_version.clone().filter(|version| Some(version) != health.redis_version.as_ref());
    row("server", own.and_then(|version| Some(format!("{} {version}", health.server_name.clone()?))));
    row("role", health.role.map(str::to_owned));
    row("connected_clients", health.connected_clients.map(count));
    row("used_memory_human", health.used_memory_human.clone());
    row("uptime", health.uptime_seconds.map(|seconds| span(std::time::Duration::from_secs(seconds))));
    row("rtt", health.rtt_ms.map(|rtt| format!("{rtt:.2} ms")));
    format!("{}\n\n{}", table.render(printer), verdict(printer, status, &escape(sentence(health).as_bytes())))
}

fn sentence(health: &Health) -> String {
    let reasons: Vec<&str> = health.reasons.iter().map(|reason| reason.text.as_str()).collect();
    if reasons.is_empty() {
        health.health.name().to_owned()
    } else {
        format!("{}: {}", health.health.name(), reasons.join("; "))
    }
}

fn one_line(health: &Health, status: Status) -> String {
    let mut numbers = Vec::new();
    numbers.extend(health.rtt_ms.map(|rtt| Number::new("rtt", rtt, "ms").warning(health::SLOW.as_secs_f64() * 1000.0)));
    let clients = health.connected_clients.map(|clients| Number::count("connected_clients", clients, ""));
    numbers.extend(clients.map(|clients| match health.maxclients {
        // As `too_many_clients` is judged.
        Some(most) => clients.warning((most as f64 * 0.95).floor()).at_most(Some(most)),
        None => clients,
    }));
    let memory = health.used_memory.map(|bytes| Number::count("used_memory", bytes, "B").at_most(health.maxmemory));
    numbers.extend(memory);
    nagios::line(status, &sentence(health), &numbers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::screens;
    use super::*;
    use crate::replies::Info;

    #[test]
    fn the_screen_of_a_server_in_trouble() {
        let info = Info::parse(
            "redis_version:7.2.4\nvalkey_version:8.1.1\nserver_name:valkey\nrole:slave\nmaster_host:10.0.0.1\nmaster_port:6379\n\
             master_link_status:down\nmaster_link_down_since_seconds:93\nconnected_clients:9800\nmaxclients:10000\n\
             used_memory:3006477107\nused_memory_human:2.80G\nmaxmemory:3006477107\nmaxmemory_policy:noeviction\n\
             uptime_in_seconds:363600\nrdb_last_bgsave_status:err\n",
        );
        let health = health::judge(&info, Level::Ready, Duration::from_micros(310));
        screens::check("health", |printer| table(&health, health.health.status(), "redis-prod", printer));
    }
}
