//! A field of INFO as people write it: `used_memory: 1,048,576`, `"used_memory"=>"7.98G",`.

use super::known;

/// Reads `name:value` from a line, whatever stands between and around the two; `None` where that is no field.
///
/// `within`: the line before was one, so that a name nobody knows is a field, too.
pub(super) fn parse(line: &str, within: bool) -> Option<(String, String)> {
    named(line, within).or_else(|| titled(line))
}

/// `Used Memory: 1.05 GB`, `Connected clients  5`: the name as a window shows it, or with blanks where a scan has lost the underscores.
fn titled(line: &str) -> Option<(String, String)> {
    /// Words of a name, at most.
    const WORDS: usize = 5;
    let line = line.replacen(':', " : ", 1);
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let of_name = words.iter().take(WORDS).take_while(|word| is_word(word)).count();
    // One word alone is the beginning of a sentence, unless it is written as a title: `Maxmemory 10.0 MB`.
    let is_title = words.first().is_some_and(|word| word.starts_with(|letter: char| letter.is_ascii_uppercase()));
    let names = (if is_title { 1 } else { 2 }..=of_name)
        .rev()
        .map(|count| (count, words[..count].join("_").to_ascii_lowercase()));
    // A version in words is what people say of INFO that comes below.
    let (count, name) = names.filter(|(_, name)| name != "redis_version").find(|(_, name)| known::is_info(name))?;
    let value = words[count..].join(" ");
    let value = value.trim_start_matches([':', '=', '|', ' ']);
    let number = |word: &str| word.starts_with(|character: char| character.is_ascii_digit());
    // `5`, `12 345`, `1.05 GB`, `7.0.15`; a sentence goes on.
    let rest: Vec<&str> = value.split(' ').collect();
    let is_value = match rest.as_slice() {
        [one] => number(one) || VALUES.contains(one),
        [.., unit] if size(&format!("1{unit}")).is_some() => rest[..rest.len() - 1].iter().all(|word| number(word)),
        words => words.iter().all(|word| number(word)),
    };
    is_value.then(|| (name, value.to_owned()))
}

/// Words that values are.
const VALUES: &[&str] = &["ok", "err", "up", "down", "noeviction", "master", "slave", "fail"];

fn named(line: &str, within: bool) -> Option<(String, String)> {
    let line = line.trim().trim_start_matches("- ").trim_start_matches("* ").trim_start_matches('\\');
    let line = line.trim_start_matches(['{', '[']).trim_start();
    let end = line.find(|character: char| !(character.is_ascii_alphanumeric() || "_-.\"'`*".contains(character)))?;
    let name = line[..end].trim_matches(['"', '\'', '`', '*']);
    let known = known::is_info(name);
    if known && let Some(value) = in_a_column(name, &line[end..]) {
        return Some((name.to_owned(), unquoted(value).to_owned()));
    }
    // PHP's print_r: `[used_memory] => 1024`.
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix(']').filter(|rest| rest.starts_with(" =>")).unwrap_or(rest).trim_start();
    let (separator, value) = ["=>", ":", "="].iter().find_map(|mark| Some((*mark, rest.strip_prefix(mark)?)))?;
    // `sync_full = 3` is a field, and `module=…` within a line of another is none.
    if separator == "=" && !(known && name.contains('_')) {
        return None;
    }
    let sound =
        name.contains('_') && !value.starts_with([' ', '/']) && name.starts_with(|c: char| c.is_ascii_lowercase());
    let follows = within && sound && separator == ":";
    if !(known || follows) {
        return None;
    }
    let value = unquoted(value);
    // Prose: `role: the master takes writes`. Pairs are none: `db0: keys=27,113, expires=0`.
    let pairs = value.split(' ').next().is_some_and(|word| word.contains('='));
    if name.len() < 8 && !name.contains('_') && !WORDY.contains(&name) && value.contains(' ') && !pairs {
        return None;
    }
    Some((name.to_owned(), value.to_owned()))
}

/// The value where names and values stand in two columns: `used_memory,1024`, `used_memory   1024`.
fn in_a_column<'a>(name: &str, rest: &'a str) -> Option<&'a str> {
    let value = rest.strip_prefix([',', ';', ' '])?.trim();
    // A sentence may begin with the name of a field: its value is a number, or one of the words that values are.
    let plain = value.trim_matches('"');
    let is_value = plain.starts_with(|character: char| character.is_ascii_digit())
        || VALUES.contains(&plain)
        || plain.starts_with("allkeys-")
        || plain.starts_with("volatile-")
        || plain.starts_with("keys=");
    // `maxmemory 20mb` is a line of redis.conf; with a comma it is none.
    let named = !rest.starts_with(' ') || name.contains('_') || name == "role" || plain.starts_with("keys=");
    (is_value && named && !plain.contains(' ')).then_some(value)
}

/// Fields with a short name whose value has blanks.
const WORDY: &[&str] = &["os", "module"];

fn unquoted(value: &str) -> &str {
    let value = value.trim().trim_end_matches([',', '}', ';']).trim_end();
    let value = ["u'", "b'", "u\"", "b\""].iter().find_map(|mark| value.strip_prefix(mark)).unwrap_or(value);
    value.trim_matches(['"', '\'', '`', '*'])
}

/// A value as the server writes it: without separators of thousands, sizes in bytes.
pub(super) fn value(name: &str, text: &str) -> String {
    if is_size(name)
        && let Some(bytes) = size(text)
    {
        return bytes.to_string();
    }
    grouped(text).or_else(|| pairs(text)).unwrap_or_else(|| text.to_owned())
}

/// A value that a scan has read from a picture, with digits for the letters that look like them: `l048576`, `maxmemory:O`; `None` where
/// it is as it should be.
pub(super) fn scanned(name: &str, text: &str) -> Option<String> {
    let digits = |text: &str, alone: bool| -> Option<String> {
        let is_one = |character: char| character.is_ascii_digit() || "lIOo|.".contains(character);
        let sound =
            !text.is_empty() && text.chars().all(is_one) && (alone || text.contains(|c: char| c.is_ascii_digit()));
        let plain = text.replace(['l', 'I', '|'], "1").replace(['O', 'o'], "0");
        (sound && plain != text && !text.ends_with('.')).then_some(plain)
    };
    if name == "role" {
        return (text == "rnaster").then(|| "master".to_owned());
    }
    if !text.contains('=') {
        return digits(text, is_size(name));
    }
    let mut changed = false;
    let parts: Vec<String> = text
        .split(',')
        .map(|part| match part.split_once('=').and_then(|(name, value)| Some((name, digits(value, false)?))) {
            Some((name, value)) => {
                changed = true;
                format!("{name}={value}")
            }
            None => part.to_owned(),
        })
        .collect();
    changed.then(|| parts.join(","))
}

/// `keys=27,113, expires=0` as `keys=27113,expires=0`; `None` where that are no pairs, or nothing stands in them that should not.
fn pairs(text: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let digits = part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
        match parts.last_mut() {
            Some(before) if digits && before.ends_with(|end: char| end.is_ascii_digit()) => before.push_str(part),
            _ if part.contains('=') => parts.push(part.to_owned()),
            _ => return None,
        }
    }
    let plain = parts.join(",");
    (plain != text).then_some(plain)
}

/// Fields that count bytes: a unit behind their number is somebody else's rounding.
fn is_size(name: &str) -> bool {
    let sizes = [
        "used_memory",
        "maxmemory",
        "total_system_memory",
        "mem_",
        "allocator_",
        "rss_overhead_bytes",
        "repl_backlog_size",
    ];
    let other = ["_human", "_perc", "_ratio", "_policy", "_allocator", "_time"];
    sizes.iter().any(|beginning| name.starts_with(beginning)) && !other.iter().any(|end| name.ends_with(end))
}

/// The fields that only their `_human` form tells: name and bytes.
pub(super) fn from_human(name: &str, text: &str) -> Option<(String, String)> {
    let plain = name.strip_suffix("_human")?;
    Some((plain.to_owned(), size(text)?.to_string()))
}

/// `24.69M`, `230.91MiB`, `860.61K`, `0B`: INFO counts in powers of 1024, whatever the letter.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|character: char| !(character.is_ascii_digit() || character == '.'))?;
    let (number, unit) = (text[..at].parse::<f64>().ok()?, text[at..].trim());
    let shift = match unit.to_ascii_lowercase().as_str() {
        "b" | "bytes" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = number * (1_u64 << shift) as f64;
    (bytes < 9e18).then_some(bytes.round() as u64)
}

/// `1,048,576`, `1 048 576`, `1_048_576` and `1.048.576` without what stands between; `None` where that is no such number.
fn grouped(text: &str) -> Option<String> {
    for mark in [',', ' ', '_', '\'', '.', '\u{202f}'] {
        let groups: Vec<&str> = text.split(mark).collect();
        // With one point it is a fraction.
        let least = if mark == '.' { 3 } else { 2 };
        let digits = |group: &&str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
        let first = groups[0].strip_prefix('-').unwrap_or(groups[0]);
        let sound = groups.len() >= least && digits(&first) && first.len() <= 3;
        if sound && groups[1..].iter().all(|group| group.len() == 3 && digits(group)) {
            return Some(groups.concat());
        }
    }
    None
}

/// A size as redis.conf writes it: `20M` is 20,000,000 there, `20mb` is 20 MiB.
pub(super) fn setting(name: &str, text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let at = lower.find(|character: char| !character.is_ascii_digit()).unwrap_or(lower.len());
    let unit = match &lower[at..] {
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return text.trim().trim_matches('"').to_owned(),
    };
    let sized =
        ["maxmemory", "repl-backlog-size", "client-query-buffer-limit", "auto-aof-rewrite-min-size"].contains(&name);
    match lower[..at].parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(bytes) if sized => bytes.to_string(),
        _ => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_every_form() {
        for line in [
            "used_memory:1024",
            "  used_memory:1024",
            "used_memory: 1024",
            "used_memory : 1024",
            "used_memory = 1024",
            "- used_memory: 1024",
            "\"used_memory\": 1024,",
            "'used_memory': 1024,",
            "{\"used_memory\"=>\"1024\",",
            " \"used_memory\"=>\"1024\"}",
            "**used_memory**: `1024`",
            "    [used_memory] => 1024",
            "used_memory,1024",
            "\"used_memory\",\"1024\"",
            "used_memory;1024",
            "used_memory    1024",
        ] {
            assert_eq!(parse(line, false), Some(("used_memory".into(), "1024".into())), "{line}");
        }
        for (line, field) in [
            ("role,master", ("role", "master")),
            ("maxmemory,0", ("maxmemory", "0")),
            ("maxmemory_policy allkeys-lru", ("maxmemory_policy", "allkeys-lru")),
            ("db0,keys=1,expires=0", ("db0", "keys=1,expires=0")),
            ("db0: keys=27,113, expires=0", ("db0", "keys=27,113, expires=0")),
            ("Used Memory: 1.05 GB", ("used_memory", "1.05 GB")),
            ("Connected clients  5", ("connected_clients", "5")),
            ("Total Commands Processed : 12 345 678", ("total_commands_processed", "12 345 678")),
            ("used memory rss:1024", ("used_memory_rss", "1024")),
            ("Maxmemory 10.0 MB", ("maxmemory", "10.0 MB")),
        ] {
            assert_eq!(parse(line, false), Some((field.0.into(), field.1.into())), "{line}");
        }
        assert_eq!(parse("new_field_of_9:7", true), Some(("new_field_of_9".into(), "7".into())));
        for line in [
            "new_field_of_9:7",
            "note: this",
            "https://x.example/used_memory:1",
            "role: it takes writes",
            "used_memory is what counts",
            "Used memory is what counts",
            "used memory 5 is too much",
            "used_memory 1024 is too much",
            "role model",
            "# Memory",
            "",
            ":",
        ] {
            assert_eq!(parse(line, false), None, "{line}");
        }
    }

    #[test]
    fn letters_that_a_scan_took_for_digits_are_digits() {
        for (name, text, expected) in [
            ("used_memory", "l048576", Some("1048576")),
            ("maxmemory", "O", Some("0")),
            ("db0", "keys=l0,expires=0,avg_ttl=lO0", Some("keys=10,expires=0,avg_ttl=100")),
            ("role", "rnaster", Some("master")),
            ("mem_fragmentation_ratio", "l.5O", Some("1.50")),
            ("used_memory", "1048576", None),
            ("mem_allocator", "libc", None),
            ("role", "slave", None),
            ("os", "Ol", None),
            ("slave0", "ip=10.0.0.2,port=6379,state=online", None),
        ] {
            assert_eq!(scanned(name, text).as_deref(), expected, "{name} {text}");
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (name, text, expected) in [
            ("total_commands_processed", "1,405,498,323", "1405498323"),
            ("total_commands_processed", "1 405 498 323", "1405498323"),
            ("total_commands_processed", "1.405.498.323", "1405498323"),
            ("mem_fragmentation_ratio", "1.034", "1.034"),
            ("used_memory_rss", "13.04G", "14001593385"),
            ("used_memory", "230.91MiB", "242126684"),
            ("used_memory_human", "24.69M", "24.69M"),
            ("slave0", "10.0.0.2,54223,online", "10.0.0.2,54223,online"),
            ("db0", "keys=1,expires=2", "keys=1,expires=2"),
            ("db0", "keys=27,113, expires=0, avg_ttl=0", "keys=27113,expires=0,avg_ttl=0"),
            ("cmdstat_get", "calls=1,405,498,usec=5", "calls=1405498,usec=5"),
            ("slave0", "ip=10.0.0.2, port=6379, state=online", "ip=10.0.0.2,port=6379,state=online"),
            ("redis_version", "7.0.15", "7.0.15"),
        ] {
            assert_eq!(value(name, text), expected, "{name} {text}");
        }
        assert_eq!(from_human("used_memory_rss_human", "236.4M"), Some(("used_memory_rss".into(), "247883366".into())));
        assert_eq!(
            (setting("maxmemory", "20M"), setting("maxmemory", "2gb")),
            ("20000000".into(), "2147483648".into())
        );
        assert_eq!(
            (setting("save", "900 1"), setting("maxmemory-policy", "allkeys-lru")),
            ("900 1".into(), "allkeys-lru".into())
        );
    }
}
