//! Answers as redis-cli writes them without a terminal: a value in each line, and no numbers before them.

use crate::replies::Reply;

/// Lines of one entry of the slow log: a command has 32 words at most there.
const LINES_OF_AN_ENTRY: usize = 64;
/// Kinds of events that LATENCY LATEST tells of begin so.
const EVENTS: &[&str] = &[
    "command",
    "fast-command",
    "fork",
    "aof-",
    "rdb-",
    "expire-",
    "eviction-",
    "active-defrag-cycle",
    "module-",
    "while-blocked-cron",
    "unlink-",
];

/// A moment in Unix seconds: between 2001 and 2286.
fn moment(line: &str) -> Option<i64> {
    let line = line.trim();
    (line.len() == 10 && line.bytes().all(|byte| byte.is_ascii_digit())).then(|| line.parse().ok())?
}

fn number(line: &str) -> Option<i64> {
    line.trim().parse().ok()
}

/// Whether a name is one of an event that holds a server up.
pub(super) fn is_event(name: &str) -> bool {
    EVENTS.iter().any(|event| if event.ends_with('-') { name.starts_with(event) } else { name == *event })
}

/// An entry of the slow log, and how many lines it takes: number, moment, microseconds, the words of the command, address, name.
pub(super) fn slow_entry(lines: &[String]) -> Option<(Reply, usize)> {
    let begins = |at: usize| {
        let (id, at, usec) = (lines.get(at)?, lines.get(at + 1)?, lines.get(at + 2)?);
        Some((number(id)?, moment(at)?, number(usec).filter(|usec| *usec >= 0)?))
    };
    let (id, at, usec) = begins(0)?;
    let rest = &lines[3..lines.len().min(LINES_OF_AN_ENTRY)];
    let is_address = |line: &String| {
        let place = line.trim().rsplit_once(':');
        place.is_some_and(|(host, port)| host.contains(['.', ':', '/']) && port.parse::<u16>().is_ok())
    };
    let address = rest.iter().position(is_address);
    let next = (1..rest.len()).find(|offset| begins(offset + 3).is_some());
    // Before 4.0 an entry ends with its command.
    let (words, address, name, taken) = match (address, next) {
        (Some(address), next) if next.is_none_or(|next| address < next) => {
            let name = rest.get(address + 1).filter(|_| next.is_none_or(|next| address + 1 < next));
            (
                &rest[..address],
                rest[address].trim(),
                name.map_or("", |name| name.trim()),
                address + 1 + usize::from(name.is_some()),
            )
        }
        (_, Some(next)) => (&rest[..next], "", "", next),
        (_, None) => (rest, "", "", rest.len()),
    };
    let words: Vec<Reply> = words.iter().map(|word| Reply::from(word.as_str())).collect();
    if words.is_empty() {
        return None;
    }
    let entry = vec![
        Reply::Integer(id),
        Reply::Integer(at),
        Reply::Integer(usec),
        Reply::Array(words),
        Reply::from(address),
        Reply::from(name),
    ];
    Some((Reply::Array(entry), 3 + taken))
}

/// An event of LATENCY LATEST: its name, its moment, two lengths.
pub(super) fn event(lines: &[String]) -> Option<Reply> {
    let name = lines.first()?.trim();
    let (at, latest, longest) = (moment(lines.get(1)?)?, number(lines.get(2)?)?, number(lines.get(3)?)?);
    is_event(name)
        .then(|| Reply::Array(vec![name.into(), Reply::Integer(at), Reply::Integer(latest), Reply::Integer(longest)]))
}

/// `1. command: 5 latency spikes (average 300ms, …). Worst all time event 500ms.`: the name, the average and the longest in milliseconds.
pub(super) fn of_the_doctor(line: &str) -> Option<(String, u64, u64)> {
    let (_, rest) = line.trim().split_once(". ")?;
    let (name, rest) = rest.split_once(": ")?;
    let millis = |text: &str, before: &str| {
        let (_, rest) = text.split_once(before)?;
        rest.split_once("ms")?.0.trim().parse::<u64>().ok()
    };
    let average = millis(rest, "average ")?;
    (rest.contains("latency spike") && is_event(name))
        .then(|| (name.to_owned(), average, millis(rest, "Worst all time event ").unwrap_or(average)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_entry_ends_with_its_address_and_name_or_where_the_next_begins() {
        let text = "14\n1700000000\n52000\nKEYS\nuser:*\n10.0.0.9:51234\nnightly\n13\n1699999999\n20000\nGET\na\n10.0.0.9:51235\n\n";
        let (entry, taken) = slow_entry(&lines(text)).expect("an entry");
        assert_eq!((taken, entry.items()[3].items().len()), (7, 2));
        assert_eq!(entry.items()[5], Reply::from("nightly"));
        let (entry, taken) = slow_entry(&lines(text)[7..]).expect("the next");
        assert_eq!((taken, &entry.items()[0]), (7, &Reply::Integer(13)));
        // Without addresses, as servers before 4.0 tell it.
        let (entry, taken) =
            slow_entry(&lines("14\n1700000000\n52000\nKEYS\n*\n13\n1699999999\n20000\nGET\na\n")).expect("an entry");
        assert_eq!((taken, entry.items()[3].items().len()), (5, 2));
        for text in ["14\n1700000000\n52000\n", "a\n1700000000\n1\nGET\n", "1\n2\n3\n4\n", ""] {
            assert_eq!(slow_entry(&lines(text)), None, "{text:?}");
        }
    }

    #[test]
    fn events_are_known_by_their_names() {
        let event = event(&lines("fork\n1700000000\n251\n1001\n")).expect("an event");
        assert_eq!(event.items()[3], Reply::Integer(1001));
        assert_eq!(super::event(&lines("word\n1700000000\n251\n1001\n")), None);
        let line = "1. command: 5 latency spikes (average 300ms, mean deviation 120ms, period 73.40 sec). Worst all time event 500ms.";
        assert_eq!(of_the_doctor(line), Some(("command".to_owned(), 300, 500)));
        assert_eq!(of_the_doctor("1. Buy milk: average 3ms"), None);
    }
}
