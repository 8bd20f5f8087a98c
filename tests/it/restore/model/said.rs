//! What the tool has said: its answer, and the command that it told to type.

use serde_json::Value as Json;

use crate::support::redis_ops::Run;

/// The answer; nothing where the tool was ended before it gave one.
pub fn answer(run: &Run) -> Json {
    serde_json::from_slice(&run.stdout).unwrap_or(Json::Null)
}

/// The answer without what was looked at before.
pub fn brief(out: &str) -> String {
    let Ok(mut answer) = serde_json::from_str::<Json>(out) else { return out.to_owned() };
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|name, _| ["error", "result", "proof"].contains(&name.as_str()));
    }
    answer.to_string()
}

/// The words of the last command that the tool told to type.
pub fn printed(run: &Run) -> Option<Vec<String>> {
    let answer = answer(run);
    let said = format!(
        "{}\n{}\n{}",
        answer["error"]["message"].as_str().unwrap_or_default(),
        answer["error"]["causes"][0].as_str().unwrap_or_default(),
        answer["error"]["hint"].as_str().unwrap_or_default()
    );
    let line = said
        .split('`')
        .filter_map(|part| part.strip_prefix("redis-ops "))
        .rfind(|line| line.starts_with("restore ") || line.starts_with("verify "))?;
    Some(split(line))
}

/// As a shell splits what has no more than single quotes.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut quoted, mut begun) = (vec![String::new()], false, false);
    for letter in line.chars() {
        match letter {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun || words.last().is_some_and(|word| !word.is_empty()) {
                    words.push(String::new());
                }
                begun = false;
            }
            letter => words.last_mut().expect("there is one").push(letter),
        }
    }
    words
}
