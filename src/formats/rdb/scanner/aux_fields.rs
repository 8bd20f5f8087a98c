//! AUX fields: what the server that wrote the file says of itself.

use super::Scanner;
use super::opcodes::{HUGE, SLOTS};
use crate::rdb::cursor::Cursor;
use crate::rdb::error::Stop;
use crate::rdb::oddity::OddityKind;
use crate::rdb::opcode;
use crate::rdb::visit::Visit;
use crate::slots::Slots;

impl Scanner {
    /// A name and its value; a field of ours says that the next shard begins.
    pub(super) fn aux_field<V: Visit>(&mut self, at: u64, cursor: &mut Cursor<'_>, visit: &mut V) -> Result<(), Stop> {
        let name = cursor.string(&mut self.tools.first, self.tools.limit)?;
        let value = cursor.string(&mut self.tools.second, self.tools.limit)?;
        if name == opcode::next_shard() {
            self.whose.libraries.begin_shard();
            (self.arriving, self.is_arriving) = (Slots::default(), false);
            visit.next_shard();
        } else {
            visit.aux(name, value);
            if name == b"cluster-asm-task" {
                self.arriving = arriving_slots(value);
            }
            if let Some(kind) = odd_aux(name, value) {
                self.odd(kind, kind.words(), at, None, visit);
            }
        }
        Ok(())
    }
}

/// The slots of `task:source:destination:import:state:0-100 200` (Redis `cluster_asm.c`, `asmTaskSerialize`): those that are on their way to
/// the server that wrote the file.
fn arriving_slots(task: &[u8]) -> Slots {
    let text = std::str::from_utf8(task).unwrap_or_default();
    let mut words = text.rsplitn(4, ':');
    let (slots, _state, operation) = (words.next(), words.next(), words.next());
    let range = |word: &str| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    match (slots, operation) {
        (Some(slots), Some("import")) => Slots::of(slots.split([' ', ',']).filter_map(range).collect()),
        _ => Slots::default(),
    }
}

/// What is odd about an aux field.
fn odd_aux(name: &[u8], value: &[u8]) -> Option<OddityKind> {
    match name {
        _ if name.eq_ignore_ascii_case(b"lua") => Some(OddityKind::LuaScript),
        // `slot,keys,expires` and, from Valkey 9 on, a fourth number.
        _ if name.eq_ignore_ascii_case(b"slot-info") => {
            let text = std::str::from_utf8(value).unwrap_or_default();
            let numbers: Vec<Option<u64>> = text.split(',').map(|number| number.parse().ok()).collect();
            let is_right = matches!(numbers[..], [Some(slot), Some(keys), Some(expires), ..]
                if slot < SLOTS && keys < HUGE && expires < HUGE)
                && numbers.iter().all(|number| number.is_some_and(|number| number < HUGE))
                && numbers.len() <= 4;
            (!is_right).then_some(OddityKind::SlotInfoAux)
        }
        _ => None,
    }
}
