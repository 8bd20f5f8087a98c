//! Carries a case out: fills the servers, runs the tool, disturbs it, leads it back, and asks the server what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::case::{Case, Disturbance, Existing, Origin};
use super::fill::{self, now_ms};
use super::foretell::{Foretold, Known, foretell};
use super::held::{self, Held, Parts, Place, Value};
use super::judge::{Judge, Seen, Stranger, Verdict};
use super::said::{answer, brief, printed};
use super::server::{loads, settings, wait_for_a_primary};
use crate::support::redis_ops::{RedisOps, Run};
use crate::support::redis_server::{Installed, RedisServer, Reply};
use crate::support::sample;

/// Commands that are typed after one another, at most, until a restore is complete.
const TRIES: usize = 4;

/// Servers that stay from case to case.
pub struct Lab<'a> {
    installed: &'a [Installed],
    sources: BTreeMap<usize, RedisServer>,
    targets: BTreeMap<usize, RedisServer>,
}

impl<'a> Lab<'a> {
    pub fn new(installed: &'a [Installed]) -> Self {
        Self { installed, sources: BTreeMap::new(), targets: BTreeMap::new() }
    }

    /// Gives what happened, for people who want to know what was tried.
    pub fn carry_out(&mut self, case: &Case) -> Result<&'static str, String> {
        let start = |index: usize| sample::builder(&self.installed[index]).start().expect("it is installed");
        let source = self.sources.entry(case.source).or_insert_with(|| start(case.source));
        let target = self.targets.entry(case.target).or_insert_with(|| start(case.target));
        let names = format!("{} to {}", source.installed().name, target.installed().name);
        let verdict = Trial::prepare(case, source, target).and_then(|mut trial| {
            trial.run().map_err(|why| format!("{why}\n{names}, the target held {} keys", trial.before.keys.len()))
        });
        if verdict.is_err() {
            // Whatever it is in now, the next case is to begin with another.
            self.targets.remove(&case.target);
        }
        verdict
    }
}

/// One case on its way.
struct Trial<'a> {
    case: &'a Case,
    target: &'a RedisServer,
    filled: fill::Filled,
    before: Held,
    taken: (i64, i64),
    settings: BTreeMap<String, String>,
    place: tempfile::TempDir,
    /// The words that name the backup.
    what: Vec<String>,
    /// When the first run began.
    began: i64,
    told: Vec<String>,
    stranger: Option<Stranger>,
    /// Whether the target loads a file that the source has written.
    loads: bool,
}

impl<'a> Trial<'a> {
    fn prepare(case: &'a Case, source: &RedisServer, target: &'a RedisServer) -> Result<Self, String> {
        let globs: Vec<&'static str> = case.choices.keys.iter().chain(&case.choices.exclude).copied().collect();
        let before = fill::target(target, &case.target_holds);
        let filled = fill::source(source, &case.backup, &globs);
        let place = tempfile::tempdir().expect("a folder");
        let repository = place.path().join("repository").display().to_string();
        let begun = now_ms();
        let mut what = vec!["-r".to_owned(), repository.clone(), "restore".to_owned()];
        match case.origin {
            Origin::Backup => {
                let line = ["-i", &source.url(), "-r", &repository, "backup", "--name", "model"];
                let (code, answer) = RedisOps::new().args(line).json();
                if code != 0 {
                    return Err(format!("the backup ends with {code}: {answer}"));
                }
                what.extend(["--backup-id", "model/latest"].map(str::to_owned));
            }
            Origin::File => {
                source.save();
                let file = place.path().join("copy.rdb");
                std::fs::copy(source.dir().join("dump.rdb"), &file).expect("it was saved");
                what.extend(["--file".to_owned(), file.display().to_string()]);
            }
        }
        // A manifest says no more than the second.
        let taken = (begun - 1_000, now_ms());
        what.extend(["--target-instance".to_owned(), target.url()]);
        std::thread::sleep(Duration::from_millis(u64::try_from(filled.passed + 5 - now_ms()).unwrap_or(0)));
        let settings = settings(target);
        let (stranger, loads) = (None, loads(source, target));
        Ok(Self {
            case,
            target,
            filled,
            before,
            taken,
            settings,
            place,
            what,
            began: now_ms(),
            told: Vec::new(),
            stranger,
            loads,
        })
    }

    fn run(&mut self) -> Result<&'static str, String> {
        self.judged().map_err(|why| format!("{why}\n{}", self.told.join("\n")))
    }

    fn judged(&mut self) -> Result<&'static str, String> {
        let mut happened = "restored";
        let words: Vec<String> = self.what.iter().cloned().chain(self.case.words()).collect();
        let mut run = self.typed(&words, self.case.disturbance);
        let mut counted_at_once = true;
        let told = self.foretold();
        if matches!(run.code, 130 | 137 | 143) {
            wait_for_a_primary(self.target)?;
            let seen = self.seen();
            self.with_judge(&told, |judge| judge.half(&seen)).map_err(|why| format!("after the signal: {why}"))?;
            if !told.refusals.is_empty() {
                return self.as_before().map(|()| "ended by a signal, where it may have been refused");
            }
            // A key of the target that expires meanwhile is no write of ours.
            let untouched = seen.held == self.before || run.everything().contains(" is unchanged");
            happened =
                if untouched { "ended before the first write, and led back" } else { "ended halfway, and led back" };
            (run, counted_at_once) = self.led_back(run, &words, untouched)?;
        }
        let told = self.foretold();
        let seen = self.seen();
        let answer = answer(&run);
        let is_refused = answer["error"]["code"].is_string() && answer["result"].is_null();
        self.with_judge(&told, |judge| match is_refused {
            true => judge.refused(run.code, &answer, &seen),
            false => judge.complete(run.code, &answer, &seen, counted_at_once),
        })?;
        self.as_before()?;
        if is_refused {
            return Ok("refused");
        }
        let overwrites = matches!(self.case.existing, Existing::Replace | Existing::ReplaceAll);
        if overwrites && self.case.is_safe && !self.before.keys.is_empty() && self.case.disturbance == Disturbance::None
        {
            self.gone_back()?;
            return Ok("restored, and gone back with the safety backup");
        }
        Ok(happened)
    }

    /// The safety backup brings what the target held before.
    fn gone_back(&mut self) -> Verdict {
        let repository = self.what[1].clone();
        let (code, list) = RedisOps::new().args(["-r", &repository, "list"]).json();
        let backups = list["backups"].as_array().cloned().unwrap_or_default();
        let mut safety = backups.iter().filter(|backup| backup["purpose"] == "safety");
        let (Some(backup), None) = (safety.next(), safety.next()) else {
            return Err(format!("there is not one safety backup ({code}): {list}"));
        };
        let name = format!(
            "{}/{}",
            backup["instance"].as_str().unwrap_or_default(),
            backup["id"].as_str().unwrap_or_default()
        );
        let line = ["-r", &repository, "restore", "--backup-id", &name, "--target-instance", &self.target.url()];
        let back = ["--replace-all", "--yes", "--no-safety-backup"];
        let words: Vec<String> = line.into_iter().chain(back).map(str::to_owned).collect();
        let run = self.typed(&words, Disturbance::None);
        let now = held::read(self.target);
        let same_keys = self.before.keys.len() == now.keys.len() && self.before.libraries == now.libraries;
        match run.code == 0
            && same_keys
            && self.before.keys.iter().all(|(place, value)| {
                now.keys
                    .get(place)
                    .is_some_and(|now| now.parts == value.parts && now.expiry.is_some() == value.expiry.is_some())
            }) {
            true => Ok(()),
            false => Err(format!(
                "the safety backup does not bring back
    {:?}
  but
    {now:?}",
                self.before
            )),
        }
    }

    /// Types what was printed until it is done; whether the last of it counts all keys as one run would have.
    fn led_back(&mut self, mut run: Run, words: &[String], untouched: bool) -> Result<(Run, bool), String> {
        let mut at_once = true;
        for _ in 0..TRIES {
            let line = match printed(&run) {
                Some(line) => line,
                None if untouched => words.to_vec(),
                None => {
                    let goes_on =
                        |word: &&String| !matches!(word.as_str(), "--replace-all" | "--yes" | "--no-safety-backup");
                    words.iter().filter(goes_on).cloned().chain(["--resume".to_owned()]).collect()
                }
            };
            at_once = at_once && (line.contains(&"--resume".to_owned()) || line == words);
            let line: Vec<String> =
                match line.contains(&"--on-conflict".to_owned()) && !line.contains(&"--yes".to_owned()) {
                    true => line.into_iter().chain(["--yes".to_owned()]).collect(),
                    false => line,
                };
            run = self.typed(&line, Disturbance::None);
            // 3: it is done, and nothing of the backup was chosen.
            if matches!(run.code, 0 | 1 | 3) {
                return Ok((run, at_once));
            }
        }
        Err("no printed command leads back".to_owned())
    }

    fn typed(&mut self, words: &[String], disturbance: Disturbance) -> Run {
        let state = self.place.path().join("state");
        let tool = RedisOps::new().args(words).args(["--json", "--progress", "none"]).env("XDG_STATE_HOME", state);
        let mut running = tool.spawn();
        match disturbance {
            Disturbance::None => {}
            Disturbance::Signal { name, of_the_first_write, after } => {
                let mut client = self.target.client();
                let mut held = || client.ask(&[b"INFO", b"keyspace"]).map(|said| said.to_string()).ok();
                let before = held();
                while of_the_first_write && !running.has_ended() && held() == before {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_millis(after));
                if !running.has_ended() {
                    running.signal(name);
                }
            }
            Disturbance::Stranger { of_the_backup, after } => {
                std::thread::sleep(Duration::from_millis(after));
                let place = of_the_backup.then(|| self.a_place()).flatten().unwrap_or((0, b"stranger".to_vec()));
                let mut client = self.target.client();
                let number = place.0.to_string();
                let written = client.ask(&[b"SELECT", number.as_bytes()]).is_ok()
                    && matches!(client.ask(&[b"SET", &place.1, b"of somebody else"]), Ok(Reply::Simple(_)));
                let parts = Parts::Plain(vec![Reply::Bulk(b"of somebody else".to_vec())]);
                let value = Value { kind: "string".to_owned(), parts, expiry: None };
                self.stranger = Some(Stranger { place, value, written });
            }
        }
        let run = running.wait();
        let (out, said) = (String::from_utf8_lossy(&run.stdout), run.stderr.trim());
        self.told.push(format!("{}\n  {}: {}\n  {said}", run.line, run.code, brief(&out)));
        run
    }

    /// A place that the backup has a key for.
    fn a_place(&self) -> Option<Place> {
        let places = self.filled.held.keys.keys();
        let mut moved =
            places.filter_map(|(database, name)| Some((self.case.choices.database(*database)?, name.clone())));
        moved.find(|place| place.0 < 16)
    }

    fn known(&self) -> Known<'_> {
        Known {
            case: self.case,
            backup: &self.filled.held,
            matched: &self.filled.matched,
            before: &self.before,
            taken: self.taken,
            run: (self.began, now_ms()),
            has_fields: sample::has(self.target, "HPEXPIREAT"),
            has_functions: sample::has(self.target, "FUNCTION"),
            loads: self.loads,
        }
    }

    fn foretold(&self) -> Foretold {
        foretell(&self.known())
    }

    fn with_judge(&self, told: &Foretold, ask: impl FnOnce(&Judge<'_>) -> Verdict) -> Verdict {
        ask(&Judge {
            known: &self.known(),
            told,
            stranger: self.stranger.as_ref(),
            was_interrupted: self.told.len() > 1,
        })
    }

    fn seen(&self) -> Seen {
        let begun = now_ms();
        let held = held::read(self.target);
        Seen { held, read: (begun, now_ms()) }
    }

    /// A primary, with the settings that it had.
    fn as_before(&self) -> Verdict {
        wait_for_a_primary(self.target)?;
        let now = settings(self.target);
        let changed: Vec<_> = now.iter().filter(|(name, value)| self.settings.get(*name) != Some(value)).collect();
        match changed.is_empty() {
            true => Ok(()),
            false => Err(format!("settings of the target are left changed: {changed:?}")),
        }
    }
}
