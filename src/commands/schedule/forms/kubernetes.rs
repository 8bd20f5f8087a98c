//! Manifests of Kubernetes: a CronJob, and a Deployment that archives.

use super::{Job, arguments, unit_name};
use crate::commands::schedule::{Settings, Unit};
use crate::printer::words;
use crate::schedule::Schedule;

/// Where a container finds the settings.
const MOUNTED: &str = "/etc/redis-ops/config.yaml";

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

/// The containers' settings that a backup and an archive share, and what they differ in.
struct Pod<'a> {
    container: &'static str,
    image: &'a str,
    arguments: Vec<String>,
    /// MiB: what it asks for, and its limit.
    memory: (u32, u32),
    /// Whether it keeps what the store has not taken yet.
    keeps_state: bool,
}

/// The lines of a pod's `spec`, each behind `indent` spaces.
fn pod(pod: &Pod<'_>, indent: usize) -> String {
    let arguments: String = pod.arguments.iter().map(|word| format!("      - {}\n", for_yaml(word))).collect();
    let [environment, mount, volume] = match pod.keeps_state {
        true => [
            "    env:\n      - name: XDG_STATE_HOME\n        value: /var/lib/redis-ops\n",
            "      - name: state\n        mountPath: /var/lib/redis-ops\n",
            "  - name: state\n    emptyDir: {}\n",
        ],
        false => [""; 3],
    };
    let text = format!(
        r#"automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: {container}
    image: {image}
    args:
{arguments}{environment}    envFrom:
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
        memory: {asks}Mi
      limits:
        memory: {limit}Mi
    volumeMounts:
      - name: settings
        mountPath: /etc/redis-ops
        readOnly: true
      - name: credentials
        mountPath: /run/secrets/redis-credentials
        readOnly: true
{mount}      - name: tmp
        mountPath: /tmp
volumes:
  - name: settings
    configMap:
      name: redis-ops
  - name: credentials
    secret:
      secretName: redis-credentials
      optional: true
{volume}  - name: tmp
    emptyDir: {{}}
"#,
        container = pod.container,
        image = for_yaml(pod.image),
        asks = pod.memory.0,
        limit = pod.memory.1,
    );
    text.lines().map(|line| format!("{:indent$}{line}\n", "")).collect()
}

pub(in crate::commands::schedule) fn kubernetes(settings: &Settings, schedule: &Schedule) -> Vec<Unit> {
    let name = for_kubernetes(&settings.instance);
    let mut line = arguments(settings, MOUNTED, Job::Backup);
    if !settings.jitter.is_zero() {
        line.extend(["--jitter".to_owned(), format!("{}s", settings.jitter.as_secs())]);
    }
    let backup =
        Pod { container: "backup", image: &settings.image, arguments: line, memory: (128, 512), keeps_state: false };
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
{pod}"#,
        instance = words::escape(settings.instance.as_bytes()),
        label = for_yaml(&for_kubernetes(&settings.instance)),
        schedule = for_yaml(schedule.line()),
        pod = pod(&backup, 10),
    );
    let mut units = vec![Unit { name: format!("{name}.yaml"), text }];
    if settings.archives {
        units.push(deployment(settings, &name));
    }
    units
}

/// Follows the instance.
fn deployment(settings: &Settings, name: &str) -> Unit {
    let archive = Pod {
        container: "archive",
        image: &settings.image,
        arguments: arguments(settings, MOUNTED, Job::Archive(None)),
        memory: (64, 256),
        keeps_state: true,
    };
    let text = format!(
        r#"---
# The archive of {instance} (`backup.type: aof`), made by `redis-ops schedule --as kubernetes`. Data that waits to be stored lies in
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
      terminationGracePeriodSeconds: 60
{pod}"#,
        instance = words::escape(settings.instance.as_bytes()),
        label = for_yaml(name),
        pod = pod(&archive, 6),
    );
    Unit { name: format!("{name}-archive.yaml"), text }
}
