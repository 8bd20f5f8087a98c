//! How fast a data set is counted: structure alone, structure with census and digest, and what comparing adds.
//!
//! `REDIS_OPS_BENCH_RDB` names an RDB file (it is held in memory); without it one is made of strings, hashes, sets and lists
//! of about 190 bytes a key.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redis_ops::census::{Counter, Digester};
use redis_ops::comparison::{Options, Recorder, compare};
use redis_ops::rdb::Scanner;
use redis_ops::rdb::visit::Visit;

/// As much as the pipeline hands on at a time.
const PART: usize = 1 << 20;

fn scan(bytes: &[u8], visitor: &mut impl Visit) {
    let mut scanner = Scanner::new();
    for part in bytes.chunks(PART) {
        scanner.push(part, visitor).unwrap();
    }
    scanner.finish().unwrap();
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        short @ 0..64 => out.push(short as u8),
        long => out.extend([0x40 | (long >> 8) as u8, long as u8]),
    }
    out.extend_from_slice(bytes);
}

/// A file without checksum.
fn made() -> Vec<u8> {
    let mut out = b"REDIS0011".to_vec();
    let text: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for number in 0..300_000_usize {
        let key = format!("user:{number}:profile");
        let part = |at: usize, length: usize| &text[(number * 31 + at * 97) % 3000..][..length];
        if number % 2 == 0 {
            out.push(252);
            out.extend_from_slice(&(1_900_000_000_000_i64 + number as i64).to_le_bytes());
        }
        let (value_type, elements, length) = [(0, 1, 170), (2, 8, 18), (1, 10, 14), (4, 10, 7)][number % 4];
        out.push(value_type);
        string(&mut out, key.as_bytes());
        if value_type != 0 {
            out.push(elements);
        }
        for at in 0..usize::from(elements) {
            string(&mut out, part(at, length));
            if value_type == 4 {
                string(&mut out, part(at + 50, length));
            }
        }
    }
    out.push(255);
    out.extend_from_slice(&[0; 8]);
    out
}

fn census(criterion: &mut Criterion) {
    let file = std::env::var_os("REDIS_OPS_BENCH_RDB");
    let bytes = file.map_or_else(made, |path| std::fs::read(path).unwrap());
    let mut group = criterion.benchmark_group("census");
    group.sample_size(10).throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("structure", |bencher| bencher.iter(|| scan(&bytes, &mut ())));
    group.bench_function("structure, census and digest", |bencher| {
        bencher.iter(|| {
            let mut counter = Counter::of_everything(0);
            scan(&bytes, &mut counter);
            counter.finish()
        });
    });
    group.bench_function("compare all keys of two", |bencher| {
        let options = Options::new(std::env::temp_dir(), 0);
        let record = || {
            let mut digester = Digester::new(Recorder::new(&options));
            scan(&bytes, &mut digester);
            digester.into_sink()
        };
        bencher.iter(|| compare(record(), record(), &options).unwrap());
    });
    group.finish();
}

criterion_group!(benches, census);
criterion_main!(benches);
