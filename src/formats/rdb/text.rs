//! Numbers as Redis writes and reads them in text.

/// Room for the longest integer, `-9223372036854775808`.
pub(crate) type IntegerText = [u8; 20];

/// Decimal text of an integer, in `buffer`.
#[inline]
pub(crate) fn integer(value: i64, buffer: &mut IntegerText) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

/// A score that stands there as text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ScoreText {
    /// A number as servers write it.
    Plain(f64),
    /// A number that servers read (with `strtod`), but do not write so.
    Odd(f64),
    /// The text says NaN.
    NotANumber,
    /// The text is no number.
    Unreadable,
}

impl ScoreText {
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Plain(_) | Self::Odd(_))
    }
}

/// A score or ASCII double as the servers read it.
#[inline]
pub(crate) fn score(text: &[u8]) -> ScoreText {
    // `%.17g` writes at most 24 bytes; servers copy into 128 and refuse or cut what is longer.
    let parsed =
        std::str::from_utf8(text).ok().filter(|text| text.len() < 128).and_then(|text| text.parse::<f64>().ok());
    match parsed {
        Some(score) if score.is_nan() => ScoreText::NotANumber,
        Some(score) => ScoreText::Plain(score),
        None => leniently(text),
    }
}

/// As C's `strtod` does it: blanks before it, hexadecimal digits, and anything behind it.
#[cold]
fn leniently(text: &[u8]) -> ScoreText {
    let text = &text[..text.len().min(127)];
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let found = match digits {
        [b'0', b'x' | b'X', hex @ ..] if hex.first().is_some_and(u8::is_ascii_hexdigit) => Some(hexadecimal(hex)),
        [a, b, c, ..] if [a, b, c].map(u8::to_ascii_lowercase) == *b"nan" => return ScoreText::NotANumber,
        [a, b, c, ..] if [a, b, c].map(u8::to_ascii_lowercase) == *b"inf" => Some(f64::INFINITY),
        _ => (1..=digits.len()).rev().find_map(|end| std::str::from_utf8(&digits[..end]).ok()?.parse().ok()),
    };
    match found {
        Some(score) if digits.first().is_none_or(|first| !matches!(first, b'+' | b'-')) => {
            ScoreText::Odd(if negative { -score } else { score })
        }
        _ => ScoreText::Unreadable,
    }
}

/// Hexadecimal digits with a point and a binary exponent.
fn hexadecimal(text: &[u8]) -> f64 {
    let (mut value, mut exponent, mut after_point, mut at) = (0.0_f64, 0_i32, false, 0);
    while let Some(byte) = text.get(at) {
        match (byte, char::from(*byte).to_digit(16)) {
            (_, Some(digit)) => {
                value = value * 16.0 + f64::from(digit);
                exponent -= if after_point { 4 } else { 0 };
            }
            (b'.', _) if !after_point => after_point = true,
            _ => break,
        }
        at += 1;
    }
    if let Some([b'p' | b'P', rest @ ..]) = text.get(at..) {
        let end = rest.iter().skip(1).position(|byte| !byte.is_ascii_digit()).map_or(rest.len(), |at| at + 1);
        let written = std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse::<i32>().ok());
        exponent = exponent.saturating_add(written.unwrap_or(0));
    }
    value * 2_f64.powi(exponent.clamp(-3000, 3000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_the_text_that_rust_prints() {
        for value in [0, 1, -1, 9, 10, -10, 127, -128, 65535, i64::MAX, i64::MIN, i64::MIN + 1, 1_000_000_007] {
            assert_eq!(integer(value, &mut [0; 20]), value.to_string().as_bytes());
        }
    }

    #[test]
    fn scores_are_read_as_servers_read_them() {
        use ScoreText::{NotANumber, Odd, Plain, Unreadable};
        let long = format!("1.{}", "0".repeat(200));
        let cases = [
            ("1.5", Plain(1.5)),
            ("inf", Plain(f64::INFINITY)),
            ("-inf", Plain(f64::NEG_INFINITY)),
            ("1e+16", Plain(1e16)),
            ("-0", Plain(-0.0)),
            ("3.1415926535897931", Plain(std::f64::consts::PI)),
            ("1e999", Plain(f64::INFINITY)),
            ("nan", NotANumber),
            ("-nan", NotANumber),
            ("nan(1)", NotANumber),
            ("", Unreadable),
            ("abc", Unreadable),
            ("+-1", Unreadable),
            ("-", Unreadable),
            ("1.2.3", Odd(1.2)),
            ("5abc", Odd(5.0)),
            ("-7 ", Odd(-7.0)),
            (" 1", Odd(1.0)),
            ("1e", Odd(1.0)),
            ("infinite", Odd(f64::INFINITY)),
            ("0x1A", Odd(26.0)),
            ("-0x1.8p3", Odd(-12.0)),
            ("0x", Odd(0.0)),
            (&long, Odd(1.0)),
        ];
        for (text, expected) in cases {
            assert_eq!(score(text.as_bytes()), expected, "{text:?}");
        }
    }
}
