//! Fuzzes a replication stream, whole and cut: see `checks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| redis_ops::checks::stream(data));
