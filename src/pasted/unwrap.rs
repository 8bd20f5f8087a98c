//! What a text came in: gzip, UTF-16, a byte-order mark, other line ends, the marks of a page.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::Unreadable;

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
        return Ok(without_markup(decoded(bytes)));
    }
    let mut unpacked = Vec::new();
    // A file that was cut in the middle is read as far as it goes.
    let whole = MultiGzDecoder::new(bytes).take(LIMIT + 1).read_to_end(&mut unpacked).is_ok();
    match unpacked.len() as u64 {
        length if length > LIMIT => Err(Unreadable::TooLong),
        0 if !whole => Err(Unreadable::NothingKnown),
        _ => Ok(without_markup(decoded(&unpacked))),
    }
}

/// Marks of a page that end a line.
const LINE_ENDS: &[&str] = &["br", "/tr", "/p", "/li", "/div", "/h1", "/h2", "/h3"];
/// Marks that only dress what they stand around; a cell of a table ends at a blank.
const DRESS: &[&str] = &[
    "pre", "code", "tr", "td", "th", "table", "tbody", "thead", "p", "li", "ul", "div", "span", "b", "h1", "h2", "h3",
    "html", "body",
];

/// A page as text: `used_memory:1<br>`, `<td>used_memory</td><td>1</td>`, `&gt;`.
fn without_markup(text: String) -> String {
    let is_page = ["<br", "<pre", "<td", "<code", "<p>", "<div"].iter().any(|mark| text.contains(mark));
    if !is_page {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find('>').filter(|end| *end < 200);
        let mark = end.map(|end| rest[1..end].split([' ', '\n']).next().unwrap_or_default().trim_end_matches('/'));
        let mark = mark.map(str::to_ascii_lowercase).unwrap_or_default();
        let (ends, dresses) = (LINE_ENDS.contains(&mark.as_str()), DRESS.contains(&mark.trim_start_matches('/')));
        match end.filter(|_| ends || dresses) {
            Some(end) => rest = &rest[end + 1..],
            None => {
                plain.push('<');
                rest = &rest[1..];
            }
        }
        if ends && !rest.starts_with(['\n', '\r']) {
            plain.push('\n');
        } else if matches!(mark.as_str(), "/td" | "/th") {
            plain.push(' ');
        }
    }
    plain.push_str(rest);
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .iter()
        .fold(plain, |text, (name, character)| text.replace(name, character))
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
    fn a_page_is_read_as_its_text() {
        for (page, plain) in [
            ("<pre><code>used_memory:1<br>\nrole:master<br/>\n</code></pre>", "used_memory:1\nrole:master\n"),
            ("<p class=\"x\">used_memory:1<br>role:master</p>", "used_memory:1\nrole:master\n"),
            ("<tr><td>used_memory</td><td>1</td></tr>", "used_memory 1 \n"),
            ("<br>127.0.0.1:6379&gt; INFO", "\n127.0.0.1:6379> INFO"),
            ("a < b, <unknown>, no page &gt;", "a < b, <unknown>, no page &gt;"),
            ("<pre>a < b <", "a < b <"),
        ] {
            assert_eq!(text(page.as_bytes()).expect("a text"), plain);
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
