//! The forms of a schedule. Each runs `backup --if-due`, so that a run that comes twice, or late, takes one backup.

use chrono::{DateTime, Local, TimeDelta, Utc};

use super::{Settings, Unit};
use crate::codec::Sha256Digest;
use crate::printer::words;
use crate::schedule::Schedule;

/// Where a container finds the settings.
const MOUNTED: &str = "/etc/redis-ops/config.yaml";

/// Letters of the hash that tells two names apart which would be one.
const HASH: usize = 8;

/// What a schedule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Backup,
    /// Follows the instance, as a service does, or for a time.
    Archive(Option<&'static str>),
}

/// The words behind the program.
fn arguments(settings: &Settings, config: &str, job: Job) -> Vec<String> {
    let name = match job {
        Job::Backup => "backup",
        Job::Archive(_) => "archive",
    };
    let mut line = [name, "-c", config].map(str::to_owned).to_vec();
    line.extend(["-i".to_owned(), settings.instance.clone()]);
    match job {
        Job::Backup => {
            line.extend(["--if-due", "--progress", "none"].map(str::to_owned));
            if settings.prune {
                line.extend(["--prune", "--yes"].map(str::to_owned));
            }
        }
        Job::Archive(time) => {
            line.extend(["--progress", "none"].map(str::to_owned));
            line.extend(time.into_iter().flat_map(|time| ["--for".to_owned(), time.to_owned()]));
        }
    }
    line
}

/// The name of a unit: `redis-ops-INSTANCE`, with a hyphen for what may not be in it. Then a part of a hash tells it from the names of
/// other instances that would become the same.
fn unit_name(instance: &str, longest: usize, good: fn(char) -> Option<char>) -> String {
    let plain = format!("redis-ops-{instance}");
    let name: String = plain.chars().map(|c| good(c).unwrap_or('-')).collect();
    if name == plain && name.len() <= longest {
        return name;
    }
    let hash = Sha256Digest::of(instance.as_bytes());
    let kept: String = name.chars().take(longest - HASH - 1).collect();
    format!("{}-{}", kept.trim_end_matches('-'), &hash[..HASH])
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
    unit_name(instance, 52, |c| match c {
        'A'..='Z' => Some(c.to_ascii_lowercase()),
        'a'..='z' | '0'..='9' | '-' => Some(c),
        _ => None,
    })
}

/// A crontab of `/etc/cron.d` is passed over in silence if its name has other letters.
fn for_cron_d(instance: &str) -> String {
    unit_name(instance, 200, |c| (c.is_ascii_alphanumeric() || "-_".contains(c)).then_some(c))
}

fn for_unit(instance: &str) -> String {
    unit_name(instance, 200, |c| (c.is_ascii_alphanumeric() || "-_.".contains(c)).then_some(c))
}

/// Whether the clock of this machine shows UTC all the year.
fn shows_utc(now: DateTime<Utc>) -> bool {
    let offset = |days: i64| (now + TimeDelta::days(days)).with_timezone(&Local).offset().local_minus_utc();
    offset(0) == 0 && offset(182) == 0
}

pub(super) fn cron(settings: &Settings, schedule: &Schedule, now: DateTime<Utc>) -> Vec<Unit> {
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
    if shows_utc(now) {
        text += &format!(
            "# The time is UTC, which this machine's clock shows.\nCRON_TZ=UTC\n{line} root {backup}\n",
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

pub(super) fn systemd(settings: &Settings, schedule: &Schedule) -> Vec<Unit> {
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
         # A time at which the machine was off is made up for.\n\
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
             # What the store has not taken yet.\n\
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

pub(super) fn kubernetes(settings: &Settings, schedule: &Schedule) -> Vec<Unit> {
    let name = for_kubernetes(&settings.instance);
    let mut line = arguments(settings, MOUNTED, Job::Backup);
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
    let mut units = vec![Unit { name: format!("{name}.yaml"), text }];
    if settings.archives {
        units.push(deployment(settings, &name));
    }
    units
}

/// Follows the instance.
fn deployment(settings: &Settings, name: &str) -> Unit {
    let line = arguments(settings, MOUNTED, Job::Archive(None));
    let line: String = line.iter().map(|word| format!("            - {}\n", for_yaml(word))).collect();
    let text = format!(
        r#"---
# The archive of {instance} (`backup.type: aof`), made by `redis-ops schedule --as kubernetes`. What the store has not taken yet lies in
# the volume `state`: with a persistent volume claim in place of `emptyDir` it outlives the loss of the node.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}-archive
  labels:
    app.kubernetes.io/name: redis-ops
    app.kubernetes.io/instance: {label}
    app.kubernetes.io/component: archive
spec:
  # One archive has one writer.
  replicas: 1
  strategy:
    type: Recreate
  selector:
    matchLabels:
      app.kubernetes.io/name: redis-ops
      app.kubernetes.io/instance: {label}
      app.kubernetes.io/component: archive
  template:
    metadata:
      labels:
        app.kubernetes.io/name: redis-ops
        app.kubernetes.io/instance: {label}
        app.kubernetes.io/component: archive
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 60
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: archive
          image: {image}
          args:
{line}          env:
            - name: XDG_STATE_HOME
              value: /var/lib/redis-ops
          envFrom:
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
              memory: 64Mi
            limits:
              memory: 256Mi
          volumeMounts:
            - name: settings
              mountPath: /etc/redis-ops
              readOnly: true
            - name: credentials
              mountPath: /run/secrets/redis-credentials
              readOnly: true
            - name: state
              mountPath: /var/lib/redis-ops
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
        - name: state
          emptyDir: {{}}
        - name: tmp
          emptyDir: {{}}
"#,
        instance = words::escape(settings.instance.as_bytes()),
        label = for_yaml(name),
        image = for_yaml(&settings.image),
    );
    Unit { name: format!("{name}-archive.yaml"), text }
}
