//! CLUSTER NODES: one line a node, as the node that was asked sees the cluster.

use serde::{Deserialize, Serialize};

/// Bytes of a line that are read: slots of one node are at most 8192 separate numbers.
const LINE_LIMIT: usize = 128 << 10;

/// A node of a cluster, as another node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterNode {
    /// Its 40 hexadecimal digits.
    pub id: String,
    /// Host; empty where nobody knows it yet.
    pub host: String,
    /// Port for clients.
    pub port: u16,
    /// The name it announces (7.0); empty for none.
    pub hostname: String,
    /// `myself`, `master`, `slave`, `fail?`, `fail`, `handshake`, `noaddr`, `nofailover`.
    pub flags: Vec<String>,
    /// Id of the primary that it follows.
    pub primary: Option<String>,
    /// Its configuration epoch.
    pub epoch: u64,
    /// Ranges of slots it serves, both ends included. Slots on the move are left out.
    pub slots: Vec<(u16, u16)>,
    /// Slots on the move, to it or from it; only a node itself tells that.
    pub moving: usize,
    /// The first of them.
    #[serde(default)]
    pub first_moving: Option<u16>,
    /// All of them.
    #[serde(skip)]
    pub marks: Vec<u16>,
}

impl ClusterNode {
    /// Parses an answer; lines that are none are left out.
    pub fn parse_list(bytes: &[u8]) -> Vec<Self> {
        String::from_utf8_lossy(bytes).lines().filter(|line| line.len() <= LINE_LIMIT).filter_map(Self::parse).collect()
    }

    /// Parses a line: id, address, flags, primary, two times, epoch, link, slots.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (id, address, flags, primary) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let epoch = words.nth(2)?.parse().ok()?;
        // `10.0.0.1:6379@16379,name,shard-id=…`; addresses of IPv6 hold colons, too.
        let mut parts = address.split(',');
        let place = parts.next()?.split('@').next()?;
        let (host, port) = place.rsplit_once(':')?;
        let hostname = parts.next().filter(|name| !name.contains('=')).unwrap_or_default();
        let words: Vec<&str> = words.skip(1).collect();
        let marks = words.iter().filter_map(|word| word.strip_prefix('['));
        let moving = marks.clone().count();
        let marks: Vec<u16> = marks.filter_map(|mark| mark.split('-').next()?.parse().ok()).collect();
        let slots = words.into_iter().filter(|word| !word.starts_with('[')).filter_map(|word| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some(Self {
            id: id.to_owned(),
            host: host.to_owned(),
            port: port.parse().ok()?,
            hostname: hostname.to_owned(),
            flags: flags.split(',').map(str::to_owned).collect(),
            primary: (primary != "-").then(|| primary.to_owned()),
            epoch,
            slots: slots.collect(),
            moving,
            first_moving: marks.first().copied(),
            marks,
        })
    }

    /// Whether it has a flag.
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// The majority says it has failed, or nobody knows where it is.
    pub fn is_lost(&self) -> bool {
        self.is("fail") || self.is("noaddr")
    }

    /// The address as `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_version_are_read() {
        let text = "07c37df 127.0.0.1:30004@31004 slave e7d1eec 0 1426238317239 4 connected\n\
                    67ed2db 10.0.0.2:30002@31002,host-2 master - 0 1426238316232 2 connected 5461-10922\n\
                    292f8b3 ::1:30003@31003,,shard-id=69bc master - 0 1 3 connected 10923-16382 16383 [93-<-292f8b]\n\
                    6ec2392 :0@0 master,noaddr - 1 1 9 disconnected\n\
                    garbage\n";
        let nodes = ClusterNode::parse_list(text.as_bytes());
        assert_eq!(nodes.iter().map(|node| node.epoch).collect::<Vec<_>>(), [4, 2, 3, 9]);
        assert_eq!(nodes[0].primary.as_deref(), Some("e7d1eec"));
        assert_eq!((nodes[1].hostname.as_str(), nodes[1].slots.as_slice()), ("host-2", &[(5461, 10922)][..]));
        assert_eq!((nodes[2].address().as_str(), nodes[2].hostname.as_str()), ("::1:30003", ""));
        assert_eq!(nodes[2].slots, [(10923, 16382), (16383, 16383)], "a slot on the move is not served twice");
        assert_eq!(nodes.iter().map(|node| node.moving).collect::<Vec<_>>(), [0, 0, 1, 0]);
        assert!(nodes[3].is_lost() && !nodes[0].is_lost());
    }
}
