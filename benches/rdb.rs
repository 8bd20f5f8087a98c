//! How fast an RDB is read: structure and CRC64, and with all pieces told. The data resembles a cache of sessions, users,
//! rankings, queues and a few streams; `REDIS_OPS_BENCH_RDB` names a file to read instead.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redis_ops::rdb::visit::{Entry, Interest, Piece, Visit};
use redis_ops::rdb::{Scanner, crc64};

/// As a file arrives from a socket or a disk.
const CHUNK: usize = 256 << 10;

struct Listener(u64);

impl Visit for Listener {
    fn entry(&mut self, _entry: &Entry<'_>) -> Interest {
        Interest { raw: false, pieces: true }
    }
    fn piece(&mut self, piece: Piece<'_>) {
        black_box(&piece);
        self.0 += 1;
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let n = u16::try_from(bytes.len()).expect("strings of the data set are short");
    if n < 64 {
        out.push(n as u8)
    } else {
        out.extend((n | 0x4000).to_be_bytes())
    }
    out.extend_from_slice(bytes);
}

fn listpack(elements: &[&[u8]]) -> Vec<u8> {
    let mut blob = vec![0; 6];
    for element in elements {
        blob.push(0x80 | element.len() as u8);
        blob.extend_from_slice(element);
        blob.push(element.len() as u8 + 1);
    }
    blob.push(0xff);
    let total = u32::try_from(blob.len()).expect("a listpack of the data set is short");
    blob[..4].copy_from_slice(&total.to_le_bytes());
    blob[4..6].copy_from_slice(&(elements.len() as u16).to_le_bytes());
    blob
}

/// Literal runs with a reference of eight bytes after each: about what JSON compresses to.
fn compressed(out: &mut Vec<u8>, text: &[u8]) {
    let (mut packed, mut expanded) = (Vec::new(), 0_u16);
    for run in text.chunks(24) {
        packed.push(run.len() as u8 - 1);
        packed.extend_from_slice(run);
        packed.extend([6 << 5, 15]);
        expanded += run.len() as u16 + 8;
    }
    out.push(0xc3);
    out.extend((packed.len() as u16 | 0x4000).to_be_bytes());
    out.extend((expanded | 0x4000).to_be_bytes());
    out.extend(packed);
}

fn generated(keys: u64) -> Vec<u8> {
    let mut file = b"REDIS0011\xfe\x00".to_vec();
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    };
    for i in 0..keys {
        let noise: String = (0..8).map(|_| format!("{:08x}", random())).collect();
        match i % 20 {
            0..8 => {
                file.push(0xfc);
                file.extend(4_102_444_800_000_u64.to_le_bytes());
                file.push(0);
                string(&mut file, format!("session:{}{i}", &noise[..16]).as_bytes());
                compressed(
                    &mut file,
                    format!("{{\"user_id\":{i},\"token\":\"{noise}\",\"roles\":[\"alpha\"]}}").as_bytes(),
                );
            }
            8..12 => {
                file.push(16);
                string(&mut file, format!("user:{i}").as_bytes());
                let (name, mail) = (format!("alpha {i}"), format!("bravo{i}@example.com"));
                let fields = ["name", &name, "email", &mail, "age", "41", "score", "1234.5678", "bio", &noise[..40]];
                string(&mut file, &listpack(&fields.map(str::as_bytes)));
            }
            12..16 => {
                file.push(0);
                string(&mut file, format!("cache:page:{i}").as_bytes());
                string(&mut file, noise.repeat(5).as_bytes());
            }
            16 | 17 => {
                file.push(17);
                string(&mut file, format!("board:{i}").as_bytes());
                let pairs: Vec<String> =
                    (0..40).map(|j| if j % 2 == 0 { format!("member{j}") } else { format!("{}.5", j * 7) }).collect();
                string(&mut file, &listpack(&pairs.iter().map(String::as_bytes).collect::<Vec<_>>()));
            }
            _ => {
                file.push(11);
                string(&mut file, format!("tags:{i}").as_bytes());
                let mut blob = vec![4, 0, 0, 0, 16, 0, 0, 0];
                (0..16_u32).for_each(|j| blob.extend((100_000 * j).to_le_bytes()));
                string(&mut file, &blob);
            }
        }
    }
    file.push(255);
    let crc = crc64(&file);
    file.extend(crc.to_le_bytes());
    file
}

fn read<V: Visit>(file: &[u8], visit: &mut V) {
    let mut scanner = Scanner::new();
    for chunk in file.chunks(CHUNK) {
        scanner.push(chunk, visit).expect("a file without damage");
    }
    black_box(scanner.finish().expect("a whole file"));
}

fn benches(criterion: &mut Criterion) {
    let file = match std::env::var_os("REDIS_OPS_BENCH_RDB") {
        Some(path) => std::fs::read(path).expect("the file can be read"),
        None => generated(200_000),
    };
    let mut group = criterion.benchmark_group("rdb");
    group.throughput(Throughput::Bytes(file.len() as u64)).sample_size(10);
    group.bench_function("crc64", |bencher| bencher.iter(|| crc64(black_box(&file))));
    group.bench_function("structure and crc64", |bencher| bencher.iter(|| read(&file, &mut ())));
    group.bench_function("structure, crc64 and all pieces", |bencher| bencher.iter(|| read(&file, &mut Listener(0))));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
