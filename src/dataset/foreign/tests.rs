use super::*;

#[track_caller]
fn check(first: &[u8], what: &str, way: &str) {
    let foreign = look(first, None).expect_err("it is no RDB");
    assert_eq!(foreign.to_string(), format!("it is {what}, not an RDB"));
    match &foreign.way {
        Hint::Words(words) => assert!(words.contains(way), "{words}"),
        hint => assert_eq!(format!("{hint:?}"), way),
    }
}

#[test]
fn each_format_has_its_name_and_its_way() {
    let mut tar = vec![0; 512];
    tar[..8].copy_from_slice(b"dump.rdb");
    tar[257..263].copy_from_slice(b"ustar\0");
    check(&tar, "a tar archive", "tar -xOf");
    check(b"PK\x03\x04\x14\0", "a zip archive", "unzip -p");
    check(b"\xfd7zXZ\0\0\x04", "xz data", "xz -dc");
    check(b"\x04\x22\x4d\x18\x64", "lz4 data", "lz4 -dc");
    check(b"BZh91AY&SY", "bzip2 data", "bzip2 -dc");
    check(b"age-encryption.org/v1\n-> X25519", "a file encrypted with age", "age -d");
    check(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", "an append-only file: commands as text", "StartAServer");
    check(b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of git LFS", "git lfs pull");
    check(b"\n<!DOCTYPE html><html>", "a web page (HTML)", "download");
    let xml = br#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"#;
    check(xml, "the error reply of an S3 store (AccessDenied)", "refused the download");
    check(
        b"$EOF:0123456789012345678901234567890123456789\r\nREDIS",
        "a diskless replication transfer (`$EOF:`) as it came over the wire",
        "tail -c +48",
    );
    let psync = b"+FULLRESYNC 0123456789012345678901234567890123456789 0\r\n$175\r\nREDIS0011\xfa\x09redis-ver";
    check(psync, "the answer to PSYNC as it came over the wire", "tail -c +63 ");
    check(b"\x8c\x0d\x04\x07\x03\x02", "a file encrypted with PGP", "gpg -d");
    check(b"UkVESVMwMDEx+glyZWRpcy12ZXI=\n", "an RDB as base64", "base64 -d");
    check(b"00000000: 5245 4449 5330 3031 31fa 0972  REDIS0011..r", "an RDB as a hex dump", "xxd -r");
    check(b"\xef\xbb\xbfREDIS0011\xfa", "an RDB after a text byte order mark", "tail -c +4");
    check(b"SET a 1\nSET b 2\n", "a text", "SaveOrBackUp");
    check("Gr\u{fc}\u{df}e, und mehr".as_bytes(), "a text", "SaveOrBackUp");
    check(b"$175\r\nREDIS0011", "a replication transfer as it came over the wire", "tail -c +7 ");
    let manifest = b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    check(manifest, "the manifest of a multi-part append-only file", "StartAServer");
    check(b"", "an empty file", "take the dump again");
    check(
        b"-NOAUTH Authentication required.\r\n",
        "the error reply of a server (-NOAUTH Authentication required.)",
        "BackUpInstead",
    );
}

#[test]
fn inside_gzip_it_is_named_as_well() {
    let foreign = look(b"PK\x03\x04", Some("gzip")).unwrap_err();
    assert_eq!(foreign.to_string(), "it is a zip archive inside gzip, not an RDB");
}

#[test]
fn an_rdb_passes_and_so_does_what_nobody_knows() {
    for first in [&b"REDIS0011\xff"[..], b"VALKEY080", b"RED", b"REDIS00", b"VALKEY", b"REDIS0011 and a text", &[0; 9]]
    {
        assert_eq!(look(first, None), Ok(First::default()), "{first:?}");
    }
}

#[test]
fn what_is_shorter_than_a_header_and_begins_none_is_no_rdb() {
    for (first, what) in [
        (&b"hi"[..], "2 bytes"),
        (b"BZhello", "7 bytes"),
        (b"*", "1 byte"),
        (b"\0\0\0\0", "4 bytes"),
        (b"REDIX", "5 bytes"),
    ] {
        assert_eq!(look(first, None).unwrap_err().to_string(), format!("it is a file of {what}, not an RDB"));
    }
}

#[test]
fn an_append_only_file_that_begins_with_an_rdb_is_told_by_its_aux_field() {
    let with = |name: &[u8], value: &[u8]| {
        let mut rdb = b"REDIS0009\xfa".to_vec();
        rdb.push(name.len() as u8);
        rdb.extend_from_slice(name);
        rdb.extend_from_slice(value);
        rdb
    };
    assert_eq!(look(&with(b"aof-preamble", b"\xc0\x01"), None), Err(Foreign::aof_with_preamble()));
    assert_eq!(look(&with(b"aof-preamble", b"\xc0\0"), None), Ok(First::default()));
    assert_eq!(look(&with(b"aof-base", b"\xc0\x01"), None), Ok(First { is_aof_base: true, ..First::default() }));
    assert_eq!(look(&with(b"aof-base", b"\xc0\0"), None), Ok(First::default()));
}

#[test]
fn commands_behind_an_rdb_are_told_from_other_bytes() {
    assert!(are_commands(b"*2\r\n$6\r\nSELECT\r\n"));
    for other in [&b""[..], b"0123456789", b"*", b"*x\r\n", b"REDIS0011", &[0; 16]] {
        assert!(!are_commands(other), "{other:?}");
    }
}
