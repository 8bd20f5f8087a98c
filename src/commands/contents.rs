//! What a data set contains, as tables and as JSON: for `show`, and for `verify --census`.

use serde_json::{Map, Value, json};

use super::Context;
use super::table::Table;
use crate::census::{Census, SLOT_NAMES};
use crate::printer::words;
use crate::repository::manifest::CensusSummary;

/// Rows of the table of the largest keys; JSON has them all.
const LARGEST_SHOWN: usize = 10;

/// A census as JSON: what the manifest holds of it, and what `census.bin` adds.
pub fn to_json(summary: &CensusSummary, rest: Option<&Census>, context: &Context) -> Value {
    let mut value = serde_json::to_value(summary).expect("a summary is JSON");
    if let (Value::Object(object), Some(census)) = (&mut value, rest) {
        let slots: Map<String, Value> =
            SLOT_NAMES.iter().zip(census.expiry.slots).map(|(name, keys)| ((*name).to_owned(), keys.into())).collect();
        object.insert(
            "expiry".to_owned(),
            json!({ "reckoned_from_ms": census.expiry.moment_ms, "within": slots,
            "earliest_ms": census.expiry.earliest_ms, "latest_ms": census.expiry.latest_ms }),
        );
        let largest: Vec<Value> = census
            .largest
            .keys()
            .iter()
            .map(|key| {
                let mut object = Map::new();
                context.keys.insert(&mut object, &key.name);
                object.insert("database".to_owned(), key.database.into());
                object.insert("type".to_owned(), key.key_type.to_string().into());
                object.insert("bytes".to_owned(), key.bytes.into());
                object.insert("elements".to_owned(), key.elements.into());
                object.into()
            })
            .collect();
        object.insert("largest".to_owned(), largest.into());
        object.insert("fields_with_expiry".to_owned(), census.fields_with_expiry.into());
    }
    value
}

/// A census as tables, one below the other, for people.
pub fn to_text(summary: &CensusSummary, rest: Option<&Census>, context: &Context) -> String {
    let printer = &context.printer;
    let mut tables = Vec::new();

    let mut types = Table::new(&["type", "keys", "bytes in the RDB"]).numbers(&[1, 2]);
    for (name, keys) in &summary.by_type {
        let bytes = summary.bytes_by_type.get(name).copied().unwrap_or(0);
        types.row([words::escape(name.as_bytes()), words::count(*keys), words::bytes(bytes)]);
    }
    let mut databases = Table::new(&["database", "keys", "with an expiry"]).numbers(&[1, 2]);
    for (index, count) in &summary.by_database {
        databases.row([index.clone(), words::count(count.keys), words::count(count.expires)]);
    }
    for table in [types, databases] {
        if !table.is_empty() {
            tables.push(table.render(printer));
        }
    }
    if let Some(census) = rest {
        tables.extend(expiry(census, context));
        tables.extend(largest(census, context));
    }
    tables.join("\n\n")
}

fn expiry(census: &Census, context: &Context) -> Option<String> {
    if census.expires == 0 {
        return None;
    }
    let most = census.expiry.slots.iter().copied().max().unwrap_or(0).max(1);
    let mut table = Table::new(&["expires within", "keys", ""]).numbers(&[1]);
    for (name, keys) in SLOT_NAMES.iter().zip(census.expiry.slots) {
        if keys > 0 {
            // At most 30 characters wide, at least one where there is a key.
            let bar = usize::try_from(keys.saturating_mul(30) / most).unwrap_or(30).max(1);
            table.row([(*name).to_owned(), words::count(keys), "#".repeat(bar)]);
        }
    }
    Some(table.render(&context.printer))
}

fn largest(census: &Census, context: &Context) -> Option<String> {
    let mut table = Table::new(&["largest keys", "db", "type", "bytes", "elements"]).numbers(&[1, 3, 4]).cut(&[0]);
    for key in census.largest.keys().iter().take(LARGEST_SHOWN) {
        table.row([
            context.keys.show(&key.name),
            key.database.to_string(),
            key.key_type.to_string(),
            words::bytes(key.bytes),
            words::count(key.elements),
        ]);
    }
    (!table.is_empty()).then(|| table.render(&context.printer))
}
