//! Which settings file is read, and what goes before it.

use crate::support::redis_ops::RedisOps;

/// The repository that a run means, found out by what is wrong with it.
#[track_caller]
fn refused(run: RedisOps, stderr: &str) {
    run.stderr(stderr).exit(3);
}

fn naming(place: &str) -> String {
    format!("backup: {{ destination: \"{place}://x\" }}")
}

fn unknown(place: &str) -> String {
    format!("error: `{place}://` is not supported: a repository is `s3://bucket/prefix`, `file:///path` or a path\n")
}

#[test]
fn flags_go_before_the_environment_and_the_environment_before_the_file() {
    let run = || RedisOps::new().file("redis-ops.yaml", naming("of-file")).arg("list");
    refused(run(), &unknown("of-file"));
    refused(run().env("REDIS_OPS_REPOSITORY", "of-env://x"), &unknown("of-env"));
    refused(run().env("REDIS_OPS_REPOSITORY", "of-env://x").args(["-r", "of-flag://x"]), &unknown("of-flag"));
}

#[test]
fn the_file_is_looked_for_in_its_usual_places() {
    let run = || RedisOps::new().arg("list").file(".config/redis-ops/config.yaml", naming("of-home"));
    refused(run(), &unknown("of-home"));
    let xdg = |run: RedisOps| {
        let folder = run.home().join("xdg");
        run.file("xdg/redis-ops/config.yaml", naming("of-xdg")).env("XDG_CONFIG_HOME", folder)
    };
    refused(xdg(run()), &unknown("of-xdg"));
    refused(xdg(run()).file("redis-ops.yaml", naming("of-here")), &unknown("of-here"));
    let named = |run: RedisOps| run.file("a.yaml", naming("of-env")).file("b.yaml", naming("of-flag"));
    refused(named(run()).env("REDIS_OPS_CONFIG", "a.yaml"), &unknown("of-env"));
    refused(named(run()).env("REDIS_OPS_CONFIG", "a.yaml").args(["-c", "b.yaml"]), &unknown("of-flag"));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    refused(
        RedisOps::new().args(["list", "-c", "missing.yaml"]),
        "error: cannot read the settings file missing.yaml: No such file or directory (os error 2)\n",
    );
}

#[test]
fn a_wrong_file_says_where_and_what_was_meant() {
    refused(
        RedisOps::new().arg("list").file("redis-ops.yaml", "backup:\n  destinatoin: /backups\n"),
        "error: redis-ops.yaml:2:3: unknown key `destinatoin`\n\nhint: did you mean `destination`?\n",
    );
    let run = RedisOps::new().args(["list", "--json"]).file("redis-ops.yaml", "s3: { regoin: x }").run();
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (3, Some("settings")));
}

#[test]
fn explain_and_completions_need_no_settings() {
    let run = RedisOps::new().args(["completions", "bash"]).file("redis-ops.yaml", "not: [right").run();
    assert_eq!(run.code, 0, "{}", run.stderr);
}
