//! The forms of a schedule. Each runs `backup --if-due`, so that a run that comes twice, or late, takes one backup.

use super::{Settings, Unit};
use crate::printer::words;
use crate::schedule::Schedule;

/// Where a container finds the settings.
const MOUNTED: &str = "/etc/redis-ops/config.yaml";

/// What all of them run, behind the program.
fn arguments(settings: &Settings, config: &str) -> Vec<String> {
    let mut line: Vec<String> =
        ["backup", "-c", config, "-i", &settings.instance, "--if-due", "--progress", "none"].map(str::to_owned).into();
    if settings.prune {
        line.extend(["--prune", "--yes"].map(str::to_owned));
    }
    line
}

fn config(settings: &Settings) -> String {
    settings.config.display().to_string()
}

/// A word as a shell takes it.
fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// A word as systemd takes it in `ExecStart=`.
fn for_systemd(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    match word.contains([' ', '\t', '"', '\'', '\\', ';']) {
        true => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
        false => word,
    }
}

/// A word as YAML takes it, whatever it holds: JSON strings are YAML.
fn for_yaml(word: &str) -> String {
    serde_json::Value::from(word).to_string()
}

/// A name as Kubernetes takes it: at most 52 characters, since the Jobs of a CronJob add 11.
fn for_kubernetes(instance: &str) -> String {
    let good = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = format!("redis-ops-{instance}").chars().map(good).take(52).collect();
    name.trim_end_matches('-').to_owned()
}

pub(super) fn cron(settings: &Settings, schedule: &Schedule) -> Vec<Unit> {
    let program = settings.program.display().to_string();
    let mut line: Vec<String> = vec![program];
    line.extend(arguments(settings, &config(settings)));
    if !settings.jitter.is_zero() {
        line.extend(["--jitter".to_owned(), format!("{}s", settings.jitter.as_secs())]);
    }
    // In a crontab a percent sign ends the line.
    let command = line.iter().map(|word| for_shell(word)).collect::<Vec<_>>().join(" ").replace('%', "\\%");
    let text = format!(
        "# Backups of {instance}, made by `redis-ops schedule --as cron`; for /etc/cron.d.\n\
         # The time is UTC. A cron that does not know CRON_TZ runs it at that time of its own zone: --if-due still takes one backup for each\n\
         # time of the schedule.\n\
         CRON_TZ=UTC\n\
         {line} root {command}\n",
        instance = settings.instance,
        line = schedule.line(),
    );
    vec![Unit { name: format!("redis-ops-{}", settings.instance.replace('.', "_")), text }]
}

pub(super) fn systemd(settings: &Settings, schedule: &Schedule) -> Vec<Unit> {
    let name = format!("redis-ops-{}", settings.instance);
    let mut line = vec![settings.program.display().to_string()];
    line.extend(arguments(settings, &config(settings)));
    let command = line.iter().map(|word| for_systemd(word)).collect::<Vec<_>>().join(" ");
    let calendar: String = schedule.on_calendar().iter().map(|line| format!("OnCalendar={line}\n")).collect();
    let jitter = match settings.jitter.as_secs() {
        0 => String::new(),
        seconds => format!("RandomizedDelaySec={seconds}s\n"),
    };
    let service = format!(
        "# {name}.service, made by `redis-ops schedule --as systemd`\n\
         [Unit]\n\
         Description=Backup of {instance} by redis-ops\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart={command}\n\
         # Published with warnings.\n\
         SuccessExitStatus=1\n\
         NoNewPrivileges=yes\n\
         PrivateTmp=yes\n\
         ProtectControlGroups=yes\n\
         ProtectKernelModules=yes\n\
         ProtectKernelTunables=yes\n\
         Nice=10\n",
        instance = settings.instance,
    );
    let timer = format!(
        "# {name}.timer, made by `redis-ops schedule --as systemd`: `{cron}` in UTC\n\
         [Unit]\n\
         Description=Backups of {instance} by redis-ops\n\
         \n\
         [Timer]\n\
         {calendar}{jitter}\
         # A time at which the machine was off is made up for.\n\
         Persistent=true\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        cron = schedule.line(),
        instance = settings.instance,
    );
    vec![Unit { name: format!("{name}.service"), text: service }, Unit { name: format!("{name}.timer"), text: timer }]
}

pub(super) fn kubernetes(settings: &Settings, schedule: &Schedule) -> Vec<Unit> {
    let name = for_kubernetes(&settings.instance);
    let mut line = arguments(settings, MOUNTED);
    if !settings.jitter.is_zero() {
        line.extend(["--jitter".to_owned(), format!("{}s", settings.jitter.as_secs())]);
    }
    let line: String = line.iter().map(|word| format!("                - {}\n", for_yaml(word))).collect();
    let text = format!(
        r#"# Backups of {instance}, made by `redis-ops schedule --as kubernetes`.
# It reads the settings from the ConfigMap `redis-ops` (key `config.yaml`), and passwords and keys from the Secret `redis-credentials`:
# its entries are files in /run/secrets/redis-credentials, and variables such as AWS_ACCESS_KEY_ID.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: redis-ops
    app.kubernetes.io/instance: {label}
spec:
  schedule: {schedule}
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # Exit 1 is a backup that was published with warnings: it is not tried again.
      backoffLimit: 0
      template:
        metadata:
          labels:
            app.kubernetes.io/name: redis-ops
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 65532
            runAsGroup: 65532
            fsGroup: 65532
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: backup
              image: {image}
              args:
{line}              envFrom:
                - secretRef:
                    name: redis-credentials
                    optional: true
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop: ["ALL"]
              resources:
                requests:
                  cpu: 100m
                  memory: 128Mi
                limits:
                  memory: 512Mi
              volumeMounts:
                - name: settings
                  mountPath: /etc/redis-ops
                  readOnly: true
                - name: credentials
                  mountPath: /run/secrets/redis-credentials
                  readOnly: true
                - name: tmp
                  mountPath: /tmp
          volumes:
            - name: settings
              configMap:
                name: redis-ops
            - name: credentials
              secret:
                secretName: redis-credentials
                optional: true
            - name: tmp
              emptyDir: {{}}
"#,
        instance = words::escape(settings.instance.as_bytes()),
        label = for_yaml(&for_kubernetes(&settings.instance)),
        schedule = for_yaml(schedule.line()),
        image = for_yaml(&settings.image),
    );
    vec![Unit { name: format!("{name}.yaml"), text }]
}
