//! Keys that are none, and files of keys that cannot be used. No secret is repeated.

use std::os::unix::fs::PermissionsExt as _;

use super::{IDENTITY, Keys, RECIPIENT, failed, on, said};
use crate::backup::{Folder, backed_up, backup};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

#[test]
fn what_is_no_recipient_is_refused_before_the_server_is_asked() {
    let (keys, folder) = (Keys::new(), Folder::new());
    let empty = keys.write("empty", "");
    let comments = keys.write("comments", "# nobody\n\n");
    let of_identity = keys.text("identity");
    let mixed = keys.write("mixed", format!("{RECIPIENT}\nnonsense-that-may-be-secret\n"));
    for (more, words) in [
        (["--encrypt-to", IDENTITY], "`--encrypt-to` is a secret identity (AGE-SECRET-KEY-…), not a recipient"),
        (["--encrypt-to", "nonsense-that-may-be-secret"], "`--encrypt-to` is not a recipient"),
        (
            ["--encrypt-to", "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pb"],
            "`--encrypt-to` is not a recipient: `age1t7r",
        ),
        (["--encrypt-to", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"], "not to SSH keys"),
        (["--encrypt-to", ""], "`--encrypt-to` is not a recipient"),
        (["--encrypt-to-file", &empty], "names no recipient"),
        (["--encrypt-to-file", &comments], "names no recipient"),
        (["--encrypt-to-file", &of_identity], "is a secret identity"),
        (["--encrypt-to-file", &mixed], "line 2 of "),
        (["--encrypt-to-file", "/nonexistent/recipients"], "/nonexistent/recipients: No such file"),
        (["--passphrase-file", &empty], "it is empty"),
        (["--passphrase-file", &of_identity.replace("identity", "no")], "No such file"),
    ] {
        // Nobody listens there.
        let answer = backup("redis://127.0.0.1:1", &folder.text(), &more).json();
        let (code, name, ..) = failed(&answer);
        assert_eq!((code, name), (3, "usage"), "{more:?}: {answer:?}");
        assert!(said(&answer.1).contains(words), "{more:?}: {answer:?}");
        let all = answer.1.to_string();
        assert!(!all.contains("SECRET-KEY-1") && !all.contains("nonsense"), "{all}");
        let run = backup("redis://127.0.0.1:1", &folder.text(), &more).arg("-vvv").run();
        assert!(!run.everything().replace(&run.line, "").contains("SECRET-KEY-1"), "{}", run.everything());
    }
    let run = backup("redis://127.0.0.1:1", &folder.text(), &["--encrypt-to", IDENTITY]).run();
    assert!(run.stderr.contains("age-keygen -y") && !run.stderr.contains(IDENTITY), "{}", run.stderr);
    let both = ["--encrypt-to", RECIPIENT, "--passphrase-file", &keys.text("passphrase")];
    let answer = backup("redis://127.0.0.1:1", &folder.text(), &both).json();
    assert_eq!(failed(&answer).0, 3, "{answer:?}");
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_file_that_holds_no_identity_says_why() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (keys, folder) = (Keys::new(), Folder::new());
    backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT]);
    let typing_error = format!("{}Q\n", &IDENTITY[..IDENTITY.len() - 1]);
    for (content, words) in [
        ("", "it holds no identity"),
        ("# a comment\n\n", "it holds no identity"),
        (RECIPIENT, "line 1 is a recipient (age1…), not an identity"),
        (typing_error.as_str(), "line 1 is an identity with a typing error, or cut off"),
        ("# first\nhunter2-do-not-print\n", "line 2 is not an identity"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2-do-not-print\n", "line 1 begins an SSH or PEM key"),
        ("age-encryption.org/v1\n-> scrypt hunter2-do-not-print 18\n", "it is encrypted itself"),
    ] {
        let file = keys.write("bad", content);
        let answer = on(&folder, &["verify", "--backup-id", "latest", "--identity", &file]).json();
        let (code, name, ..) = failed(&answer);
        assert_eq!((code, name), (3, "usage"), "{content}: {answer:?}");
        assert!(said(&answer.1).contains(words), "{words}: {answer:?}");
        assert!(
            !answer.1.to_string().contains("hunter2") && !answer.1.to_string().contains("SECRET-KEY-1"),
            "{answer:?}"
        );
    }
    let answer = on(&folder, &["verify", "--backup-id", "latest", "--identity", "/nonexistent/key"]).json();
    assert!(failed(&answer).0 == 3 && said(&answer.1).contains("/nonexistent/key: No such file"), "{answer:?}");
    // What needs no key does not look for it.
    let (code, answer) = on(&folder, &["list", "--identity", "/nonexistent/key"]).json();
    assert_eq!(code, 0, "{answer}");
    let line = ["verify", "--backup-id", "latest", "--level", "checksum", "--identity", "/nonexistent/key"];
    let (code, answer) = on(&folder, &line).json();
    assert_eq!(code, 0, "{answer}");
}

#[test]
fn a_file_that_everybody_can_read_is_used_with_a_warning() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let (keys, folder) = (Keys::new(), Folder::new());
    backed_up(&server.url(), &folder.text(), &["--encrypt-to", RECIPIENT]);
    let identity = keys.text("identity");
    let verify = || on(&folder, &["verify", "--backup-id", "latest", "--identity", &identity]).run();
    let run = verify();
    assert!(run.code == 0 && !run.stderr.contains("every user"), "{}", run.everything());
    std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = verify();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(run.stderr.contains("can be read by every user of this machine"), "{}", run.everything());
}

/// Who types the identity in place of its file does not see it again in a log.
#[test]
fn an_identity_that_is_typed_in_place_of_a_file_is_not_shown() {
    let secret = IDENTITY;
    let line = ["verify", "latest", "-r", "/nowhere"];
    let typed = RedisOps::new().args(line).args(["--identity", secret]).run();
    let set = RedisOps::new().args(line).env("REDIS_OPS_IDENTITY", secret).run();
    for run in [typed, set] {
        let said = format!("{}{}", run.text(), run.stderr);
        assert!(run.code == 3 && !said.contains(&secret[15..]) && said.contains("not the identity itself"), "{said}");
    }
}
