//! Units of systemd: a service and its timer, and a service that archives.

use super::{Job, arguments, config, unit_name};
use crate::commands::schedule::{Settings, Unit};
use crate::printer::words;
use crate::schedule::Schedule;

/// A word as systemd takes it in `ExecStart=`.
fn for_systemd(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    match word.contains([' ', '\t', '"', '\'', '\\', ';']) {
        true => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
        false => word,
    }
}

fn for_unit(instance: &str) -> String {
    unit_name(instance, 200, |c| (c.is_ascii_alphanumeric() || "-_.".contains(c)).then_some(c))
}

pub(in crate::commands::schedule) fn systemd(settings: &Settings, schedule: &Schedule) -> Vec<Unit> {
    let name = for_unit(&settings.instance);
    let command = |job: Job| {
        let mut line = vec![settings.program.display().to_string()];
        line.extend(arguments(settings, &config(settings), job));
        line.iter().map(|word| for_systemd(word)).collect::<Vec<_>>().join(" ")
    };
    // In a unit a percent sign begins a specifier.
    let instance = words::escape(settings.instance.as_bytes()).replace('%', "%%");
    let calendar: String = schedule.on_calendar().iter().map(|line| format!("OnCalendar={line}\n")).collect();
    let jitter = match settings.jitter.as_secs() {
        0 => String::new(),
        seconds => format!("RandomizedDelaySec={seconds}s\n"),
    };
    let environment = environment(settings, &name);
    let service = format!(
        "# {name}.service, made by `redis-ops schedule --as systemd`\n\
         [Unit]\n\
         Description=Backup of {instance} by redis-ops\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart={backup}\n\
         {environment}\
         # Published with warnings.\n\
         SuccessExitStatus=1\n\
         NoNewPrivileges=yes\n\
         PrivateTmp=yes\n\
         ProtectControlGroups=yes\n\
         ProtectKernelModules=yes\n\
         ProtectKernelTunables=yes\n\
         Nice=10\n",
        backup = command(Job::Backup),
    );
    let timer = format!(
        "# {name}.timer, made by `redis-ops schedule --as systemd`: `{cron}` in UTC\n\
         [Unit]\n\
         Description=Backups of {instance} by redis-ops\n\
         \n\
         [Timer]\n\
         {calendar}{jitter}\
         # If the machine was off at that time, it runs after the next boot.\n\
         Persistent=true\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        cron = schedule.line(),
    );
    let mut units = vec![
        Unit { name: format!("{name}.service"), text: service },
        Unit { name: format!("{name}.timer"), text: timer },
    ];
    if settings.archives {
        let text = format!(
            "# {name}-archive.service, made by `redis-ops schedule --as systemd`: `backup.type: aof`\n\
             [Unit]\n\
             Description=Archive of {instance} by redis-ops\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             \n\
             [Service]\n\
             Type=exec\n\
             ExecStart={archive}\n\
             {environment}\
             # Data that waits to be stored.\n\
             StateDirectory=redis-ops\n\
             Environment=XDG_STATE_HOME=/var/lib/redis-ops\n\
             Restart=always\n\
             RestartSec=10s\n\
             # The last segments are stored before it ends.\n\
             TimeoutStopSec=60s\n\
             NoNewPrivileges=yes\n\
             PrivateTmp=yes\n\
             ProtectControlGroups=yes\n\
             ProtectKernelModules=yes\n\
             ProtectKernelTunables=yes\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n",
            archive = command(Job::Archive(None)),
        );
        units.push(Unit { name: format!("{name}-archive.service"), text });
    }
    units
}

/// Where a run finds the environment variables that it needs; without the file the unit does not start, and says so.
fn environment(settings: &Settings, name: &str) -> String {
    match settings.variables.is_empty() {
        true => String::new(),
        false => format!(
            "# This file, which root alone can read, sets {}: a line NAME=VALUE each.\nEnvironmentFile=/etc/redis-ops/{name}.env\n",
            settings.variables.join(", ")
        ),
    }
}
