//! The first bytes of files that people take for an RDB.

use super::Foreign;
use crate::explain::Hint;
use crate::figures::counted;
use crate::rdb::Dialect;

/// Where the magic word of a tar archive stands (POSIX ustar).
const TAR_AT: usize = 257;

/// Bytes of a text that are looked at for a word.
const TEXT: usize = 4096;

/// Packed files and what unpacks them. The way's `FILE` is for people to fill in.
const PACKED: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a zip archive", "`unzip -p FILE dump.rdb > dump.rdb` takes the RDB out of it"),
    (b"PK\x05\x06", "an empty zip archive", "there is nothing in it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "`7z e FILE` takes the RDB out of it"),
    (b"Rar!\x1a\x07", "a rar archive", "`unrar e FILE` takes the RDB out of it"),
    (b"\xfd7zXZ\0", "xz data", "`xz -dc FILE > dump.rdb` unpacks it"),
    (b"\x5d\0\0", "lzma data", "`xz -dc --format=lzma FILE > dump.rdb` unpacks it"),
    (b"\x04\x22\x4d\x18", "lz4 data", "`lz4 -dc FILE > dump.rdb` unpacks it"),
    (b"BZh", "bzip2 data", "`bzip2 -dc FILE > dump.rdb` unpacks it"),
    (b"\xff\x06\0\0sNaPpY", "snappy data", "`snzip -dc FILE > dump.rdb` unpacks it"),
    (b"\x1f\x9d", "compress data", "`uncompress -c FILE > dump.rdb` unpacks it"),
    (b"\x1f\x8b", "gzip data", "it is packed twice: `gzip -dc FILE > dump.rdb.gz` unpacks it once"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "it is packed twice: unpack it once with the outer program"),
    (b"age-encryption.org/", "a file encrypted with age", "`age -d -i KEY FILE > dump.rdb` decrypts it"),
    (b"-----BEGIN AGE ENCRYPTED FILE", "a file encrypted with age", "`age -d -i KEY FILE > dump.rdb` decrypts it"),
    (b"-----BEGIN PGP MESSAGE", "a file encrypted with PGP", "`gpg -d FILE > dump.rdb` decrypts it"),
    (b"\x8c\x0d\x04", "a file encrypted with PGP", "`gpg -d FILE > dump.rdb` decrypts it"),
    (b"\x85\x01\x0c\x03", "a file encrypted with PGP", "`gpg -d FILE > dump.rdb` decrypts it"),
    (b"\x85\x02\x0c\x03", "a file encrypted with PGP", "`gpg -d FILE > dump.rdb` decrypts it"),
    (b"SQLite format 3\0", "a database of SQLite", "name the RDB itself"),
    (b"\xef\xbb\xbfREDIS", "an RDB after a text byte order mark", "`tail -c +4 FILE > dump.rdb` leaves the RDB"),
    (b"UkVESVM", "an RDB as base64", "`base64 -d FILE > dump.rdb` decodes it"),
    (b"VkFMS0VZ", "an RDB as base64", "`base64 -d FILE > dump.rdb` decodes it"),
    (b"00000000: 5245 4449 53", "an RDB as a hex dump", "`xxd -r FILE > dump.rdb` turns it back"),
    (b"Salted__", "a file encrypted with openssl", "`openssl enc -d … -in FILE -out dump.rdb` decrypts it"),
];

/// What these first bytes are known to be the beginning of; `None`: an RDB, or nobody knows.
pub(super) fn of(first: &[u8]) -> Option<Foreign> {
    if first.is_empty() {
        let way =
            "the program that made the file wrote nothing (a full disk, a dump that broke off): take the dump again";
        return Some(Foreign::new("an empty file", way));
    }
    if let Some((_, what, way)) = PACKED.iter().find(|(magic, ..)| first.starts_with(magic)) {
        // `BZh` and three bytes of lzma are short words: the next byte has to fit.
        let fits = match *what {
            "bzip2 data" => first.get(3).is_some_and(|level| (b'1'..=b'9').contains(level)),
            "lzma data" => first.len() > 12,
            _ => true,
        };
        if fits {
            return Some(Foreign::new(*what, *way));
        }
    }
    if first.get(TAR_AT..TAR_AT + 5) == Some(b"ustar") {
        return Some(Foreign::new("a tar archive", "`tar -xOf FILE dump.rdb > dump.rdb` takes the RDB out of it"));
    }
    of_replies(first).or_else(|| of_text(&first[..first.len().min(TEXT)])).or_else(|| of_nothing_known(first))
}

/// Commands of an append-only file, and what a server sends.
fn of_replies(first: &[u8]) -> Option<Foreign> {
    if is_resp_command(first) {
        return Some(Foreign::new("an append-only file: commands as text", Hint::StartAServer));
    }
    if first.starts_with(b"#TS:") {
        return Some(Foreign::new("an increment of a multi-part append-only file (`*.incr.aof`)", Hint::StartAServer));
    }
    if first.starts_with(b"$EOF:") {
        let way = "`tail -c +48 FILE | head -c -40 > dump.rdb` leaves the RDB: the payload begins with `$EOF:`, 40 bytes and a line \
                   break, and ends with the same 40 bytes";
        return Some(Foreign::new("a diskless replication transfer (`$EOF:`) as it came over the wire", way));
    }
    if first.starts_with(b"+FULLRESYNC ") {
        let line = first.iter().position(|byte| *byte == b'\n')? + 1;
        let length = first[line..].iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let way =
            format!("`tail -c +{} FILE > dump.rdb` leaves the RDB, if it was sent with its length", line + length + 1);
        return Some(Foreign::new("the answer to PSYNC as it came over the wire", way));
    }
    let (digits, rest) = first.strip_prefix(b"$").map(split_digits)?;
    if digits > 0 && rest.starts_with(b"\r\n") {
        let way =
            format!("`tail -c +{} FILE > dump.rdb` leaves the RDB: the payload begins with its length", digits + 4);
        return Some(Foreign::new("a replication transfer as it came over the wire", way));
    }
    None
}

/// `*2\r\n$6\r\n…`: a command as clients send it.
pub(super) fn is_resp_command(first: &[u8]) -> bool {
    let Some((digits, rest)) = first.strip_prefix(b"*").map(split_digits) else { return false };
    digits > 0 && (rest.starts_with(b"\r\n$") || b"\r\n$".starts_with(rest))
}

fn split_digits(bytes: &[u8]) -> (usize, &[u8]) {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits, &bytes[digits..])
}

/// Texts that stand where a file was to be.
fn of_text(first: &[u8]) -> Option<Foreign> {
    let text = String::from_utf8_lossy(first);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_ascii_lowercase();
    if text.starts_with("version https://git-lfs.github.com/spec/") {
        let way = "`git lfs pull` brings the file that it stands for";
        return Some(Foreign::new("a pointer of git LFS", way));
    }
    if is_aof_manifest(text) {
        return Some(Foreign::new("the manifest of a multi-part append-only file", Hint::StartAServer));
    }
    let is_store = lower.starts_with("<?xml") || lower.starts_with("<error>");
    if is_store && let Some(code) = element(text, "Code").filter(|_| lower.contains("<error>")) {
        let way = "the store refused the download: see what the code means, and download the file again";
        return Some(Foreign::new(format!("the error reply of an S3 store ({})", code.escape_debug()), way));
    }
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.contains("<html") && is_store {
        let way = "a page was downloaded instead of the file (a login, an error, a preview): download the file itself";
        return Some(Foreign::new("a web page (HTML)", way));
    }
    if is_store {
        return Some(Foreign::new("an XML text", "download or export the file itself"));
    }
    if text.starts_with("-ERR ") || text.starts_with("-NOAUTH ") || text.starts_with("-NOPERM ") {
        let line: String = text.lines().next().unwrap_or_default().chars().take(80).collect();
        return Some(Foreign::new(
            format!("the error reply of a server ({})", line.escape_debug()),
            Hint::BackUpInstead,
        ));
    }
    if text.starts_with('{') && text[1..].trim_start().starts_with('"') {
        return Some(Foreign::new("a JSON text", Hint::SaveOrBackUp));
    }
    is_text(first).then(|| Foreign::new("a text", Hint::SaveOrBackUp))
}

/// Whether these are letters and lines. The magic word and the version of an RDB are, and what follows them is not: few bytes tell nothing.
fn is_text(first: &[u8]) -> bool {
    let begins_an_rdb = [Dialect::Redis, Dialect::Valkey].iter().any(|dialect| first.starts_with(dialect.magic()));
    let cut = match std::str::from_utf8(first) {
        Ok(text) => text,
        // The last letter may be cut off.
        Err(error) if first.len() - error.valid_up_to() < 4 => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    first.len() > HEADER
        && !begins_an_rdb
        && !cut.chars().any(|letter| letter.is_control() && !"\r\n\t".contains(letter))
}

/// What is too short to be a damaged RDB, and no beginning of one.
fn of_nothing_known(first: &[u8]) -> Option<Foreign> {
    let begins = |dialect: Dialect| dialect.magic().iter().zip(first).all(|(expected, found)| expected == found);
    let is_foreign = first.len() < HEADER && !begins(Dialect::Redis) && !begins(Dialect::Valkey);
    is_foreign.then(|| Foreign::new(format!("a file of {}", counted(first.len() as u64, "byte")), Hint::SaveOrBackUp))
}

/// Bytes of the magic word and the version of an RDB.
const HEADER: usize = 9;

/// `file appendonly.aof.1.base.rdb seq 1 type b` (Redis 7.0 `aof.c`), after comments.
fn is_aof_manifest(text: &str) -> bool {
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    line.starts_with("file ") && line.contains(" seq ") && line.contains(" type ")
}

/// The text of the first element of this name, if it is short.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once("</")?;
    (content.len() <= 64).then_some(content)
}
