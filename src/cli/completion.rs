//! What Tab completes: commands, options, their values, and names that only this machine knows (instances, backups).
//!
//! A shell asks the binary itself, by a variable and the words so far. The engine of `clap_complete` finds the answer; the scripts of bash
//! and zsh differ from its own where those were seen to fail. Tab opens no connection to a server, and asks for no secret.

mod remembered;
mod values;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap_complete::CompleteEnv;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use crate::explain::{Context as _, Result};

pub use remembered::file_of;
pub use values::{backups, codecs, instances, profiles, rules, value_types};

/// The variable by which the script of a shell asks, with the shell's name.
const ASKS: &str = "REDIS_OPS_COMPLETE";
const NAME: &str = "redis-ops";

/// Answers a shell that asks what may stand at the cursor of a line of this command. `false`: nobody asks, and a command is to be run.
pub fn answer(arguments: &[OsString], command: fn() -> clap::Command) -> bool {
    if std::env::var_os(ASKS).is_none_or(|shell| shell.is_empty()) {
        return false;
    }
    let shells = Shells(&[&BashOfOurs, &Elvish, &Fish, &Powershell, &ZshOfOurs]);
    let engine = CompleteEnv::with_factory(command).var(ASKS).bin(NAME).shells(shells);
    // Whatever goes wrong: words on a line that is being typed would help nobody.
    let _ = engine.try_complete(arguments, std::env::current_dir().ok().as_deref());
    true
}

/// The script that teaches a shell to ask.
pub fn script(shell: clap_complete::Shell) -> Result<String> {
    let mut script = Vec::new();
    let writer: &dyn EnvCompleter = match shell {
        clap_complete::Shell::Bash => &BashOfOurs,
        clap_complete::Shell::Zsh => &ZshOfOurs,
        clap_complete::Shell::Fish => &Fish,
        clap_complete::Shell::Elvish => &Elvish,
        _ => &Powershell,
    };
    writer.write_registration(ASKS, NAME, NAME, NAME, &mut script).context("cannot write the completions")?;
    Ok(String::from_utf8_lossy(&script).trim().to_owned() + "\n")
}

/// Bash breaks words at `=` and `:` too. The script puts them together for the program, and takes off what bash has already.
struct BashOfOurs;

const BASH: &str = r#"
_redis_ops() {
    local program=$1 rest=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^=:]/} IFS=$'\013'
    local -a words=()
    local -i at last=-1
    local blanks word
    command -v -- "$program" >/dev/null 2>&1 || program=redis-ops
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        blanks=${rest%%[![:space:]]*}
        rest=${rest#"$blanks"}
        word=${rest:0:${#word}}
        rest=${rest#"$word"}
        if [[ $last -ge 0 && -z $blanks ]]; then words[last]+=$word; else words[++last]=$word; fi
    done
    word=${words[last]}
    COMPREPLY=($(_CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$last VARIABLE=bash "$program" -- "${words[@]}" 2>/dev/null))
    ((${#COMPREPLY[@]})) || return 0
    if [[ -n $breaks && $word == *["$breaks"]* ]]; then
        word=${word%"${word##*["$breaks"]}"}
        COMPREPLY=("${COMPREPLY[@]#"$word"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then compopt -o nospace 2>/dev/null; fi
}
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o bashdefault -o nosort -F _redis_ops redis-ops
else
    complete -o bashdefault -F _redis_ops redis-ops
fi
"#;

impl EnvCompleter for BashOfOurs {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        _name: &str,
        _bin: &str,
        _completer: &str,
        script: &mut dyn io::Write,
    ) -> io::Result<()> {
        script.write_all(BASH.replace("VARIABLE", variable).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        answer: &mut dyn io::Write,
    ) -> io::Result<()> {
        Bash.write_complete(command, words, folder, answer)
    }
}

/// Zsh runs a file of its function path as the function itself: at the first Tab, the script has to complete as well.
struct ZshOfOurs;

impl EnvCompleter for ZshOfOurs {
    fn name(&self) -> &'static str {
        Zsh.name()
    }

    fn is(&self, name: &str) -> bool {
        Zsh.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        bin: &str,
        completer: &str,
        script: &mut dyn io::Write,
    ) -> io::Result<()> {
        let mut of_the_engine = Vec::new();
        Zsh.write_registration(variable, name, bin, completer, &mut of_the_engine)?;
        let text = String::from_utf8_lossy(&of_the_engine).trim().to_owned();
        let (functions, last) = text.rsplit_once('\n').unwrap_or(("", &text));
        let function = last.split_whitespace().nth(1).unwrap_or_default();
        writeln!(script, "{functions}")?;
        writeln!(script, "if [[ $funcstack[1] == _redis-ops ]]; then {function} \"$@\"; else {last}; fi")
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        answer: &mut dyn io::Write,
    ) -> io::Result<()> {
        Zsh.write_complete(command, words, folder, answer)
    }
}
