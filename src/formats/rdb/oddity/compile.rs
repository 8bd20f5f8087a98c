//! Whether the code of a function library can be compiled: said by the compiler of Lua 5.1, which all servers have. Nothing is run, and
//! compiled code is not taken for source.

use mlua::{ChunkMode, Error, Lua, LuaOptions, StdLib};

/// What compiling may take, bytes; a library for which that is not enough is not judged.
const MEMORY: usize = 64 << 20;

/// Judges the code of a library, without its first line.
pub(super) fn compiles(code: &[u8]) -> bool {
    let compiled = Lua::new_with(StdLib::NONE, LuaOptions::default()).and_then(|lua| {
        lua.set_memory_limit(MEMORY)?;
        lua.load(code).set_mode(ChunkMode::Text).set_name("@user_function").into_function().map(drop)
    });
    match compiled {
        Ok(()) => true,
        Err(Error::SyntaxError { .. }) => false,
        Err(error) => {
            tracing::debug!("a function library could not be compiled here: {error}");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_judged_as_servers_judge_it_and_not_run() {
        for code in [
            "\nlocal function f(keys, args) return redis.call('GET', keys[1]) end redis.register_function('f', f)",
            "\nwhile true do end",
            "\nerror('this is run when it is loaded, and not before')",
            "",
        ] {
            assert!(compiles(code.as_bytes()), "{code}");
        }
        // Said so by Redis 8.10 and Valkey 9.1: `unexpected symbol near`, `'=' expected near`, `'end' expected`.
        let bad: [&[u8]; 5] = [
            b"\nlocal n \xf3 1",
            b"\nlocal function f() return 1 redis.register_function('f', f)",
            b"\nredis.register_function{function_name='f', callback=f",
            b"\nx 1",
            b"\n\x1bLuaQ\0\x01\x04\x08\x04\x08\0",
        ];
        for code in bad {
            assert!(!compiles(code), "{}", code.escape_ascii());
        }
    }
}
