//! The one question that a destructive command asks.

use std::io::{self, BufRead};

use super::Context;
use crate::blocking;
use crate::explain::{Context as _, Failure, Hint, Interrupted, Misuse, Result};

/// Asks once, on stderr; goes on only if the answer is `yes` or `y`, or if `--yes` answered it beforehand.
///
/// Without a terminal and without `--yes` it refuses: nobody is there who could answer.
pub async fn confirm(context: &Context, question: &str) -> Result<()> {
    if context.yes {
        return Ok(());
    }
    if !context.printer.choices().asking {
        return Err(Misuse::usage(format!("nobody can be asked here: {question}")).hint(Hint::AnswerBeforehand).into());
    }
    context.printer.trouble(&format!("{question} Type `yes` to go on:"));
    let answer = blocking::run(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let answer = tokio::select! {
        () = context.cancel.cancelled() => return Err(Interrupted.into()),
        answer = answer => answer.context("read the answer")?,
    };
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new("not_confirmed", "not confirmed: nothing was done").into()),
    }
}
