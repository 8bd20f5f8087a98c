//! Names of module types.

const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The name and the encoding version packed into a module id: nine characters of six bits, then ten bits (Redis `module.c`,
/// `moduleTypeEncodeId`).
pub fn name(id: u64) -> (String, u16) {
    let characters = (0..9).map(|index| CHARACTERS[(id >> (58 - 6 * index) & 63) as usize] as char);
    (characters.collect(), (id & 1023) as u16)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nine_characters_and_a_version_are_unpacked() {
        // "vectorset" by hand: v=47 e=30 c=28 t=45 o=40 r=43 s=44 e=30 t=45, version 3.
        let id = [47_u64, 30, 28, 45, 40, 43, 44, 30, 45].iter().fold(0, |id, index| id << 6 | index) << 10 | 3;
        assert_eq!(super::name(id), ("vectorset".to_owned(), 3));
    }
}
