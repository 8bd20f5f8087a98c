//! A function library: loaded before any key.

use crate::restore::options::Existing;
use crate::restore::replay::assemble::Plan;
use crate::restore::replay::batch::{What, put_command};
use crate::restore::replay::outbox::Outbox;

/// Sends a library, or counts why not. With a choice of keys functions are left out: they belong to none.
pub fn send(outbox: &mut Outbox, plan: &Plan, source: &[u8]) {
    let functions = &mut outbox.batch.tally.functions;
    if !plan.choices.selection.is_everything() {
        functions.skipped += 1;
        return;
    }
    if !plan.format.has_functions() {
        functions.lost += 1;
        return;
    }
    // An interrupted run may have loaded it; then it is the same.
    let replace = plan.existing == Existing::Replace || plan.sent > 0;
    let words: &[&[u8]] =
        if replace { &[b"FUNCTION", b"LOAD", b"REPLACE", source] } else { &[b"FUNCTION", b"LOAD", source] };
    put_command(&mut outbox.batch.bytes, words);
    outbox.calls.note("function|load");
    outbox.push(What::Function { replace }, 0, 0, 0, &[name_of(source)]);
}

/// The name in `#!lua name=…`; the first line where there is none.
pub fn name_of(source: &[u8]) -> &[u8] {
    let line = source.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| byte.is_ascii_whitespace());
    words.find_map(|word| word.strip_prefix(b"name=")).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_a_library_stands_in_its_first_line() {
        assert_eq!(super::name_of(b"#!lua name=counter\nredis.register_function('x', f)"), b"counter");
        assert_eq!(super::name_of(b"no name"), b"no name");
        assert_eq!(super::name_of(b""), b"");
    }
}
