//! What a text came in: gzip, UTF-16, a byte-order mark, other line ends, an e-mail's quoted-printable, the marks of a page.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::Unreadable;
use super::markup::without_markup;

/// Bytes of a text that are read, unpacked. A log of a week is longer: its end says more than its beginning.
pub const LIMIT: u64 = 32 << 20;

/// The bytes as text; what is not UTF-8 is replaced.
///
/// # Errors
///
/// The text is longer than [`LIMIT`].
pub(super) fn text(bytes: &[u8]) -> Result<String, Unreadable> {
    if bytes.len() as u64 > LIMIT {
        return Err(Unreadable::TooLong);
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(without_markup(without_quoting(decoded(bytes))));
    }
    let mut unpacked = Vec::new();
    // A file that was cut in the middle is read as far as it goes.
    let whole = MultiGzDecoder::new(bytes).take(LIMIT + 1).read_to_end(&mut unpacked).is_ok();
    match unpacked.len() as u64 {
        length if length > LIMIT => Err(Unreadable::TooLong),
        0 if !whole => Err(Unreadable::NothingKnown),
        _ => Ok(without_markup(without_quoting(decoded(&unpacked)))),
    }
}

/// An e-mail as it is stored: `keys=3D10`, and a line that goes on ends with `=`. Its header says so; without one every sign of the text
/// has to be of this form.
fn without_quoting(text: String) -> String {
    let bytes = text.as_bytes();
    let ends_the_line = |rest: &[u8]| rest.starts_with(b"\n") || rest.starts_with(b"\r\n");
    let is_told = || text.to_ascii_lowercase().contains("content-transfer-encoding: quoted-printable");
    let mut signs = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'=').map(|(at, _)| &bytes[at + 1..]);
    if !text.contains("=3D") || !(is_told() || signs.all(|rest| ends_the_line(rest) || of_two_digits(rest).is_some())) {
        return text;
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at + 1..];
        at += match (*byte, of_two_digits(rest)) {
            (b'=', Some(meant)) => {
                plain.push(meant);
                3
            }
            (b'=', None) if ends_the_line(rest) => 2 + usize::from(rest.starts_with(b"\r")),
            (other, _) => {
                plain.push(other);
                1
            }
        };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The byte that two hexadecimal digits in capitals stand for.
fn of_two_digits(rest: &[u8]) -> Option<u8> {
    let pair = rest.get(..2).filter(|pair| pair.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')))?;
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

fn decoded(bytes: &[u8]) -> String {
    let units = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    // Every second byte of a Latin text in UTF-16 is 0; no text in UTF-8 holds one.
    let zeros = |at: usize| bytes.len() >= 8 && bytes.iter().take(256).skip(at).step_by(2).all(|byte| *byte == 0);
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ if zeros(1) && !zeros(0) => units(bytes, u16::from_le_bytes),
        _ if zeros(0) && !zeros(1) => units(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TEXT: &str = "used_memory:1\r\nrole:master\r\n";

    fn utf16(unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        TEXT.encode_utf16().flat_map(unit).collect()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("packed")
    }

    #[test]
    fn every_wrapping_comes_off() {
        let marked = |mark: &[u8], text: Vec<u8>| [mark, &text].concat();
        for bytes in [
            TEXT.as_bytes().to_vec(),
            marked(&[0xef, 0xbb, 0xbf], TEXT.as_bytes().to_vec()),
            marked(&[0xff, 0xfe], utf16(u16::to_le_bytes)),
            marked(&[0xfe, 0xff], utf16(u16::to_be_bytes)),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            packed(TEXT.as_bytes()),
            packed(&marked(&[0xff, 0xfe], utf16(u16::to_le_bytes))),
        ] {
            assert_eq!(text(&bytes).expect("a text"), TEXT, "{bytes:?}");
        }
    }

    #[test]
    fn an_e_mail_is_read_as_it_was_written() {
        for (mail, plain) in [
            ("db0:keys=3D7,expires=3D1\nused_memory:1048=\n576\n", "db0:keys=7,expires=1\nused_memory:1048576\n"),
            ("db0:keys=3D7 =E2=80=93 caf=C3=A9\r\nrole:=\r\nmaster", "db0:keys=7 \u{2013} caf\u{e9}\r\nrole:master"),
            (
                "Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: quoted-printable\n\nkeys=3D7\n",
                "Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: quoted-printable\n\nkeys=7\n",
            ),
            // Signs of the text's own.
            ("db0:keys=3,expires=0 x=3D", "db0:keys=3,expires=0 x=3D"),
            ("a=3D=", "a=3D="),
            ("role:master=", "role:master="),
        ] {
            assert_eq!(text(mail.as_bytes()).expect("a text"), plain, "{mail:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_packed_and_unpacked() {
        let long = vec![b'a'; (LIMIT + 1) as usize];
        assert_eq!(text(&long), Err(Unreadable::TooLong));
        let bomb = packed(&long);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(text(&bomb), Err(Unreadable::TooLong));
        let cut = packed(TEXT.as_bytes());
        assert!(text(&cut[..cut.len() - 9]).is_ok());
    }
}
