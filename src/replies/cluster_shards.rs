//! CLUSTER SHARDS (Redis 7.0): how each node of a cluster is reached, and how it is.

use super::Reply;

/// A node as CLUSTER SHARDS shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardNode {
    /// Its 40 hexadecimal digits.
    pub id: String,
    /// Where clients are to connect (`cluster-preferred-endpoint-type`); empty or `?`: at the host that was asked.
    pub endpoint: String,
    /// Port without TLS; `None`: it has none.
    pub port: Option<u16>,
    /// Port with TLS; `None`: it has none.
    pub tls_port: Option<u16>,
    /// `online`, `failed` or `loading`.
    pub health: String,
}

impl ShardNode {
    /// Parses an answer: a list of shards, each with its nodes. What is no node is left out.
    pub fn parse_list(reply: &Reply) -> Vec<Self> {
        let nodes = |shard: &Reply| shard.field("nodes").map(|nodes| nodes.items().to_vec()).unwrap_or_default();
        reply.items().iter().flat_map(nodes).filter_map(|node| Self::parse(&node)).collect()
    }

    fn parse(node: &Reply) -> Option<Self> {
        let text = |name: &str| node.field(name).and_then(Reply::text);
        let port = |name: &str| u16::try_from(node.field(name)?.integer()?).ok().filter(|port| *port > 0);
        Some(Self {
            id: text("id")?,
            endpoint: text("endpoint").or_else(|| text("ip")).unwrap_or_default(),
            port: port("port"),
            tls_port: port("tls-port"),
            health: text("health").unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_all_shards_are_read_and_what_is_none_is_left_out() {
        let list = |words: Vec<Reply>| Reply::Array(words);
        let node = |id: &str, more: Vec<Reply>| list([vec!["id".into(), id.into()], more].concat());
        let reply = list(vec![
            list(vec![
                "slots".into(),
                list(vec![0.into(), 5460.into()]),
                "nodes".into(),
                list(vec![
                    node(
                        "aa",
                        vec![
                            "port".into(),
                            7000.into(),
                            "ip".into(),
                            "10.0.0.1".into(),
                            "health".into(),
                            "online".into(),
                        ],
                    ),
                    node("bb", vec!["tls-port".into(), 7443.into(), "endpoint".into(), "b.example".into()]),
                    "odd".into(),
                ]),
            ]),
            "odd".into(),
        ]);
        let nodes = ShardNode::parse_list(&reply);
        assert_eq!(nodes.len(), 2);
        assert_eq!((nodes[0].endpoint.as_str(), nodes[0].port, nodes[0].tls_port), ("10.0.0.1", Some(7000), None));
        assert_eq!((nodes[1].endpoint.as_str(), nodes[1].port, nodes[1].tls_port), ("b.example", None, Some(7443)));
    }
}
