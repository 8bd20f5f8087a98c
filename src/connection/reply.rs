//! What the `redis` crate has read, as a [`Reply`]: the only place where one becomes the other.

use redis::Value;

use super::ServerError;
use crate::replies::Reply;

/// An answer of the server. An error line inside of an array stays where it stands.
pub(super) fn reply(value: Value) -> Reply {
    match value {
        Value::Int(number) => Reply::Integer(number),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Reply::Bytes(text.into_bytes()),
        Value::Okay => Reply::Bytes(b"OK".to_vec()),
        Value::Array(items) | Value::Set(items) => Reply::Array(items.into_iter().map(reply).collect()),
        Value::Map(pairs) => Reply::Map(pairs.into_iter().map(|(name, value)| (reply(name), reply(value))).collect()),
        Value::Double(number) => Reply::Double(number),
        Value::Boolean(truth) => Reply::Integer(i64::from(truth)),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => Reply::Error(server_error(&error).to_string()),
        _ => Reply::Nil,
    }
}

/// An error line, split as the crate splits it.
pub(super) fn server_error(error: &redis::ServerError) -> ServerError {
    ServerError { code: error.code().to_owned(), text: error.details().unwrap_or_default().to_owned() }
}
