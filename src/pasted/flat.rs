//! INFO in one line, as programs log a map: Go's `map[used_memory:1024 role:master]`, Java's `{used_memory=1024, role=master}`,
//! the line protocol of InfluxDB, INFO whose line ends were lost.

use super::known;

/// Known fields that a line has to hold: fewer may be a sentence about them.
const LEAST: usize = 3;

/// A name with a mark behind it that may be a pair's.
struct Name<'a> {
    begin: usize,
    name: &'a str,
    mark: &'static str,
    value: usize,
    /// What stands before it: a blank, a comma, a bracket.
    before: char,
}

/// The fields that stand in this line, with their values; `None` where there are not several.
pub(super) fn fields(text: &str) -> Option<Vec<(String, String)>> {
    let mut names = names(text);
    let known = |name: &Name<'_>| known::is_info(name.name);
    let mark = names.iter().find(|name| known(name))?.mark;
    names.retain(|name| name.mark == mark);
    if names.iter().filter(|name| known(name)).count() < LEAST {
        return None;
    }
    // What stands between two pairs: within `db0=keys=1,expires=0` it is something else.
    let between = names.iter().filter(|name| known(name)).nth(1)?.before;
    // A map within the map ends the value before it, too.
    let inner = |name: &Name<'_>| text[name.value..].starts_with("map[") || text[name.value..].starts_with('{');
    names.retain(|name| name.before == between || known(name) || inner(name));
    let ends = names.iter().skip(1).map(|name| name.begin).chain([text.len()]);
    let pairs = names.iter().zip(ends).filter(|(name, _)| known(name)).map(|(name, end)| {
        let value = text[name.value..end].trim_matches(|c: char| c.is_whitespace() || ",;{}[]()\"'`".contains(c));
        (name.name.to_owned(), without_suffix(without_heading(value)).to_owned())
    });
    Some(pairs.collect())
}

/// Where the line ends of INFO were lost, the heading of the next section stands behind the last value of this one.
fn without_heading(value: &str) -> &str {
    let behind =
        value.rsplit_once(' ').filter(|(_, word)| known::section(word).is_some_and(|section| section == *word));
    behind.map_or(value, |(before, _)| before.trim_end_matches(['#', ' ']))
}

/// InfluxDB writes an `i` behind whole numbers.
fn without_suffix(value: &str) -> &str {
    let digits = value.strip_suffix('i').filter(|digits| !digits.is_empty());
    digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or(value)
}

fn names(text: &str) -> Vec<Name<'_>> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let bytes = text.as_bytes();
    let mut names = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_of_name(bytes[at]) {
            at += 1;
            continue;
        }
        let begin = at;
        while at < bytes.len() && is_of_name(bytes[at]) {
            at += 1;
        }
        let quote = |byte: Option<&u8>| byte.filter(|byte| matches!(byte, b'"' | b'\'')).is_some();
        let behind = at + usize::from(quote(bytes.get(at)));
        let rest = text[behind..].trim_start();
        let mark = ["=>", ":", "="].into_iter().find(|mark| rest.starts_with(mark));
        let opened = begin - usize::from(begin > 0 && quote(bytes.get(begin - 1)));
        let before = text[..opened].chars().next_back().map_or(' ', |c| if c.is_whitespace() { ' ' } else { c });
        if let Some(mark) = mark.filter(|_| " ,;{[(".contains(before)) {
            let value = text.len() - rest.len() + mark.len();
            names.push(Name { begin: opened, name: &text[begin..at], mark, value, before });
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_every_language_in_one_line_are_read() {
        for text in [
            "info: map[db0:keys=1,expires=0 os:Linux 5.1 x86_64 redis_version:6.2.14 role:master used_memory:1024]",
            "map[Keyspace:map[db0:keys=1,expires=0] Server:map[os:Linux 5.1 x86_64 redis_version:6.2.14] a:map[role:master used_memory:1024]]",
            r#"map[string]string{"db0":"keys=1,expires=0", "os":"Linux 5.1 x86_64", "redis_version":"6.2.14", "role":"master", "used_memory":"1024"}"#,
            "Properties: {db0=keys=1,expires=0, os=Linux 5.1 x86_64, redis_version=6.2.14, role=master, used_memory=1024}",
            "redis_version:6.2.14 os:Linux 5.1 x86_64 used_memory:1024 role:master db0:keys=1,expires=0",
            "# Server redis_version:6.2.14 os:Linux 5.1 x86_64 # Memory used_memory:1024 # Replication role:master # Keyspace db0:keys=1,expires=0",
            r#"stats "db0"=>"keys=1,expires=0", "os"=>"Linux 5.1 x86_64", "redis_version"=>"6.2.14", "role"=>"master", "used_memory"=>1024"#,
        ] {
            let mut fields = fields(text).expect(text);
            fields.sort();
            let expected = [
                ("db0", "keys=1,expires=0"),
                ("os", "Linux 5.1 x86_64"),
                ("redis_version", "6.2.14"),
                ("role", "master"),
                ("used_memory", "1024"),
            ];
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(fields, expected, "{text}");
        }
        let influx = fields("redis,host=a,port=6379 used_memory=1024i,maxmemory=0i,rdb_last_bgsave_status=\"ok\" 17");
        assert!(influx.is_some_and(|fields| fields.contains(&("used_memory".to_owned(), "1024".to_owned()))));
    }

    #[test]
    fn a_line_with_one_field_and_one_of_another_kind_are_left() {
        for text in [
            "used_memory:1024",
            "slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0",
            "id=3 addr=10.0.0.1:5 laddr=10.0.0.1:6379 fd=8 name=x age=3 idle=0 flags=N db=0 sub=0 cmd=get user=default",
            "1:M 30 Nov 2026 01:00:00.001 * 10 changes in 300 seconds. Saving...",
            "used_memory and maxmemory: which role: master?",
            "",
        ] {
            assert_eq!(fields(text), None, "{text}");
        }
    }
}
