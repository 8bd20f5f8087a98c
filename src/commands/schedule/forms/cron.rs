//! A crontab for `/etc/cron.d`.

use chrono::{DateTime, Local, TimeDelta, Utc};

use super::{Job, arguments, config, unit_name};
use crate::commands::schedule::{Settings, Unit};
use crate::printer::words;
use crate::schedule::Schedule;

/// A word as a shell takes it.
fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// A crontab of `/etc/cron.d` is passed over in silence if its name has other letters.
fn for_cron_d(instance: &str) -> String {
    unit_name(instance, 200, |c| (c.is_ascii_alphanumeric() || "-_".contains(c)).then_some(c))
}

/// Whether the clock of this machine shows UTC all the year.
fn shows_utc(now: DateTime<Utc>) -> bool {
    let offset = |days: i64| (now + TimeDelta::days(days)).with_timezone(&Local).offset().local_minus_utc();
    offset(0) == 0 && offset(182) == 0
}

pub(in crate::commands::schedule) fn cron(settings: &Settings, schedule: &Schedule, now: DateTime<Utc>) -> Vec<Unit> {
    let command = |job: Job, jitter: bool| {
        let mut line = vec![settings.program.display().to_string()];
        line.extend(arguments(settings, &config(settings), job));
        if jitter && !settings.jitter.is_zero() {
            line.extend(["--jitter".to_owned(), format!("{}s", settings.jitter.as_secs())]);
        }
        // In a crontab a percent sign ends the line.
        line.iter().map(|word| for_shell(word)).collect::<Vec<_>>().join(" ").replace('%', "\\%")
    };
    let mut text = format!(
        "# Backups of {instance}, made by `redis-ops schedule --as cron`; for /etc/cron.d.\n",
        instance = words::escape(settings.instance.as_bytes())
    );
    let backup = command(Job::Backup, true);
    if !settings.variables.is_empty() {
        text += &format!(
            "# cron gives a run none of these environment variables, and without them it fails. Let root alone read this file, and set them\n\
             # here, above the first run:\n{}",
            settings.variables.iter().map(|name| format!("#{name}=\n")).collect::<String>()
        );
    }
    if shows_utc(now) {
        text += &format!(
            "# The time is UTC; this machine's clock is set to UTC.\nCRON_TZ=UTC\n{line} root {backup}\n",
            line = schedule.line()
        );
    } else {
        text += &format!(
            "# The schedule is `{line}` in UTC. This machine's clock shows another zone, and not every cron knows CRON_TZ: so cron asks every\n\
             # ten minutes, and --if-due takes a backup when the schedule says so.\n\
             */10 * * * * root {backup}\n",
            line = schedule.line()
        );
    }
    if settings.archives {
        text += &format!(
            "# The archive (`backup.type: aof`): a run of 59 minutes each hour; the next one goes on where it ended.\n\
             0 * * * * root {}\n",
            command(Job::Archive(Some("59m")), false)
        );
    }
    vec![Unit { name: for_cron_d(&settings.instance), text }]
}
