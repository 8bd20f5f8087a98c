//! Names of module types.

const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The name and the encoding version packed into a module id: nine characters of six bits, then ten bits (Redis `module.c`,
/// `moduleTypeEncodeId`).
pub fn name(id: u64) -> (String, u16) {
    let characters = (0..9).map(|index| CHARACTERS[(id >> (58 - 6 * index) & 63) as usize] as char);
    (characters.collect(), (id & 1023) as u16)
}

/// Whether data of a module that belongs to no key (see [`super::visit::Visit::module_aux`]) is more than a single number: modules
/// that have nothing to say write their version, or a count of zero.
pub fn says_something(raw: &[u8]) -> bool {
    /// Opcodes of the module API (Redis `rdb.h`): the end, a signed and an unsigned number.
    const END: u8 = 0;
    const NUMBERS: [u8; 2] = [1, 2];
    let Some((opcode, rest)) = raw.split_first() else { return false };
    if !NUMBERS.contains(opcode) {
        return *opcode != END;
    }
    let length = match rest.first() {
        Some(0..=0x3f) => 1,
        Some(0x40..=0x7f) => 2,
        Some(0x80) => 5,
        Some(0x81) => 9,
        _ => return true,
    };
    rest.get(length..) != Some(&[END])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_single_number_says_nothing() {
        // As Redis Stack 7.4.1 writes them, without an index and with one.
        for (raw, expected) in [
            (&[2, 1, 0][..], false),
            (&[2, 0, 0], false),
            (&[0], false),
            (&[], false),
            (&[2, 0x81, 255, 255, 255, 255, 255, 255, 255, 255, 0], false),
            (&[2, 1, 2, 1, 5, 4, b'i', b'd', b'x', 0, 0], true),
            (&[5, 1, b'x', 0], true),
            (&[2, 0xc3], true),
        ] {
            assert_eq!(super::says_something(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn nine_characters_and_a_version_are_unpacked() {
        // "vectorset" by hand: v=47 e=30 c=28 t=45 o=40 r=43 s=44 e=30 t=45, version 3.
        let id = [47_u64, 30, 28, 45, 40, 43, 44, 30, 45].iter().fold(0, |id, index| id << 6 | index) << 10 | 3;
        assert_eq!(super::name(id), ("vectorset".to_owned(), 3));
    }
}
