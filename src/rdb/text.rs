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

/// A score or ASCII double as the servers read it with `strtod`; `None` where it is not a number (or not one at all).
#[inline]
pub(crate) fn score(text: &[u8]) -> Option<f64> {
    // `%.17g` writes at most 24 bytes; servers copy into 128 and refuse or cut what is longer.
    if text.len() > 255 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<f64>().ok().filter(|score| !score.is_nan())
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
    fn scores_are_numbers_or_nothing() {
        let cases: &[(&str, Option<f64>)] = &[
            ("1.5", Some(1.5)),
            ("inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("1e+16", Some(1e16)),
            ("-0", Some(-0.0)),
            ("3.1415926535897931", Some(std::f64::consts::PI)),
            ("nan", None),
            ("-nan", None),
            ("", None),
            ("1.2.3", None),
            ("abc", None),
        ];
        for (text, expected) in cases {
            assert_eq!(score(text.as_bytes()).map(f64::to_bits), expected.map(f64::to_bits), "{text:?}");
        }
    }
}
