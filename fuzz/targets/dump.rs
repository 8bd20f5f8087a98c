//! Fuzzes a DUMP payload, for every target: see `checks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| redis_ops::checks::dump(data));
