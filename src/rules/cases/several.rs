//! Lines of a case about other servers, slots and earlier runs.

use super::healthy::{healthy, with};
use crate::introspection::{Estimate, Part, Peer, Peers, PrefixesBefore, Quorum, SentinelSeen, Snapshot};
use crate::replies::{ClusterNode, HotKeys, Info, SlotStats};

fn changes(words: &[&str]) -> Vec<(String, Option<String>)> {
    let pairs = words.iter().filter_map(|word| word.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect()
}

fn number<T: std::str::FromStr>(words: &[&str], at: usize) -> T {
    words[at].parse().unwrap_or_else(|_| panic!("`{}` is no number", words[at]))
}

fn push<T: Clone>(part: &mut Part<Vec<T>>, item: T) {
    let mut items = part.got().cloned().unwrap_or_default();
    items.push(item);
    *part = Part::Got(items);
}

pub fn add(snapshot: &mut Snapshot, word: &str, rest: &str, words: &[&str]) {
    match word {
        "node" => push(&mut snapshot.answers.nodes, ClusterNode::parse(rest).expect("a node")),
        "node_before" => push(&mut snapshot.nodes_before, ClusterNode::parse(rest).expect("a node")),
        "slot" => {
            let cpu_usec = words.get(2).map(|_| number(words, 2));
            push(&mut snapshot.answers.slots, SlotStats { slot: number(words, 0), keys: number(words, 1), cpu_usec });
        }
        // `hot 1000000 key 300000`: microseconds of all, a key, its own.
        "hot" => {
            let by_cpu = vec![(words[1].as_bytes().to_vec(), number(words, 2))];
            let cpu_usec = number(words, 0);
            snapshot.answers.hot_keys =
                Part::Got(HotKeys { by_cpu, cpu_usec, duration_ms: 10_000, ..HotKeys::default() });
        }
        "sentinel" => {
            let (tilt, says) = rest.split_once(' ').unwrap_or((rest, "OK 3 usable Sentinels"));
            let reached = says.starts_with("OK");
            let quorum = Quorum { group: "mymaster".into(), reached, says: says.into() };
            let info = Info::parse(&format!("sentinel_tilt:{tilt}\n"));
            push(
                &mut snapshot.sentinels,
                SentinelSeen { address: "10.0.0.7:26379".into(), info, groups: vec![quorum] },
            );
        }
        "grew" => {
            let keys: f64 = number(words, 2);
            let keys = [(words[1].to_owned(), Estimate { least: keys, most: keys })].into();
            push(&mut snapshot.prefixes_before, PrefixesBefore { seconds_ago: number(words, 0), keys });
        }
        _ => {
            let mut peers = snapshot.peers.got().cloned().unwrap_or_default();
            peer(&mut peers, word, rest, words);
            snapshot.peers = Part::Got(peers);
        }
    }
}

fn peer(peers: &mut Peers, word: &str, rest: &str, words: &[&str]) {
    let address = words[0].to_owned();
    match word {
        "unreachable" => peers.unreachable.push((address, "connection refused".to_owned())),
        // A node that answers, and how it sees itself.
        "claims" => {
            let node = ClusterNode::parse(rest).expect("a node");
            let nodes = Part::Got(vec![node.clone()]);
            peers.seen.push(Peer { address: node.address(), info: healthy(), save: Part::NotAsked, nodes });
        }
        _ => {
            let save = words.iter().find_map(|word| word.strip_prefix("save="));
            let save = save.map_or(Part::NotAsked, |save| Part::Got(save.replace('_', " ")));
            peers.seen.push(Peer {
                address,
                info: with(&healthy(), &changes(&words[1..])),
                save,
                nodes: Part::NotAsked,
            });
        }
    }
}
