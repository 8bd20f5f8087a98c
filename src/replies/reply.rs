//! An answer of a server as our own type: what reads the wire, and which library does, is `connection`'s affair alone.

/// An answer of a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A null: the key or the value does not exist.
    Nil,
    /// A signed whole number.
    Integer(i64),
    /// A number of RESP3.
    Double(f64),
    /// Bulk, simple and verbatim strings.
    Bytes(Vec<u8>),
    /// Arrays, sets and pushes.
    Array(Vec<Reply>),
    /// A map of RESP3.
    Map(Vec<(Reply, Reply)>),
    /// An error reply, as the server wrote it (`NOPERM …`).
    Error(String),
}

impl Reply {
    /// A string as text; what is not UTF-8 is replaced. Numbers are written out, all else is `None`.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Double(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The bytes of a string.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A number, also one written as a string.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// A number, also one written as a string; `None` for NaN and infinities.
    pub fn double(&self) -> Option<f64> {
        let number = match self {
            Self::Double(number) => *number,
            Self::Integer(number) => *number as f64,
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// The elements of an array; empty for everything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// Pairs of a map, or of an array of names and values in turn (RESP2).
    pub fn pairs(&self) -> Vec<(String, &Self)> {
        match self {
            Self::Map(pairs) => pairs.iter().filter_map(|(name, value)| Some((name.text()?, value))).collect(),
            Self::Array(items) => items.chunks_exact(2).filter_map(|pair| Some((pair[0].text()?, &pair[1]))).collect(),
            _ => Vec::new(),
        }
    }

    /// The value of a name in [`Reply::pairs`].
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.pairs().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<i64> for Reply {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_in_both_protocols() {
        let flat = Reply::Array(vec!["a".into(), 1.into(), "b".into(), "2".into(), "odd".into()]);
        let map = Reply::Map(vec![("a".into(), 1.into()), ("b".into(), "2".into())]);
        for reply in [flat, map] {
            assert_eq!(reply.field("a").and_then(Reply::integer), Some(1));
            assert_eq!(reply.field("b").and_then(Reply::integer), Some(2));
            assert_eq!(reply.field("odd"), None);
        }
        assert_eq!(Reply::from("nan").double(), None);
        assert!(Reply::Nil.items().is_empty());
    }
}
