//! Goes through the lines of a text and says of each what it is.

use super::alone::{
    behind_heading, client, heading, is_decoration, is_talk_of_the_client, of_the_machine, setting, version_in_words,
    wrapped_client,
};
use super::answer::{self, Answer};
use super::exposition::{self, Scraped};
use super::field;
use super::flat;
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
        // Lines within a line of the text have its number.
        if self.numbers.len() < NUMBERS_KEPT && self.numbers.last() != Some(&number) {
            self.numbers.push(number);
        }
    }
}

/// Readings of servers in one text; what comes behind them is not understood.
const MOST_READINGS: usize = 256;

/// Lines that one entry without numbers may take.
const RAW_LINES: usize = 70;

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
        let reading = Self::as_it_stands(text);
        if reading.not_understood.lines <= reading.understood {
            return reading;
        }
        let other = line::without_numbers(text).or_else(|| line::without_shared_prefix(text));
        let other = other.map(|text| Self::as_it_stands(&text));
        other.filter(|other| other.understood > reading.understood).unwrap_or(reading)
    }

    fn as_it_stands(text: &str) -> Self {
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
        if let Some((servers, taken)) = exposition::scrape(raw) {
            servers.into_iter().for_each(|server| self.scraped(server));
            return Some((Kind::Other, taken));
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

    fn scraped(&mut self, server: Scraped) {
        if let Some(address) = server.address {
            self.begin(Typed { address: Some(address), words: Vec::new() });
        }
        server.fields.iter().for_each(|(name, value)| self.field(name, value));
        self.draft().cluster.extend(server.cluster);
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
        // Python prints bytes as `b'…'`.
        let quoted = start.strip_prefix('b').unwrap_or(start).starts_with(['"', '\'']);
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
        if let Some((section, rest)) = behind_heading(short) {
            self.draft().section(section);
            return self.recognised(rest);
        }
        if let Some(fields) = flat::fields(short) {
            fields.iter().for_each(|(name, value)| self.field(name, value));
            return Kind::Other;
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
        let plain = field::scanned(name, value);
        let value = field::value(name, plain.as_deref().unwrap_or(value));
        if self.draft().begins_another(name, &value) {
            let next = self.draft().followed();
            self.drafts.push(next);
            self.at = self.drafts.len() - 1;
        }
        self.draft().letters += usize::from(plain.is_some());
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
