//! Pages and messages as text: without the marks of HTML, and with its entities read.

/// Marks of a page that end a line.
const LINE_ENDS: &[&str] = &["br", "/tr", "/p", "/li", "/div", "/h1", "/h2", "/h3"];
/// Marks that only dress what they stand around; a cell of a table ends at a blank.
const DRESS: &[&str] = &[
    "pre", "code", "tr", "td", "th", "table", "tbody", "thead", "p", "li", "ul", "div", "span", "b", "h1", "h2", "h3",
    "html", "body",
];

/// Entities that stand in what servers answer, without the signs around them.
const NAMES: &[(&str, char)] = &[
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("amp", '&'),
    ("nbsp", ' '),
    ("equals", '='),
    ("colon", ':'),
    ("comma", ','),
    ("semi", ';'),
    ("num", '#'),
    ("lowbar", '_'),
    ("UnderBar", '_'),
    ("hyphen", '-'),
    ("period", '.'),
    ("sol", '/'),
    ("percnt", '%'),
    ("ast", '*'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("lbrace", '{'),
    ("lcub", '{'),
    ("rbrace", '}'),
    ("rcub", '}'),
    ("vert", '|'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
];
/// Bytes between `&` and `;`.
const LONGEST: usize = 10;

/// A page as text: `used_memory:1<br>`, `<td>used_memory</td><td>1</td>`, `&gt;`, `keys&#61;1`.
pub(super) fn without_markup(text: String) -> String {
    let is_page = ["<br", "<pre", "<td", "<code", "<p>", "<div"].iter().any(|mark| text.contains(mark));
    if !is_page {
        // Copied out of a page's source, without the marks around it.
        return if text.contains("&#") { with_entities(&text) } else { text };
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
    with_entities(&plain)
}

/// The text with each entity read once; what is none is left.
pub(super) fn with_entities(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.bytes().take(LONGEST + 1).position(|byte| byte == b';');
        match end.and_then(|end| Some((character(&rest[..end])?, end))) {
            Some((character, end)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => plain.push('&'),
        }
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    let Some(number) = name.strip_prefix('#') else {
        return NAMES.iter().find(|(own, _)| *own == name).map(|(_, character)| *character);
    };
    let number = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    // A blank that does not break is a blank.
    char::from_u32(number.ok()?).map(|character| if character == '\u{a0}' { ' ' } else { character })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_its_text() {
        for (page, plain) in [
            ("<pre><code>used_memory:1<br>\nrole:master<br/>\n</code></pre>", "used_memory:1\nrole:master\n"),
            ("<p class=\"x\">used_memory:1<br>role:master</p>", "used_memory:1\nrole:master\n"),
            ("<tr><td>used_memory</td><td>1</td></tr>", "used_memory 1 \n"),
            ("<br>127.0.0.1:6379&gt; INFO", "\n127.0.0.1:6379> INFO"),
            ("a < b, <unknown>, no page &gt;", "a < b, <unknown>, no page &gt;"),
            ("<pre>a < b <", "a < b <"),
            ("<pre>db0:keys&#61;7,expires&#x3D;1&#10;role&colon;master</pre>", "db0:keys=7,expires=1\nrole:master"),
            ("db0:keys&#61;7", "db0:keys=7"),
            ("<br>&amp;#61; &unknown; &#xZZ; &#1114112; &", "\n&#61; &unknown; &#xZZ; &#1114112; &"),
        ] {
            assert_eq!(without_markup(page.to_owned()), plain);
        }
    }
}
