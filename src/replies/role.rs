//! ROLE: what a server is, without the rest of INFO.

use serde::{Deserialize, Serialize};

use super::Reply;

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Role {
    /// It takes writes.
    Primary {
        /// Replication offset.
        offset: u64,
        /// Connected replicas.
        replicas: usize,
    },
    /// It follows another.
    Replica {
        /// Host of its primary.
        host: String,
        /// Port of its primary.
        port: u16,
        /// `connect`, `connecting`, `sync`, `connected`, `handshake`, `none`, `unknown`.
        link: String,
        /// Bytes processed so far; `None` before the first sync.
        offset: Option<u64>,
    },
    /// It watches others.
    Sentinel,
}

impl Role {
    /// Parses an answer; `None` if it is none.
    pub fn parse(reply: &Reply) -> Option<Self> {
        let fields = reply.items();
        let number = |at: usize| fields.get(at).and_then(Reply::integer).and_then(|number| u64::try_from(number).ok());
        match fields.first()?.text()?.as_str() {
            "master" => Some(Self::Primary { offset: number(1)?, replicas: fields.get(2)?.items().len() }),
            "slave" => Some(Self::Replica {
                host: fields.get(1)?.text()?,
                port: u16::try_from(number(2)?).ok()?,
                link: fields.get(3)?.text()?,
                offset: number(4),
            }),
            "sentinel" => Some(Self::Sentinel),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_read() {
        let primary = Reply::Array(vec!["master".into(), 312.into(), Reply::Array(vec![Reply::Nil])]);
        assert_eq!(Role::parse(&primary), Some(Role::Primary { offset: 312, replicas: 1 }));
        let replica = Reply::Array(vec!["slave".into(), "10.0.0.1".into(), 6379.into(), "connect".into(), (-1).into()]);
        let expected = Role::Replica { host: "10.0.0.1".into(), port: 6379, link: "connect".into(), offset: None };
        assert_eq!(Role::parse(&replica), Some(expected));
        assert_eq!(Role::parse(&Reply::Array(vec!["sentinel".into(), Reply::Array(vec![])])), Some(Role::Sentinel));
        assert_eq!(Role::parse(&Reply::Array(vec!["slave".into()])), None);
        assert_eq!(Role::parse(&Reply::Nil), None);
    }
}
