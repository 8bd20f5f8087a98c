//! What a user may do who may not ask for it: the plan and the run learn it from the commands themselves, and name one line that grants
//! all that is missing.

use super::stored::{Stored, hint, keys};
use crate::support::redis_server::{RedisServer, server_named};

/// What stands in backticks, in order.
fn typed(hint: &str) -> Vec<&str> {
    hint.split('`').skip(1).step_by(2).collect()
}

/// A backup with keys of each type, and with a function library.
fn stored() -> Option<Stored> {
    let source = RedisServer::builder().version(&server_named("redis-server-7.4")?).start()?;
    source.ok(&["SET", "string", "1"]);
    source.ok(&["RPUSH", "list", "a", "b"]);
    source.ok(&["HSET", "hash", "field", "value"]);
    source.ok(&["ZADD", "zset", "1", "member"]);
    source.ok(&["XADD", "stream", "*", "field", "value"]);
    source.ok(&["FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)"]);
    Some(Stored::of(&source))
}

fn as_user(target: &RedisServer, rules: &str) -> String {
    let line = format!("ACL SETUSER t reset on >p {rules}");
    target.ok(&line.split(' ').collect::<Vec<_>>());
    format!("redis://t:p@127.0.0.1:{}", target.port())
}

#[test]
fn a_user_who_may_do_almost_nothing_is_told_all_that_is_missing_in_one_line() {
    let Some(stored) = stored() else { return };
    for version in ["redis-server-7.4", "redis-server-6.2"] {
        let Some(installed) = server_named(version) else { continue };
        let target = RedisServer::builder().version(&installed).start().unwrap();
        // Who may see its own rules, and who may not.
        for more in ["", "+acl|whoami +acl|getuser"] {
            for method in ["auto", "restore", "commands"] {
                target.ok(&["FLUSHALL"]);
                // A user who is granted the right to list libraries would meet the one of the method before; 6.2 knows none.
                target.cli(&["FUNCTION", "FLUSH"]);
                let url = as_user(&target, &format!("resetkeys resetchannels -@all +info +select {more}"));
                let asked = |more: &[&str]| {
                    let line = [&["--accept-loss", "--method", method][..], more].concat();
                    stored.restoring_into(&url, &line).json()
                };
                let (code, plan) = asked(&["--plan"]);
                assert_eq!(
                    (code, &plan["error"]["code"]),
                    (2, &"permission_denied".into()),
                    "{version} {method}: {plan:#}"
                );
                assert!(!plan.to_string().contains("would be restored"), "{version} {method}: {plan:#}");
                let (code, run) = asked(&[]);
                assert_eq!((code, hint(&run)), (2, hint(&plan)), "{version} {method}: {run:#}");
                let grants: Vec<&str> =
                    typed(hint(&plan)).into_iter().filter(|line| line.starts_with("ACL SETUSER t +")).collect();
                assert_eq!(grants.len(), 1, "{version} {method}: {}", hint(&plan));
                target.ok(&grants[0].split(' ').collect::<Vec<_>>());

                let (planned, plan) = asked(&["--plan"]);
                let (code, run) = asked(&[]);
                assert!(code <= 1 && code == planned, "{version} {method} {more}: {plan:#} {run:#}");
                assert_eq!(keys(&target), 5, "{version} {method}: {run:#}");
            }
        }
    }
}

#[test]
fn a_plan_that_tries_commands_changes_nothing_and_believes_a_user_who_may_all_but_ask() {
    let Some(stored) = stored() else { return };
    for version in ["redis-server-7.4", "redis-server-6.2"] {
        let Some(installed) = server_named(version) else { continue };
        let target = RedisServer::builder().version(&installed).start().unwrap();
        // Without a transaction the commands are tried as they are.
        for (rules, expected) in [("+@all ~* &* -acl", 1), ("+@all ~* &* -acl -multi -exec", 2)] {
            target.ok(&["FLUSHALL"]);
            let url = as_user(&target, rules);
            let line = ["--accept-loss", "--method", "commands", "--replace-all", "--no-safety-backup"];
            let (_, plan) = stored.restoring_into(&url, &[&line[..], &["--plan"]].concat()).json();
            assert_eq!((target.info("role").as_str(), keys(&target)), ("master", 0), "{plan:#}");
            let rights = plan["plan"]["lines"].as_array().unwrap().iter().find(|line| line["code"] == "rights");
            match expected {
                2 => {
                    assert_eq!(plan["error"]["code"], "permission_denied", "{version}: {plan:#}");
                    assert!(hint(&plan).contains("`ACL SETUSER t +multi +exec`"), "{version}: {}", hint(&plan));
                }
                _ => assert_eq!(rights.map(|line| line["level"].clone()), Some("ok".into()), "{version}: {plan:#}"),
            }
            let (code, run) = stored.restoring_into(&url, &[&line[..], &["--yes"]].concat()).json();
            assert!(if expected == 2 { code == 2 } else { code <= 1 }, "{version}: {run:#}");
        }
    }
}

#[test]
fn a_printed_line_keeps_the_user_of_the_url_and_not_the_password() {
    let (Some(stored), Some(target)) = (stored(), RedisServer::start()) else { return };
    target.ok(&["SET", "mine", "1"]);
    let url = as_user(&target, "+@all ~* &*");
    let (code, answer) = stored.restoring_into(&url, &[]).json();
    let expected = format!("--target-instance redis://t@127.0.0.1:{} ", target.port());
    assert!(code == 2 && hint(&answer).contains(&expected), "{answer:#}");
    assert!(!answer.to_string().contains("t:p@"), "{answer:#}");
}

#[test]
fn a_plan_knows_on_6_2_what_the_proof_and_the_safety_backup_need() {
    let Some(installed) = server_named("redis-server-6.2") else { return };
    let source = RedisServer::builder().version(&installed).start().unwrap();
    for n in 0..20 {
        source.ok(&["SET", &format!("app:{n}"), "v"]);
        source.ok(&["SET", &format!("other:{n}"), "v"]);
    }
    let stored = Stored::of(&source);
    let target = RedisServer::builder().version(&installed).start().unwrap();
    for rules in
        ["~app:* +@all -psync", "+@all -psync", "~app:* +@all -psync -acl", "~* +@all -psync", "~* +@all -psync -scan"]
    {
        for more in [&[][..], &["--replace-all", "--yes"]] {
            target.ok(&["FLUSHALL"]);
            if !more.is_empty() {
                target.ok(&["SET", "mine", "1"]);
            }
            let url = as_user(&target, rules);
            let (planned, plan) = stored.restoring_into(&url, &[more, &["--plan"]].concat()).json();
            let (code, run) = stored.restoring_into(&url, more).json();
            assert_eq!(planned, code, "{rules} {more:?}: {plan:#} {run:#}");
            // A refusal touches nothing.
            if code == 2 {
                assert_eq!(keys(&target), u64::from(!more.is_empty()), "{rules} {more:?}: {run:#}");
                assert!(hint(&run).contains("`ACL SETUSER t "), "{rules} {more:?}: {}", hint(&run));
            }
        }
    }
}

#[test]
fn one_line_grants_all_that_loading_by_replication_lacks() {
    let Some(stored) = stored() else { return };
    let target = RedisServer::builder().version(&server_named("redis-server-7.4").unwrap()).start().unwrap();
    for rules in ["-replicaof", "-function|list", "-function", "-function -replicaof"] {
        target.ok(&["FLUSHALL"]);
        target.ok(&["FUNCTION", "FLUSH"]);
        let url = as_user(&target, &format!("~* &* +@all {rules}"));
        let (code, refused) = stored.restoring_into(&url, &["--method", "replica"]).json();
        assert_eq!(code, 2, "{rules}: {refused:#}");
        let grants: Vec<&str> =
            typed(hint(&refused)).into_iter().filter(|line| line.starts_with("ACL SETUSER t +")).collect();
        assert_eq!(grants.len(), 1, "{rules}: {}", hint(&refused));
        assert!(!hint(&refused).contains("--replace-all"), "{rules}: {}", hint(&refused));
        target.ok(&grants[0].split(' ').collect::<Vec<_>>());
        let (code, answer) = stored.restoring_into(&url, &["--method", "replica"]).json();
        assert!(code <= 1, "{rules}: {answer:#}");
    }
}
