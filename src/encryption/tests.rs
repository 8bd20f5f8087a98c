//! What is encrypted is read again, and nothing of it otherwise.

use std::io::{Read as _, Write as _};

use super::*;

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(content.as_bytes()).expect("written");
    file
}

fn to_one() -> Recipients {
    Recipients::of_keys(&[RECIPIENT.to_owned()], "here").expect("a recipient")
}

fn by(file: &tempfile::NamedTempFile) -> Identities {
    Identities { files: vec![file.path().to_owned()], passphrase_file: None }
}

fn names() -> Vec<String> {
    vec![RECIPIENT.to_owned()]
}

#[test]
fn lengths_around_those_of_chunks_are_read_again_and_every_cut_is_noticed() {
    let identity = file(IDENTITY);
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let plain: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
        let stored = to_one().sealed(&plain).expect("sealed");
        assert_eq!(by(&identity).opened(&stored, &names()).expect("opened"), plain, "{length}");
        for cut in [1, 16, 17, 65_552, 65_553].into_iter().filter(|cut| *cut < stored.len()) {
            let error = by(&identity).opened(&stored[..stored.len() - cut], &names()).expect_err("cut off");
            assert!(error.is_damage(), "{length} without {cut}: {error}");
        }
        let mut longer = stored.clone();
        longer.push(0);
        assert!(by(&identity).opened(&longer, &names()).expect_err("too long").is_damage(), "{length}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let identity = file(IDENTITY);
    let stored = to_one().sealed(b"a few bytes").expect("sealed");
    for at in 0..stored.len() {
        let mut changed = stored.clone();
        changed[at] ^= 1;
        assert!(by(&identity).opened(&changed, &names()).is_err(), "byte {at}");
    }
}

#[test]
fn the_key_that_opened_it_is_named_and_no_secret_is() {
    let (identity, passphrase) = (file(IDENTITY), file("hunter2-do-not-print\n"));
    let stored = to_one().sealed(b"text").expect("sealed");
    let (mut content, key) = by(&identity).open(&stored[..], &names()).expect("opened");
    let mut text = String::new();
    content.read_to_string(&mut text).expect("read");
    assert_eq!((text.as_str(), key), ("text", Key::Of(RECIPIENT.to_owned())));
    let of_passphrase = Recipients::of_passphrase_file(passphrase.path()).expect("a passphrase");
    let shown = format!("{of_passphrase:?} {of_passphrase} {:?} {:?}", by(&identity), to_one());
    assert!(!shown.contains("hunter2") && !shown.contains("SECRET"), "{shown}");
}

#[test]
fn a_recipient_counts_once() {
    let twice = Recipients::of_keys(&[RECIPIENT.to_owned(), format!(" {RECIPIENT} ")], "here").expect("one");
    assert_eq!(twice.names(), names());
    assert_eq!(twice.to_string(), format!("to {RECIPIENT}"));
}
