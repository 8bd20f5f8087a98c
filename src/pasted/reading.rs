//! Goes through the lines of a text and says of each what it is.

use super::answer::{self, Answer};
use super::field;
use super::known;
use super::line::{self, Line, Typed};
use super::literal;
use super::numbered;
use super::raw;
use super::resp;
use super::server::Draft;
use crate::replies::{Client, ClusterNode, LatencyEvent, Reply, SlowEntry};

/// Line numbers of what was not understood that are kept.
const NUMBERS_KEPT: usize = 100;

/// Lines that nobody understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotUnderstood {
    /// How many there are.
    pub lines: usize,
    /// Their numbers, from 1; the first hundred.
    pub numbers: Vec<usize>,
}

impl NotUnderstood {
    fn add(&mut self, number: usize) {
        self.lines += 1;
        if self.numbers.len() < NUMBERS_KEPT {
            self.numbers.push(number);
        }
    }
}

/// Readings of servers in one text; what comes behind them is not understood.
const MOST_READINGS: usize = 256;

/// Lines that one entry without numbers may take.
const RAW_LINES: usize = 70;
/// Lines over which one of CLIENT LIST is wrapped.
const WRAPPED_LINES: usize = 8;

/// Texts within answers within texts.
const WITHIN: usize = 3;
/// Lines of one dictionary.
const LITERAL_LINES: usize = 20_000;

/// What the lines of a text gave so far.
#[derive(Debug)]
pub(super) struct Reading {
    pub drafts: Vec<Draft>,
    /// The server that lines belong to.
    at: usize,
    /// The command whose answer is read.
    asked: Vec<String>,
    /// What the line before was.
    last: Kind,
    /// Its number in the text, from 1.
    number: usize,
    /// A version that the words around the answers tell.
    pub mentioned: Option<String>,
    pub not_understood: NotUnderstood,
    /// Lines that hold something, and were understood.
    pub understood: usize,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Field,
    Client,
    Other,
    Unknown,
}

impl Reading {
    pub fn of(text: &str) -> Self {
        let mut reading = Self {
            drafts: vec![Draft::default()],
            at: 0,
            asked: Vec::new(),
            last: Kind::Blank,
            number: 0,
            mentioned: None,
            not_understood: NotUnderstood::default(),
            understood: 0,
        };
        reading.text(text, 0);
        reading
    }

    /// Goes through the lines of a text, which may stand within an answer of another.
    fn text(&mut self, text: &str, depth: usize) {
        let raw: Vec<&str> = text.split('\n').collect();
        let (mut at, mut no_value_before) = (0, 0);
        while at < raw.len() {
            if depth == 0 {
                self.number = at + 1;
            }
            let rest = &raw[at..];
            let block = self.block(rest, depth).or_else(|| {
                let (found, looked_at) = if at < no_value_before { (None, 0) } else { self.value(rest, depth) };
                no_value_before = no_value_before.max(at + looked_at);
                found
            });
            let (kind, taken) = block.unwrap_or_else(|| (self.line(&line::clean(raw[at])), 1));
            match kind {
                Kind::Blank => {}
                Kind::Unknown => self.not_understood.add(self.number),
                _ => self.understood += taken,
            }
            self.last = kind;
            at += taken.max(1);
        }
    }

    /// An answer of several lines that begins here: how many of them it takes.
    fn block(&mut self, raw: &[&str], depth: usize) -> Option<(Kind, usize)> {
        if self.drafts.len() > MOST_READINGS || depth >= WITHIN {
            return None;
        }
        let first = line::clean(raw[0]).text;
        let start = first.trim_start();
        if let Some((line, taken)) = wrapped_client(raw) {
            let kind = self.recognised(&line);
            return Some((kind, taken));
        }
        if let Some(found) = self.without_numbers(raw, start) {
            return Some(found);
        }
        if numbered::is_element(&first) {
            let lines: Vec<String> =
                raw.iter().map(|raw| line::clean(raw).text).take_while(|line| numbered::is_element(line)).collect();
            // What is not known by its shape is passed over whole: its lines say nothing either.
            let kind = answer::recognised(&numbered::reply(&lines)).map(|answer| self.answer(answer, depth));
            for _ in 1..lines.len() * usize::from(kind.is_none()) {
                self.not_understood.add(self.number);
            }
            Some((kind.unwrap_or(Kind::Unknown), lines.len()))
        } else if known::is_setting(start) && self.asked.first().is_some_and(|word| word == "config") {
            // Without a terminal redis-cli writes names and values in turn.
            let value = line::clean(raw.get(1)?).text;
            self.draft().setting(start, value.trim());
            Some((Kind::Other, 2))
        } else {
            resp::is_length(start).then_some((Kind::Blank, 1))
        }
    }

    /// An entry of the slow log or an event, a value in each line.
    fn without_numbers(&mut self, raw: &[&str], start: &str) -> Option<(Kind, usize)> {
        if !(start.bytes().all(|byte| byte.is_ascii_digit()) && !start.is_empty() || raw::is_event(start.trim_end())) {
            return None;
        }
        let lines: Vec<String> = raw.iter().take(RAW_LINES).map(|raw| line::clean(raw).text).collect();
        if let Some((entry, taken)) = raw::slow_entry(&lines) {
            self.draft().slowlog.extend(SlowEntry::parse_list(&Reply::Array(vec![entry])));
            return Some((Kind::Other, taken));
        }
        let event = raw::event(&lines)?;
        self.draft().latency.extend(LatencyEvent::parse_list(&Reply::Array(vec![event])));
        Some((Kind::Other, 4))
    }

    /// A dictionary, a list or a quoted text that begins here, and how many lines were looked at for it.
    fn value(&mut self, raw: &[&str], depth: usize) -> (Option<(Kind, usize)>, usize) {
        let first = line::clean(raw[0]).text;
        let start = first.trim_start();
        let quoted = start.starts_with('"');
        if depth >= WITHIN || self.drafts.len() > MOST_READINGS {
            return (None, 0);
        }
        if resp::is_beginning(start) {
            let (reply, taken) = resp::reply(raw);
            let answer = reply.as_ref().and_then(answer::recognised);
            return (answer.map(|answer| (self.answer(answer, depth), taken)), taken);
        }
        if !(quoted || start.starts_with(['{', '['])) {
            return (None, 0);
        }
        // A log of JSON has a value in each line; others go on for thousands. Twice as many lines are taken until it ends.
        let mut lines = 1;
        loop {
            let taken: Vec<String> = raw.iter().take(lines).map(|raw| line::clean(raw).text).collect();
            let text = taken.join("\n");
            let begin = text.len() - text.trim_start().len();
            let read = literal::read(&text[begin..]);
            let last = lines >= raw.len() || lines >= LITERAL_LINES || quoted;
            if read.is_open && !last {
                lines = (lines * 4).min(LITERAL_LINES);
                continue;
            }
            let end = begin + read.taken;
            let took = text[..end].split('\n').count();
            // A quoted text is an answer only where it has lines of its own, and nothing behind it.
            let behind = text[end..].split('\n').next().unwrap_or_default();
            let alone = behind.trim_start_matches([',', ';']).trim().is_empty();
            let whole = !quoted || text[end..].trim_start_matches(',').trim().is_empty() && first.contains("\\n");
            let answer = read.value.filter(|_| whole).and_then(|value| answer::recognised(&value));
            // `[812345.1] redis-server …`: what a log puts before a line is no answer of several texts.
            let answer = answer.filter(|answer| alone || !matches!(answer, Answer::Texts(_)));
            return (answer.map(|answer| (self.answer(answer, depth), took)), took);
        }
    }

    /// Takes what an answer says.
    fn answer(&mut self, answer: Answer, depth: usize) -> Kind {
        match answer {
            Answer::Info(fields) => fields.iter().for_each(|(name, value)| self.field(name, value)),
            Answer::Nodes(nodes) => {
                for (address, fields) in nodes {
                    self.begin(Typed { address: Some(address), words: Vec::new() });
                    fields.iter().for_each(|(name, value)| self.field(name, value));
                }
            }
            Answer::Clients(lines) => self.draft().clients.extend(lines.iter().filter_map(|line| Client::parse(line))),
            Answer::Slowlog(entries) => self.draft().slowlog.extend(entries),
            Answer::Latency(events) => self.draft().latency.extend(events),
            Answer::Denied(entries) => self.draft().denied.extend(entries),
            Answer::Settings(pairs) => pairs.iter().for_each(|(name, value)| self.draft().setting(name, value)),
            Answer::MemoryStats(pairs) => {
                for (name, value) in pairs {
                    if let Some(name) = known::of_memory_stats(&name) {
                        self.draft().field(name, value);
                    }
                }
            }
            Answer::Texts(texts) => {
                // Their lines are counted one by one.
                texts.iter().for_each(|text| self.text(text.trim_end(), depth + 1));
                return Kind::Blank;
            }
        }
        Kind::Other
    }

    fn draft(&mut self) -> &mut Draft {
        &mut self.drafts[self.at]
    }

    fn line(&mut self, line: &Line) -> Kind {
        if self.drafts.len() > MOST_READINGS {
            return Kind::Unknown;
        }
        let kind = self.recognised(&line.text);
        if kind != Kind::Unknown || !line.prefixed {
            return kind;
        }
        // The prefix of a log may have more words: the name of a program, a level.
        let mut text = line.text.trim_start();
        for _ in 0..2 {
            let Some((_, rest)) = text.split_once(' ') else { return Kind::Unknown };
            text = rest.trim_start();
            let kind = self.recognised(text);
            if kind != Kind::Unknown {
                return kind;
            }
        }
        // A prefix with nothing behind it but a name is a blank line of what was logged.
        Kind::Unknown
    }

    fn recognised(&mut self, text: &str) -> Kind {
        let short = text.trim();
        if short.is_empty() || is_decoration(short) {
            return Kind::Blank;
        }
        if let Some(typed) = line::typed(text) {
            self.begin(typed);
            return Kind::Other;
        }
        if let Some(section) = heading(short) {
            self.draft().section(section);
            return Kind::Field;
        }
        if let Some(kind) = self.cluster(short) {
            return kind;
        }
        if let Some((name, value)) = field::parse(text, self.last == Kind::Field) {
            self.field(&name, &value);
            return Kind::Field;
        }
        // Behind the fields: `errorstat_MISCONF` is none of a log's words.
        if self.draft().log.take(short) {
            return Kind::Other;
        }
        if let Some(client) = client(short) {
            self.draft().is_dragonfly |= short.contains(" irqmatch=");
            self.draft().clients.push(client);
            return Kind::Client;
        }
        if let Some((name, value)) = setting(short) {
            self.draft().setting(name, &field::setting(name, value));
            return Kind::Other;
        }
        if let Some((name, value)) = of_the_machine(short) {
            self.draft().of_the_machine(name, value);
            return Kind::Other;
        }
        if let Some((name, latest_ms, longest_ms)) = raw::of_the_doctor(short) {
            self.draft().spikes.push(LatencyEvent { name, at: 0, latest_ms, longest_ms });
            return Kind::Other;
        }
        if is_talk_of_the_client(short) {
            return Kind::Other;
        }
        if let Some(version) = version_in_words(short) {
            self.mentioned.get_or_insert(version);
            return Kind::Other;
        }
        Kind::Unknown
    }

    /// A command was typed: what follows is its answer, and comes from the server that it names.
    fn begin(&mut self, typed: Typed) {
        self.asked = typed.words;
        let Some(address) = typed.address else { return };
        if let Some(at) = self.drafts.iter().position(|draft| draft.address.as_deref() == Some(&address)) {
            self.at = at;
        } else {
            // What stood before the first prompt is of the same server, as far as nothing says otherwise.
            if !self.draft().is_blank() && self.draft().address.is_some() {
                self.drafts.push(Draft::default());
                self.at = self.drafts.len() - 1;
            }
            self.draft().address = Some(address);
        }
    }

    /// A field of INFO, which begins another reading if this one has it already.
    fn field(&mut self, name: &str, value: &str) {
        let value = field::value(name, value);
        if self.draft().begins_another(name, &value) {
            let next = self.draft().followed();
            self.drafts.push(next);
            self.at = self.drafts.len() - 1;
        }
        self.draft().field(name, value);
    }

    fn cluster(&mut self, text: &str) -> Option<Kind> {
        if let Some(rest) = text.strip_prefix("cluster_")
            && let Some((name, value)) = rest.split_once(':')
            && !matches!(name, "enabled" | "connections" | "incompatible_ops")
        {
            self.draft().cluster.push((format!("cluster_{name}"), value.trim().to_owned()));
            return Some(Kind::Field);
        }
        let id =
            text.split(' ').next().filter(|id| id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let node = ClusterNode::parse(text).filter(|node| node.id == id)?;
        self.draft().nodes.push(node);
        Some(Kind::Other)
    }
}

/// What Markdown and programs draw: fences, rules, the second row of a table, brackets that stand alone.
fn is_decoration(text: &str) -> bool {
    text.starts_with("```")
        || text.starts_with("~~~")
        || text.chars().all(|character| "-=_*+|:`{}[](),;.…\"' ".contains(character))
}

/// The section that `# Memory`, `**Memory**`, `\# Memory`, `[Memory]` or `Memory:` names.
fn heading(text: &str) -> Option<&'static str> {
    let name = text.trim_start_matches('\\').trim_matches(['#', '*', '[', ']', '=', '"', '\'', ' ', ':', ',']);
    let marked = name.len() < text.len();
    marked.then(|| known::section(name)).flatten()
}

/// A line of CLIENT LIST that a terminal or a mail has broken, whole again, and how many lines it took.
fn wrapped_client(raw: &[&str]) -> Option<(String, usize)> {
    let begins = |text: &str| text.starts_with("id=") && text.contains("addr=");
    let first = line::clean(raw[0]).text;
    if !begins(first.trim_start()) {
        return None;
    }
    let mut whole = first.trim().to_owned();
    let mut taken = 1;
    for next in raw.iter().skip(1).take(WRAPPED_LINES) {
        let next = line::clean(next).text;
        let next = next.trim();
        let first_word = next.split(' ').next().unwrap_or_default();
        // A rest holds pairs and nothing else; what is left of a broken pair has a sign or none.
        let pairs = next.split(' ').skip(1).all(|word| word.contains('='));
        if next.is_empty()
            || next.starts_with("id=")
            || !pairs
            || next.contains(": ")
            || !first_word.contains(['=', '.', '-', ':']) && next.contains(' ')
        {
            break;
        }
        let name = first_word.split('=').next().unwrap_or_default();
        // Broken between two pairs, or within one.
        if first_word.contains('=') && known::is_of_clients(name) {
            whole.push(' ');
        } else if !first_word.contains('=') && !next.contains('=') {
            break;
        }
        whole.push_str(next);
        taken += 1;
    }
    (taken > 1).then_some((whole, taken))
}

/// A line of CLIENT LIST, also behind other words; each of its fields has to be one of them.
fn client(text: &str) -> Option<Client> {
    let at = text.find("id=").filter(|at| *at == 0 || text[..*at].ends_with([' ', '"', '\'']))?;
    let line = text[at..].trim_end_matches(['"', '\'', ',']);
    let named = line.split(' ').filter(|pair| pair.split_once('=').is_some_and(|(name, _)| known::is_of_clients(name)));
    (named.count() >= 3).then(|| Client::parse(line)).flatten()
}

/// A line of redis.conf. Words that also stand at the beginning of a sentence need a value that is none.
fn setting(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once([' ', ':'])?;
    let value = value.trim();
    let sure = name.contains('-') || name.starts_with("maxmemory");
    let number = value.split(' ').all(|word| word.starts_with(|c: char| c.is_ascii_digit()) || word == "\"\"");
    let word = matches!(value, "yes" | "no");
    let short = value.split(' ').count() <= 12 && !value.ends_with(['.', '?', '!']);
    (known::is_setting(name) && !value.is_empty() && short && (sure && !value.contains(", ") || number || word))
        .then_some((name, value))
}

/// `swap 0` of a cgroup's `memory.stat`, `VmSwap: 0 kB` of `/proc/PID/status`.
fn of_the_machine(text: &str) -> Option<(&'static str, u64)> {
    let (name, value) = text.split_once([' ', ':'])?;
    let value = value.trim().trim_start_matches(':').trim();
    match name {
        "swap" | "cache" | "rss" | "mapped_file" | "pgfault" | "total_swap" | "hierarchical_memory_limit" => {
            let name = if name == "swap" { "swapped" } else { "other" };
            Some((name, value.parse().ok()?))
        }
        "VmSwap" => Some(("swapped", value.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?)),
        _ => None,
    }
}

/// `Redis: 3.2.0`, `I'm using redis server 3.2.10.`: people write what INFO was asked without.
fn version_in_words(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let behind = &lower[lower.find("redis")? + "redis".len()..];
    let at = behind.find(|character: char| character.is_ascii_digit())?;
    let between = behind[..at].trim_end_matches('v');
    let near = between.len() <= 12
        && between.chars().all(|character| character.is_ascii_alphabetic() || " :=-_".contains(character));
    let version: String =
        behind[at..].chars().take_while(|character| character.is_ascii_digit() || *character == '.').collect();
    let version = version.trim_end_matches('.');
    let numbers: Vec<&str> = version.split('.').collect();
    let sound = (2..=3).contains(&numbers.len()) && numbers.iter().all(|number| (1..=3).contains(&number.len()));
    (near && sound).then(|| version.to_owned())
}

/// What the client says besides the answers.
fn is_talk_of_the_client(text: &str) -> bool {
    let beginnings = [
        "Warning: Using a password",
        "Error: Server closed",
        "AUTH failed",
        "Could not connect to",
        // What MEMORY DOCTOR says around its findings, and where there are none.
        "Sam, I detected",
        "Hi Sam, I can't find any memory issue",
        "Hi Sam, this instance is empty",
        "I'm here to keep you safe, Sam",
        // redis-cli --cluster check.
        ">>> Performing Cluster Check",
        ">>> Check for open slots",
        ">>> Check slots coverage",
        "[OK] ",
    ];
    let timed =
        text.strip_prefix('(').and_then(|rest| rest.strip_suffix("s)")).is_some_and(|time| time.parse::<f64>().is_ok());
    text == "OK" || text == "PONG" || timed || beginnings.iter().any(|beginning| text.starts_with(beginning))
}
