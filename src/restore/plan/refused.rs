//! A restore that is refused: all reasons in one answer, and what the user can do about them.

use super::{
    ANY_METHOD_WITH_LOSS, LOCKED, Line, NOTHING_CHOSEN, NOTHING_TO_RESUME, OVER_OTHER_KEYS, OVER_SAME_NAMES, state,
    state_folder,
};
use crate::explain::{Explain, Hint, Meaning, NOTHING_WRITTEN};
use crate::restore::alone::OTHERS_END;
use crate::restore::tally::FailedKey;

/// A restore that was refused before anything was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// The stable name of the line in JSON answers.
    pub code: &'static str,
    /// The sentence for people.
    pub text: String,
    /// The flag that lets the restore go on all the same.
    pub flag: Option<&'static str>,
    /// Commands that would mend the target.
    pub fix: Vec<String>,
    /// The keys that the line is about, or the first of them; the text never names a key.
    pub keys: Vec<FailedKey>,
    /// What else refuses the restore.
    pub others: Vec<Refused>,
}

impl Refused {
    /// A refusal that no flag gets around.
    pub fn of(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), flag: None, fix: Vec::new(), keys: Vec::new(), others: Vec::new() }
    }

    /// Names the flag that lets the restore go on all the same.
    #[must_use]
    pub fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    /// The first reason and the others.
    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// Whether this is one of its reasons.
    pub fn is_for(&self, code: &str) -> bool {
        self.all().any(|refused| refused.code == code)
    }

    /// Whether nothing is against it but what the target holds.
    pub fn is_for_what_is_there(&self) -> bool {
        self.all().all(|refused| matches!(refused.code, "target_not_empty" | "functions_exist" | "key_exists"))
    }

    /// Puts all reasons into the text, each with what names its keys.
    #[must_use]
    pub fn with_all(mut self, names: impl Fn(&[FailedKey]) -> String) -> Self {
        let texts: Vec<String> =
            self.all().map(|refused| format!("{}{}", refused.text, names(&refused.keys))).collect();
        self.text = texts.join("; ");
        self.others.iter_mut().for_each(|other| other.text.clear());
        self
    }
}

impl Explain for Refused {
    fn meaning(&self) -> Meaning {
        // Whatever else there is against it: what the target holds is another restore's by now.
        if self.code == LOCKED {
            return Meaning::of(LOCKED).hint(Hint::words(OTHERS_END));
        }
        let mut hint = Hint::words(NOTHING_WRITTEN);
        let mut flags: Vec<&str> = Vec::new();
        // With another flag there would still be nothing to restore.
        let helps = !self.is_for(NOTHING_CHOSEN);
        let wanted: Vec<&str> = self.all().filter_map(|refused| refused.flag).filter(|_| helps).collect();
        // With a flag, and a remedy of something else beside it: neither helps alone.
        let apart = |refused: &&Self| refused.flag.is_none() && !refused.fix.is_empty();
        if !wanted.is_empty() && self.all().any(|refused| apart(&refused)) {
            hint = hint.and(Hint::EachBlocks);
        }
        for flag in wanted.iter().copied() {
            // Of a key and of a library of the same name the same is said.
            let is_said = flag == OVER_SAME_NAMES && wanted.contains(&OVER_OTHER_KEYS)
                || flag == "--accept-loss" && wanted.contains(&ANY_METHOD_WITH_LOSS);
            if !is_said && !flags.contains(&flag) {
                flags.push(flag);
                hint = hint.and(match flag {
                    OVER_SAME_NAMES if self.is_for("functions_exist") => Hint::OverLibraries,
                    flag => Hint::GoAhead(flag),
                });
            }
        }
        match self.code {
            "read_only" => {
                let primary = self.text.split_once("replica of ").and_then(|(_, rest)| rest.split_once(": "));
                hint = hint.and(Hint::IntoPrimary(primary.map_or("HOST:PORT", |(address, _)| address).to_owned()));
            }
            "cluster" => hint = hint.and("restore into a server that is not part of a cluster"),
            "database_not_selected" if self.text.contains("NOPERM") => {
                hint = hint.and(Hint::grant("+select", &self.text))
            }
            _ => {}
        }
        let fix = in_one_line(self.all().flat_map(|refused| &refused.fix));
        if !fix.is_empty() {
            let then = if flags.is_empty() { "then restore again" } else { "and restore again" };
            hint = hint.and(format!("on the target, run `{}`, {then}", fix.join("`, `")));
        }
        if self.code == state_folder::CODE {
            hint = hint.and(Hint::OtherStateFolder);
        }
        if self.code == NOTHING_TO_RESUME {
            hint = hint.and(Hint::WithoutResume);
        }
        if self.code == state::CERTIFICATE {
            hint = hint.and(Hint::NameCertificate);
        }
        match self.code {
            NOTHING_CHOSEN => Meaning::of(self.code).hint(hint).unknown(),
            code => Meaning::of(code).hint(hint),
        }
    }
}

/// The commands that mend a target, with the permissions of a user in one line.
fn in_one_line<'a>(fixes: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fix in fixes {
        let granted = fix.strip_prefix("ACL SETUSER ").and_then(|rest| rest.split_once(' '));
        let same = granted.and_then(|(user, rules)| {
            let begin = format!("ACL SETUSER {user} ");
            Some((lines.iter_mut().find(|line| line.starts_with(&begin))?, rules))
        });
        match same {
            Some((line, rules)) => {
                for rule in rules.split(' ') {
                    if !line.split(' ').any(|there| there == rule) {
                        line.push(' ');
                        line.push_str(rule);
                    }
                }
            }
            None => lines.push(fix.clone()),
        }
    }
    lines
}

impl From<&Line> for Refused {
    fn from(line: &Line) -> Self {
        Self {
            code: line.code,
            text: line.text.clone(),
            flag: line.flag,
            fix: line.fix.clone(),
            keys: line.keys.clone(),
            others: Vec::new(),
        }
    }
}
