//! Sees to it that a reply in XML has come to its end. A proxy or a gateway that gives up in the middle may say that this was all, and what
//! has come of a listing looks like a whole one to a reader that does not miss the end.

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// The reason of the error, by which it is known again.
pub(super) const CUT: &str = "the XML of the store's reply breaks off before its end";

/// Looks at each reply.
#[derive(Debug)]
pub(super) struct Whole;

impl Intercept for Whole {
    fn name(&self) -> &'static str {
        "Whole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        // The body of an object is a stream, and has no bytes here.
        let body = response.body().bytes().filter(|_| response.status().is_success());
        if body.is_some_and(is_cut) { Err(CUT.into()) } else { Ok(()) }
    }
}

/// Whether this is XML without the end of its root element.
fn is_cut(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    let mut rest = body;
    // What stands before the root element: the declaration, comments.
    let name = loop {
        let Some(after) = rest.strip_prefix(b"<") else { return rest.is_empty() && !body.is_empty() };
        if !after.starts_with(b"?") && !after.starts_with(b"!") {
            break after
                .split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
                .next()
                .unwrap_or(after);
        }
        let Some(end) = after.iter().position(|byte| *byte == b'>') else { return true };
        rest = after[end + 1..].trim_ascii_start();
    };
    let end = [b"</", name, b">"].concat();
    let is_empty_element = body.ends_with(b"/>") && rest.iter().filter(|byte| **byte == b'<').count() == 1;
    !body.ends_with(&end) && !is_empty_element
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_cut_wherever_its_root_element_does_not_end() {
        let whole = "<?xml version=\"1.0\"?>\n<List xmlns=\"http://x/\"><Key>a/b</Key><Empty/></List>";
        for body in [whole, "<List/>", "<List a=\"b\"/>\n", "\u{feff}<!-- of a store --><L></L>", "", "  \n", "no XML"]
        {
            assert!(!is_cut(body.as_bytes()), "{body}");
        }
        for end in 1..whole.len() {
            assert!(is_cut(&whole.as_bytes()[..end]), "{}", &whole[..end]);
        }
    }
}
