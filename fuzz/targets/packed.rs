//! Fuzzes a packed value: ziplist, listpack, integers, zipmap, stream: see `checks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| redis_ops::checks::packed(data));
