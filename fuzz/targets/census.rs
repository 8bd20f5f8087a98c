//! Fuzzes census.bin: see `checks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| redis_ops::checks::census(data));
