//! The one question that a destructive command asks.

use std::io::{self, BufRead};

use rustix::process::Signal;
use rustix::termios::{QueueSelector, tcflush};
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use crate::blocking;
use crate::explain::{Context as _, Failure, Hint, Interrupted, Result};
use crate::printer::words;

/// Asks once, on stderr; goes on only if the answer is `yes` or `y`, or if `--yes` answered it beforehand.
///
/// Without a terminal and without `--yes` it refuses: nobody is there who could answer.
pub async fn confirm(context: &Context, question: &str) -> Result<()> {
    ask(context, question, "yes", &["y", "yes"], false).await
}

/// Asks once, on stderr; goes on only if the answer is `name`, the name of what is deleted or overwritten, or if `--yes` answered it
/// beforehand. A word that fits every question is typed without reading.
pub async fn confirm_by_name(context: &Context, question: &str, name: &str) -> Result<()> {
    ask(context, question, name, &[name], true).await
}

/// What was typed before the question is no answer to it. A terminal that cannot forget it is asked all the same: the answer is a word
/// that nobody types by chance.
fn forget_what_was_typed() {
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// `named`: the word is a name, which is that one and no other, also in its case.
async fn ask(context: &Context, question: &str, word: &str, good: &[&str], named: bool) -> Result<()> {
    if context.yes {
        return Ok(());
    }
    if !context.printer.choices().asking {
        let text = format!("confirmation is needed, but there is no terminal. {question}");
        return Err(Failure::new("not_confirmed", text).hint(Hint::AnswerBeforehand).into());
    }
    blocking::run(forget_what_was_typed).await;
    let question = context.printer.folded(&words::escape_lines(question));
    let ask = || context.printer.trouble(&format!("{question}\nType `{word}` to continue, anything else to stop:"));
    ask();
    let mut answer = std::pin::pin!(blocking::run(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    }));
    // Who has suspended us sees a prompt of the shell above, and is asked again.
    let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw())).ok();
    let answer = loop {
        let again = async {
            match &mut continued {
                Some(continued) => continued.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = context.cancel.cancelled() => return Err(Interrupted.into()),
            answer = &mut answer => break answer.context("cannot read the answer")?,
            _ = again => ask(),
        }
    };
    // What no newline ends was not sent off: the end of input came instead.
    let answer = if answer.ends_with('\n') { answer.trim() } else { "" };
    let is_good = |good: &&str| if named { *good == answer } else { good.eq_ignore_ascii_case(answer) };
    if good.iter().any(is_good) {
        return Ok(());
    }
    Err(Failure::new("not_confirmed", "not confirmed: nothing was done").into())
}
