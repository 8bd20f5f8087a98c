//! How fast a replication stream is read: SETs of 100 bytes and small commands, and with the names counted.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redis_ops::stream::{Counts, Scanner};

/// As a stream arrives from a socket.
const CHUNK: usize = 256 << 10;

fn generated(n_commands: usize) -> Vec<u8> {
    let (value, mut stream) = ("x".repeat(100), Vec::new());
    for number in 0..n_commands {
        let key = format!("key:{number}");
        let words: Vec<&str> = match number % 4 {
            0..=2 => vec!["SET", &key, &value],
            _ => vec!["INCR", &key],
        };
        stream.extend(format!("*{}\r\n", words.len()).bytes());
        words.iter().for_each(|word| stream.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
    }
    stream
}

fn benches(criterion: &mut Criterion) {
    let stream = generated(200_000);
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Bytes(stream.len() as u64)).sample_size(10);
    group.bench_function("boundaries", |bencher| {
        bencher.iter(|| {
            let mut scanner = Scanner::at(0, 0);
            for chunk in stream.chunks(CHUNK) {
                scanner
                    .push(chunk, |command| {
                        black_box(command.end);
                    })
                    .expect("commands");
            }
            black_box(scanner.safe())
        });
    });
    group.bench_function("boundaries and names", |bencher| {
        bencher.iter(|| {
            let (mut scanner, mut counts) = (Scanner::at(0, 0), Counts::default());
            for chunk in stream.chunks(CHUNK) {
                scanner.push(chunk, |command| counts.add(command.name())).expect("commands");
            }
            black_box(counts.total())
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
