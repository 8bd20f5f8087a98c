//! Reading the sections. Nothing is allocated by a number that was read: what is pushed has been there.

use super::{BUCKETS, DATABASES, EXPIRY, FUNCTIONS, LARGEST, Malformed, TOTALS, TYPES};
use crate::census::buckets::{BITS_COUNTED, Bucket, Buckets};
use crate::census::expiry::Expiry;
use crate::census::key_type::KeyType;
use crate::census::largest::{LargeKey, Largest};
use crate::census::totals::{Census, DatabaseTotal, TypeTotal};

pub(super) fn sections(mut bytes: &[u8]) -> Result<Census, Malformed> {
    let mut census = Census::empty(0, 0, 0);
    let mut seen = [false; BUCKETS as usize + 1];
    while let Some(tag) = take(&mut bytes, 1).map(|one| one[0]) {
        let malformed = Malformed::Section(tag);
        let length = fixed(&mut bytes).map(u64::from_le_bytes).and_then(|length| usize::try_from(length).ok());
        let mut content = length.and_then(|length| take(&mut bytes, length)).ok_or(malformed)?;
        let Some(seen) = seen.get_mut(usize::from(tag)) else { continue };
        let understood = !std::mem::replace(seen, true) && section(tag, &mut content, &mut census).is_some();
        if !understood || !content.is_empty() {
            return Err(malformed);
        }
    }
    for tag in [TOTALS, DATABASES, TYPES, FUNCTIONS, EXPIRY, LARGEST, BUCKETS] {
        if !seen[usize::from(tag)] {
            return Err(Malformed::Missing(tag));
        }
    }
    let total = census.buckets.total();
    if (total.keys, total.digest) != (census.keys, census.digest) {
        return Err(Malformed::Section(BUCKETS));
    }
    Ok(census)
}

fn section(tag: u8, input: &mut &[u8], census: &mut Census) -> Option<()> {
    match tag {
        TOTALS => {
            census.keys = number(input)?;
            census.expires = number(input)?;
            census.fields_with_expiry = number(input)?;
            census.digest = u128::from_le_bytes(fixed(input)?);
        }
        DATABASES => {
            census.other_databases = database(input)?;
            for _ in 0..number(input)? {
                let index = number(input)?;
                census.by_database.insert(index, database(input)?);
            }
        }
        TYPES => {
            census.other_types = key_type(input)?;
            for _ in 0..number(input)? {
                let name = named_type(input)?;
                census.by_type.insert(name, key_type(input)?);
            }
        }
        FUNCTIONS => {
            census.functions.beyond = (number(input)?, u128::from_le_bytes(fixed(input)?));
            for _ in 0..number(input)? {
                let hash = u128::from_le_bytes(fixed(input)?);
                census.functions.insert(hash, string(input)?.to_vec());
            }
        }
        EXPIRY => census.expiry = expiry(input)?,
        LARGEST => census.largest = largest(input)?,
        BUCKETS => census.buckets = buckets(input)?,
        _ => return None,
    }
    Some(())
}

fn expiry(input: &mut &[u8]) -> Option<Expiry> {
    let mut expiry = Expiry::new(time(input)?);
    expiry.earliest_ms = optional_time(input)?;
    expiry.latest_ms = optional_time(input)?;
    for slot in &mut expiry.slots {
        *slot = number(input)?;
    }
    Some(expiry)
}

fn largest(input: &mut &[u8]) -> Option<Largest> {
    let limit = usize::try_from(number(input)?).ok()?;
    let mut keys = Vec::new();
    for _ in 0..number(input)? {
        let name = string(input)?.to_vec();
        let key_type = named_type(input)?;
        let name_length = number(input)?;
        let database = number(input)?;
        keys.push(LargeKey { database, name, name_length, key_type, bytes: number(input)?, elements: number(input)? });
    }
    (keys.len() <= limit).then(|| Largest::from_keys(limit, keys))
}

fn buckets(input: &mut &[u8]) -> Option<Buckets> {
    let bits = u32::try_from(number(input)?).ok().filter(|bits| *bits <= BITS_COUNTED)?;
    let mut all = Vec::new();
    for _ in 0..1_u32 << bits {
        let keys = number(input)?;
        let digest = if keys > 0 { u128::from_le_bytes(fixed(input)?) } else { 0 };
        all.push(Bucket { keys, digest });
    }
    Buckets::from_vec(all)
}

fn named_type(input: &mut &[u8]) -> Option<KeyType> {
    KeyType::parse(std::str::from_utf8(string(input)?).ok()?)
}

fn database(input: &mut &[u8]) -> Option<DatabaseTotal> {
    Some(DatabaseTotal { keys: number(input)?, expires: number(input)? })
}

fn key_type(input: &mut &[u8]) -> Option<TypeTotal> {
    Some(TypeTotal { keys: number(input)?, bytes: number(input)?, elements: number(input)? })
}

fn optional_time(input: &mut &[u8]) -> Option<Option<i64>> {
    match take(input, 1)?[0] {
        0 => Some(None),
        1 => time(input).map(Some),
        _ => None,
    }
}

fn time(input: &mut &[u8]) -> Option<i64> {
    let zigzag = number(input)?;
    Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
}

fn number(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(input, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn string<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(input)?).ok()?;
    take(input, length)
}

fn fixed<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    take(input, N)?.try_into().ok()
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}
