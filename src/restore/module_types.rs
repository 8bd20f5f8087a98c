//! Which module has which type: a file names types, a server names modules. Types of Redis Stack 7.4 and Redis 8, as their modules
//! register them (seen in files of Redis 7.4.1), and of Valkey's bundle.

/// A type's name and those of the modules that have it, as servers list them; and whether those modules take a malformed value for an
/// error (`handle-io-errors` in `INFO modules`): of the others the whole server ends, also in RESTORE (seen with 7.4.1).
const TYPES: &[(&str, &[&str], bool)] = &[
    ("ReJSON-RL", &["ReJSON", "json"], true),
    ("MBbloom--", &["bf"], false),
    ("MBbloomCF", &["bf"], false),
    ("CMSk-TYPE", &["bf"], false),
    ("TopK-TYPE", &["bf"], false),
    ("TDIS-TYPE", &["bf"], false),
    ("bloomfltr", &["bf"], false),
    ("TSDB-TYPE", &["timeseries"], false),
    ("trietype0", &["search"], true),
    ("scdtype00", &["search"], true),
    ("ft_index0", &["search"], true),
    ("ft_invidx", &["search"], true),
    ("graphdata", &["graph"], false),
];

/// The types that a server's modules have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleTypes {
    /// Bits of the types that the server's modules have, by their index in the table.
    known: u32,
    /// Whether the server has a module that is not in the table, whose types nobody knows.
    others: bool,
}

/// Whether a server has a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Has {
    /// One of its modules has it.
    Yes,
    /// None of its modules has it.
    No,
    /// It is not known which module has it, and this server has some that we do not know.
    Unknown,
}

impl ModuleTypes {
    /// The types of a server with these modules.
    pub fn of(modules: &[String]) -> Self {
        let has = |names: &[&str]| modules.iter().any(|module| names.contains(&module.as_str()));
        let known = TYPES.iter().enumerate().filter(|(_, (_, names, _))| has(names)).map(|(index, _)| 1 << index).sum();
        let is_known = |module: &String| {
            is_part_of_server(module) || TYPES.iter().any(|(_, names, _)| names.contains(&module.as_str()))
        };
        Self { known, others: !modules.iter().all(is_known) }
    }

    /// Whether it has a type of this name; `module:` before it does not matter.
    pub fn has(self, type_name: &str) -> Has {
        let name = type_name.strip_prefix("module:").unwrap_or(type_name);
        match TYPES.iter().position(|(known, ..)| *known == name) {
            Some(index) if self.known & 1 << index != 0 => Has::Yes,
            // A module that is not in the table may have it under the same name.
            _ if self.others => Has::Unknown,
            _ => Has::No,
        }
    }
}

/// What is listed as a module and comes with every server of that kind: the vector sets of Redis 8, the Lua engine of Valkey 9.
pub fn is_part_of_server(module: &str) -> bool {
    matches!(module, "vectorset" | "lua")
}

/// Whether a server outlives a malformed value of this type; of a type that nobody knows that is not known.
pub fn survives_malformed(type_name: &str) -> bool {
    let name = type_name.strip_prefix("module:").unwrap_or(type_name);
    TYPES.iter().any(|(known, _, survives)| *known == name && *survives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(modules: &[&str], type_name: &str, expected: Has) {
        let modules: Vec<String> = modules.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(ModuleTypes::of(&modules).has(type_name), expected, "{modules:?} {type_name}");
    }

    #[test]
    fn a_server_has_the_types_of_its_modules() {
        check(&[], "ReJSON-RL", Has::No);
        check(&["vectorset"], "module:ReJSON-RL", Has::No);
        check(&["ReJSON"], "module:ReJSON-RL", Has::Yes);
        check(&["bf", "search"], "ReJSON-RL", Has::No);
        check(&["bf", "search"], "ft_index0", Has::Yes);
        check(&["bf", "mine"], "ReJSON-RL", Has::Unknown);
        check(&["bf"], "mine-type", Has::No);
        check(&["mine"], "mine-type", Has::Unknown);
    }
}
