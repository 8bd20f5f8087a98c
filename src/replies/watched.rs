//! What a Sentinel watches, by its INFO.

use super::Info;

/// Groups that are told.
const GROUPS_SHOWN: usize = 3;

/// A group that a Sentinel watches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watched {
    /// The name of the group.
    pub name: String,
    /// The address of its primary.
    pub address: String,
    /// `ok`, `sdown`, `odown`.
    pub status: String,
}

impl Watched {
    /// Those that an INFO of a Sentinel names: `master0:name=mymaster,status=ok,address=127.0.0.1:6379,…`.
    pub fn parse_list(info: &Info) -> Vec<Self> {
        let groups = info.with_prefix("master").filter(|(index, _)| index.parse::<u32>().is_ok());
        let group = |(_, group): (&str, &str)| {
            let field = |name: &str| {
                group.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("?").to_owned()
            };
            Self { name: field("name"), address: field("address"), status: field("status") }
        };
        groups.map(group).collect()
    }

    /// All of them in words.
    pub fn words(groups: &[Self]) -> String {
        let shown = groups.iter().take(GROUPS_SHOWN);
        let shown: Vec<String> =
            shown.map(|group| format!("{} at {} ({})", group.name, group.address, group.status)).collect();
        match (shown.is_empty(), groups.len() > GROUPS_SHOWN) {
            (true, _) => "nothing".to_owned(),
            (false, true) => format!("{}, …", shown.join(", ")),
            (false, false) => shown.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_and_told() {
        let line =
            |n: usize| format!("master{n}:name=group{n},status=ok,address=10.0.0.{n}:6379,slaves=1,sentinels=3\n");
        let groups = |n: usize| Watched::parse_list(&Info::parse(&(0..n).map(line).collect::<String>()));
        assert_eq!(Watched::words(&groups(0)), "nothing");
        assert_eq!(Watched::words(&groups(1)), "group0 at 10.0.0.0:6379 (ok)");
        assert!(Watched::words(&groups(4)).ends_with("group2 at 10.0.0.2:6379 (ok), …"));
        let odd = Watched::parse_list(&Info::parse("master0:\nmaster_host:a\nmasterauth:x\n"));
        assert!(odd.len() <= 1 && odd.iter().all(|group| group.name == "?"), "{odd:?}");
    }
}
