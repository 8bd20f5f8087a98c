//! Writing the sections.

use super::{BUCKETS, DATABASES, EXPIRY, FUNCTIONS, LARGEST, TOTALS, TYPES};
use crate::census::buckets::Buckets;
use crate::census::totals::{Census, DatabaseTotal, TypeTotal};

pub(super) fn sections(census: &Census, bytes: &mut Vec<u8>) {
    section(bytes, TOTALS, |out| {
        for value in [census.keys, census.expires, census.fields_with_expiry] {
            number(out, value);
        }
        out.extend_from_slice(&census.digest.to_le_bytes());
    });
    section(bytes, DATABASES, |out| {
        database(out, census.other_databases);
        number(out, census.by_database.len() as u64);
        for (index, total) in &census.by_database {
            number(out, *index);
            database(out, *total);
        }
    });
    section(bytes, TYPES, |out| {
        key_type(out, census.other_types);
        number(out, census.by_type.len() as u64);
        for (name, total) in &census.by_type {
            string(out, name.to_string().as_bytes());
            key_type(out, *total);
        }
    });
    section(bytes, FUNCTIONS, |out| {
        number(out, census.functions.beyond.0);
        out.extend_from_slice(&census.functions.beyond.1.to_le_bytes());
        number(out, census.functions.libraries.len() as u64);
        for (hash, name) in &census.functions.libraries {
            out.extend_from_slice(&hash.to_le_bytes());
            string(out, name);
        }
    });
    section(bytes, EXPIRY, |out| {
        time(out, census.expiry.moment_ms);
        for moment in [census.expiry.earliest_ms, census.expiry.latest_ms] {
            out.push(u8::from(moment.is_some()));
            if let Some(moment) = moment {
                time(out, moment);
            }
        }
        census.expiry.slots.iter().for_each(|slot| number(out, *slot));
    });
    section(bytes, LARGEST, |out| {
        number(out, census.largest.limit() as u64);
        number(out, census.largest.keys().len() as u64);
        for key in census.largest.keys() {
            string(out, &key.name);
            string(out, key.key_type.to_string().as_bytes());
            for value in [key.name_length, key.database, key.bytes, key.elements] {
                number(out, value);
            }
        }
    });
    section(bytes, BUCKETS, |out| {
        let folded = census.buckets.folded(Buckets::worth(census.keys));
        number(out, u64::from(folded.bits()));
        for bucket in folded.all() {
            number(out, bucket.keys);
            // An empty bucket has the digest 0.
            if bucket.keys > 0 {
                out.extend_from_slice(&bucket.digest.to_le_bytes());
            }
        }
    });
}

fn section(bytes: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    fill(&mut content);
    bytes.push(tag);
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    bytes.append(&mut content);
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn time(out: &mut Vec<u8>, moment_ms: i64) {
    number(out, (moment_ms << 1 ^ moment_ms >> 63) as u64);
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn database(out: &mut Vec<u8>, total: DatabaseTotal) {
    number(out, total.keys);
    number(out, total.expires);
}

fn key_type(out: &mut Vec<u8>, total: TypeTotal) {
    number(out, total.keys);
    number(out, total.bytes);
    number(out, total.elements);
}
