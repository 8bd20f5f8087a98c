//! Fuzzes one value of any type: see `checks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| redis_ops::checks::values(data));
