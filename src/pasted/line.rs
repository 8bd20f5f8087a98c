//! What stands around a line: colours, quotes, prefixes of logs, a shell's prompt.

use std::collections::HashMap;

use super::known;

/// Logs that a line went through, at most.
const PREFIXES: usize = 4;

/// A line without what stood around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The text; blanks before it are kept, since replies are told apart by them.
    pub text: String,
    /// A log put a prefix before it: words that are still there may belong to that.
    pub prefixed: bool,
}

/// Takes off what a terminal, an e-mail, Markdown and a log have put around a line.
pub(super) fn clean(raw: &str) -> Line {
    let plain = without_colours(raw);
    // rsyslog writes control characters as their numbers.
    let plain = plain.replace("#015", "").replace('\u{a0}', " ");
    let mut text = plain.trim_end();
    while let Some(rest) = text.strip_prefix("> ").or_else(|| text.strip_prefix('>').filter(|rest| rest.is_empty())) {
        text = rest;
    }
    text = without_echo(text);
    let mut prefixed = false;
    for _ in 0..PREFIXES {
        let Some(rest) = without_prefix(text) else { break };
        text = rest;
        prefixed = true;
    }
    let row = table_row(text).or_else(|| cell_of_a_log(text));
    Line { text: row.unwrap_or_else(|| text.to_owned()), prefixed }
}

/// The last cell of a row of quoted values, if a line of a log stands there: `"2026-11-30T12:00:00Z","redis-1","1:M 30 Nov … # …"`.
fn cell_of_a_log(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (_, last) = inner.rsplit_once("\",\"")?;
    // Columns of exports of logs hold a moment, or a host and a service; `"used_memory","1024"` are two cells with a value.
    let is_log = last.contains(' ');
    is_log.then(|| last.replace("\"\"", "\""))
}

/// The value behind the mark that interactive shells of Ruby and Python put before it: `=> {…}`, `Out[3]: {…}`.
fn without_echo(text: &str) -> &str {
    let behind = text.strip_prefix("=> ").or_else(|| {
        let (number, rest) = text.strip_prefix("Out[")?.split_once("]: ")?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
    });
    behind.filter(|value| value.starts_with(['{', '[', '"', '\''])).unwrap_or(text)
}

/// Leaves out escape sequences and what no terminal shows.
fn without_colours(raw: &str) -> String {
    if !raw.contains(|character: char| character.is_control() || is_invisible(character)) {
        return raw.to_owned();
    }
    let mut plain = String::with_capacity(raw.len());
    let mut characters = raw.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                // A sequence of parameters ends with a letter; a title ends with a bell, or with a sequence of its own.
                Some('[') => drop(characters.by_ref().find(|end| ('@'..='~').contains(end))),
                Some(']') => {
                    let end = characters.by_ref().find(|end| matches!(end, '\u{7}' | '\u{1b}'));
                    if end == Some('\u{1b}') {
                        characters.next();
                    }
                }
                _ => {}
            },
            '\t' => plain.push(' '),
            // What was typed wrongly and taken back, as `script` records it.
            '\u{8}' => drop(plain.pop()),
            other if other.is_control() || is_invisible(other) => {}
            other => plain.push(other),
        }
    }
    plain
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

/// `| used_memory | 1024 |` as `used_memory:1024`, longer rows with blanks between the cells.
fn table_row(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(|cell| cell.trim().trim_matches(['`', '*'])).collect();
    match cells.as_slice() {
        [name, value] if !name.contains(' ') => Some(format!("{name}:{value}")),
        // A number or a description beside it.
        cells
            if cells.len() > 2
                && let Some(at) = cells[..cells.len() - 1].iter().position(|cell| known::is_info(cell)) =>
        {
            Some(format!("{}:{}", cells[at], cells[at + 1]))
        }
        cells => Some(cells.join(" ")),
    }
}

/// The line behind a prefix that a log has put before it, if it has one.
fn without_prefix(text: &str) -> Option<&str> {
    if of_a_host(text).is_some() {
        return None;
    }
    composed(text)
        .or_else(|| iso_time(text).map(container_stream))
        .or_else(|| glog(text))
        .or_else(|| tai64n(text))
        .or_else(|| syslog(text))
        .or_else(|| kubectl(text))
}

/// docker compose: `redis-1  | …`.
fn composed(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once('|')?;
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    is_name(name.trim_end()).then(|| rest.strip_prefix(' ').unwrap_or(rest)).filter(|_| name.ends_with(' '))
}

/// `2025-07-08T13:29:05.096123173Z `, also with a blank and with an offset. A server's own times are not of this form.
fn iso_time(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let at = |at: usize, of: &[u8]| bytes.get(at).is_some_and(|byte| of.contains(byte));
    let date = digits(0..4) && at(4, b"-") && digits(5..7) && at(7, b"-") && digits(8..10) && at(10, b"T ");
    let time = date && digits(11..13) && at(13, b":") && digits(14..16) && at(16, b":") && digits(17..19);
    if !time {
        return None;
    }
    let (_, rest) = text.get(19..)?.split_once(' ')?;
    Some(rest)
}

/// containerd: `stdout F …` behind its time.
fn container_stream(text: &str) -> &str {
    ["stdout F ", "stderr F ", "stdout P ", "stderr P "].iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text)
}

/// glog and klog: `I0708 15:29:05.096013       1 file.go:142] …`.
fn glog(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let level = matches!(bytes.first(), Some(b'I' | b'W' | b'E' | b'F'));
    let day = bytes.get(1..5)?.iter().all(u8::is_ascii_digit) && bytes.get(5) == Some(&b' ');
    if !(level && day) {
        return None;
    }
    text.split_once("] ").map(|(_, rest)| rest)
}

/// daemontools: `@4000000057f0d9c42f0b1d1c …`.
fn tai64n(text: &str) -> Option<&str> {
    let (label, rest) = text.strip_prefix('@')?.split_once(' ')?;
    (label.len() == 24 && label.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(rest)
}

/// `May 25 00:50:27 host tag[7]: …`, and the newer form that begins with `<134>1 `.
fn syslog(text: &str) -> Option<&str> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if let Some((number, rest)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && let Some(rest) = rest.strip_prefix("1 ")
    {
        // Time, host, program, process, message id, structured data.
        return rest.splitn(7, ' ').nth(6);
    }
    let mut words = text.split_whitespace();
    let month = words.next().is_some_and(|word| MONTHS.contains(&word));
    let day = words.next().is_some_and(|word| word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()));
    let time = words.next().is_some_and(|word| word.len() >= 8 && word.as_bytes()[2] == b':');
    if !(month && day && time) {
        return None;
    }
    text.split_once(": ").map(|(_, rest)| rest).or_else(|| text.ends_with(':').then_some(""))
}

/// `kubectl logs --prefix`: `[pod/redis-0/redis] …`.
fn kubectl(text: &str) -> Option<&str> {
    text.strip_prefix("[pod/")?.split_once("] ").map(|(_, rest)| rest)
}

/// Lines from which a beginning that they share is taken for a prefix.
const LEAST_SHARED: usize = 5;

/// The lines without the words that nearly all of them begin with, as those of a pod and a container (stern, pdsh); `None`: they share none.
pub(super) fn without_shared_prefix(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let filled = lines.iter().filter(|line| !line.trim().is_empty()).count();
    let behind_words = |line: &'_ str, count: usize| line.match_indices(' ').nth(count - 1).map(|(at, _)| at + 1);
    let shared = [3, 2, 1].into_iter().find_map(|count| {
        let mut begins: HashMap<&str, usize> = HashMap::new();
        for line in &lines {
            if let Some(end) = behind_words(line, count) {
                *begins.entry(&line[..end]).or_default() += 1;
            }
        }
        let (prefix, often) = begins.into_iter().max_by_key(|(_, often)| *often)?;
        (often >= LEAST_SHARED && often * 5 >= filled * 4).then_some(prefix)
    })?;
    Some(lines.iter().map(|line| line.strip_prefix(shared).unwrap_or(line)).collect::<Vec<_>>().join("\n"))
}

/// The lines without the numbers that an editor, `cat -n` or `grep -n` has put before them; `None`: they have none.
pub(super) fn without_numbers(text: &str) -> Option<String> {
    let number = |line: &str| -> Option<(usize, usize)> {
        let start = line.len() - line.trim_start().len();
        let digits = line[start..].bytes().take_while(u8::is_ascii_digit).count();
        let number = line[start..start + digits].parse().ok()?;
        // A tabulator, blanks or a mark behind the number; an empty line has nothing there.
        let behind = &line[start + digits..];
        let gap = behind
            .strip_prefix([':', '|', '\t'])
            .or_else(|| behind.strip_prefix("  "))
            .or(behind.is_empty().then_some(""))?;
        Some((number, line.len() - gap.len()))
    };
    let lines: Vec<(&str, Option<(usize, usize)>)> = text.split('\n').map(|line| (line, number(line))).collect();
    let follows = |pair: &&[(&str, Option<(usize, usize)>)]| matches!(pair, [(_, Some((one, _))), (_, Some((next, _)))] if *next == one + 1);
    let filled = lines.iter().filter(|(line, _)| !line.trim().is_empty()).count();
    let numbered = lines.windows(2).filter(follows).count() + 1;
    let whole = numbered >= LEAST_SHARED && numbered * 5 >= filled * 4;
    let plain =
        |(line, found): &(&'_ str, Option<(usize, usize)>)| found.map_or(*line, |(_, end)| &line[end..]).to_owned();
    whole.then(|| lines.iter().map(plain).collect::<Vec<_>>().join("\n"))
}

/// A command that was typed, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Typed {
    /// The address in the prompt or behind `-h`, as far as it is told.
    pub address: Option<String>,
    /// The words of the command in lower case; empty for a prompt alone.
    pub words: Vec<String>,
}

/// The command of a line that was typed to a client or a shell.
pub(super) fn typed(text: &str) -> Option<Typed> {
    at_the_prompt(text.trim_start()).or_else(|| at_the_shell(text)).or_else(|| of_a_host(text))
}

/// What tools print above the answer of each host: `redis-a | CHANGED | rc=0 >>`, and above each file: `==> a.log <==`.
fn of_a_host(text: &str) -> Option<Typed> {
    let ansible = text.strip_suffix(" >>").and_then(|rest| rest.split_once(" | ")).map(|(host, _)| host);
    let file = || text.strip_prefix("==> ")?.strip_suffix(" <==");
    let name = ansible.or_else(file).filter(|name| !name.is_empty() && !name.contains(' '))?;
    Some(Typed { address: Some(name.to_owned()), words: Vec::new() })
}

/// `127.0.0.1:6379> INFO`, `redis /var/redis.sock> info`, `10.0.0.1:6379[3]>`.
fn at_the_prompt(text: &str) -> Option<Typed> {
    let (prompt, rest) = text.split_once('>')?;
    let place = prompt.strip_prefix("redis ").or_else(|| prompt.strip_prefix("valkey ")).unwrap_or(prompt);
    let place = place.split(['[', '(']).next().unwrap_or_default().trim_end();
    let is_address = place.rsplit_once(':').is_some_and(|(host, port)| {
        // `12:30>` is a time.
        let named = host.contains(|character: char| !character.is_ascii_digit());
        named && !host.contains([' ', '"', '\'', '=']) && port.parse::<u16>().is_ok()
    });
    let is_path = place.starts_with('/') && !place.contains(' ');
    let none = matches!(prompt, "redis" | "valkey" | "not connected" | "keydb");
    // An address before an arrow is not a prompt.
    if !(is_address || is_path || none) || rest.starts_with(['>', '=']) {
        return None;
    }
    let address = (!none).then(|| place.to_owned());
    Some(Typed { address, words: words(rest) })
}

/// `$ redis-cli -h 10.0.0.2 -p 6380 info memory`.
fn at_the_shell(text: &str) -> Option<Typed> {
    const CLIENTS: [&str; 3] = ["redis-cli", "valkey-cli", "keydb-cli"];
    let (at, client) = CLIENTS.iter().find_map(|client| Some((text.find(client)?, client)))?;
    let (before, behind) = (&text[..at], &text[at + client.len()..]);
    // In a sentence about it the client's name stands between other words.
    let begins = before.trim_end().is_empty() || before.ends_with(['$', '#', '/', '\\', ' ', '`', '%', '>']);
    if !begins || !(behind.is_empty() || behind.starts_with([' ', '.', '`'])) {
        return None;
    }
    let mut arguments = behind.trim_start_matches(".exe").split_whitespace().peekable();
    let (mut host, mut port, mut rest) = (None, None, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument {
            "-h" | "--host" => host = arguments.next(),
            "-p" | "--port" => port = arguments.next(),
            "-s" => host = arguments.next(),
            "-a" | "-n" | "-u" | "-r" | "-i" | "--user" | "--pass" | "-t" => drop(arguments.next()),
            _ if argument.starts_with('-') && rest.is_empty() => {}
            _ => rest.push(argument),
        }
    }
    let address = match (host, port) {
        (None, None) => None,
        (Some(path), _) if path.starts_with('/') => Some(path.to_owned()),
        (host, port) => Some(format!("{}:{}", host.unwrap_or("127.0.0.1"), port.unwrap_or("6379"))),
    };
    Some(Typed { address, words: words(&rest.join(" ")) })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| word.trim_matches(['`', '"', '\'', '*', '_']).to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_line_comes_off() {
        for raw in [
            "used_memory:1",
            "used_memory:1   ",
            "> > used_memory:1",
            "\u{1b}[32mused_memory:\u{1b}[0m1\r",
            "\u{feff}used_memory:1",
            "| used_memory | `1` |",
            "2025-07-08T13:29:05.096206221Z used_memory:1",
            "2025-07-08 13:29:05,096 used_memory:1",
            "2025-07-08T13:29:05.096206221Z stdout F used_memory:1",
            "2025-07-08T13:29:05.096206221Z I0708 15:29:05.096098       1 *:142] used_memory:1",
            "@4000000057f0d9c42f0b1d1c used_memory:1",
            "May 25 00:50:27.869160 host1 redis[12]: used_memory:1#015",
            "<134>1 2025-07-08T13:29:05Z host redis 12 - - used_memory:1",
            "[pod/redis-0/redis] used_memory:1",
            "redis-1  | used_memory:1",
            "usde\u{8}\u{8}ed_memory:1",
            "\u{1b}]0;title\u{1b}\\used_memory:1",
        ] {
            assert_eq!(clean(raw).text, "used_memory:1", "{raw:?}");
        }
        // A server's own line is left as it is.
        let own = "4296:M 26 Oct 02:18:27.717 # Client id=162";
        assert_eq!(clean(own), Line { text: own.to_owned(), prefixed: false });
        assert_eq!(clean("   2) (integer) 7").text, "   2) (integer) 7");
        for (raw, text) in [("=> {\"a\"=>1}", "{\"a\"=>1}"), ("Out[12]: {'a': 1}", "{'a': 1}"), ("=> nil", "=> nil")] {
            assert_eq!(clean(raw).text, text);
        }
    }

    #[test]
    fn commands_are_found_behind_every_prompt() {
        for (text, address, words) in [
            ("127.0.0.1:6379> INFO memory", Some("127.0.0.1:6379"), "info memory"),
            ("redis 127.0.0.1:6379> info", Some("127.0.0.1:6379"), "info"),
            ("10.0.0.7:6379[3]>  slowlog get 9", Some("10.0.0.7:6379"), "slowlog get 9"),
            ("redis /var/redis/redis.sock> info memory", Some("/var/redis/redis.sock"), "info memory"),
            ("redis> info", None, "info"),
            ("redis-a | CHANGED | rc=0 >>", Some("redis-a"), ""),
            ("==> /var/log/redis-a.log <==", Some("/var/log/redis-a.log"), ""),
            ("## $ redis-cli -h 10.0.0.2 -p 6380 info Memory", Some("10.0.0.2:6380"), "info memory"),
            ("[admin@host src]$ ./redis-cli -p 7001 cluster nodes", Some("127.0.0.1:7001"), "cluster nodes"),
            ("dfly@dragonfly-2:/data$ redis-cli", None, ""),
            ("PS C:\\redis> .\\redis-cli.exe -p 6380 info", Some("127.0.0.1:6380"), "info"),
            ("kubectl exec r-0 -- redis-cli -a secret info", None, "info"),
        ] {
            let typed = typed(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((typed.address.as_deref(), typed.words.join(" ").as_str()), (address, words), "{text}");
        }
        for text in
            ["used_memory:1", "10.0.0.2:6380 is the replica of 10.0.0.3:6379:", "a > b", "12:30> =", "x redis-clients"]
        {
            assert_eq!(typed(text), None, "{text}");
        }
    }
}
