//! JSON answers against the schemas in `docs/json/`: as much of JSON Schema as those use, and stricter in one thing: an object holds no
//! field that its schema does not name. So a field that is added is a failed test until it stands in the schema.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

/// The schemas by command.
static SCHEMAS: LazyLock<HashMap<String, Value>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json");
    let mut schemas = HashMap::new();
    for file in std::fs::read_dir(folder).expect("docs/json") {
        let path = file.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let command = name.strip_suffix(".schema.json").expect("docs/json holds schemas only").to_owned();
        let schema = serde_json::from_slice(&std::fs::read(&path).expect("a schema")).expect("a schema is JSON");
        schemas.insert(command, schema);
    }
    schemas
});

/// What is wrong with the answer of a command; `Ok` where its schema holds.
pub fn check(answer: &Value) -> Result<(), String> {
    let command = answer["command"].as_str().unwrap_or("error");
    let schema = SCHEMAS.get(command).unwrap_or_else(|| &SCHEMAS["error"]);
    Check { root: schema }.value(schema, answer, &mut String::from("$"))
}

struct Check<'a> {
    root: &'a Value,
}

impl Check<'_> {
    fn value(&self, schema: &Value, value: &Value, at: &mut String) -> Result<(), String> {
        let Value::Object(rules) = schema else { return Err(format!("{at}: no schema: {schema}")) };
        for (rule, wanted) in rules {
            let holds = match rule.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "properties" if rules.contains_key("required") => {
                    self.fields(wanted, value, at)?;
                    true
                }
                "additionalProperties" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        self.below(wanted, value, at, name)?;
                    }
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.below(wanted, item, at, &index.to_string())?;
                    }
                    true
                }
                "$ref" => {
                    let name = wanted.as_str().and_then(|at| at.strip_prefix("#/$defs/")).unwrap_or_default();
                    self.value(&self.root["$defs"][name], value, at)?;
                    true
                }
                "anyOf" => {
                    let tried: Vec<_> =
                        wanted.as_array().expect("a list").iter().map(|one| self.value(one, value, at)).collect();
                    if tried.iter().all(Result::is_err) {
                        let why: Vec<String> = tried.into_iter().filter_map(Result::err).collect();
                        return Err(format!("{at}: none of:\n  {}", why.join("\n  ")));
                    }
                    true
                }
                "required" => {
                    let names = wanted.as_array().expect("a list").iter().filter_map(Value::as_str);
                    let missing: Vec<&str> = names.filter(|name| value.get(name).is_none()).collect();
                    if !missing.is_empty() {
                        return Err(format!("{at}: without {}", missing.join(", ")));
                    }
                    true
                }
                "type" => is_of_type(wanted.as_str().unwrap_or_default(), value),
                "const" => value == wanted,
                "enum" => wanted.as_array().is_some_and(|values| values.contains(value)),
                "minimum" => value.as_f64() >= wanted.as_f64(),
                "format" if wanted == "date-time" => value.as_str().is_some_and(is_time),
                _ => return Err(format!("{at}: the tests do not know the rule `{rule}`")),
            };
            if !holds {
                return Err(format!("{at}: {value} is against {rule} {wanted}"));
            }
        }
        Ok(())
    }

    fn fields(&self, known: &Value, value: &Value, at: &mut String) -> Result<(), String> {
        for (name, value) in value.as_object().into_iter().flatten() {
            let schema = known.get(name).ok_or_else(|| format!("{at}: the schema does not name `{name}`: {value}"))?;
            self.below(schema, value, at, name)?;
        }
        Ok(())
    }

    fn below(&self, schema: &Value, value: &Value, at: &mut String, name: &str) -> Result<(), String> {
        let length = at.len();
        at.push('.');
        at.push_str(name);
        let result = self.value(schema, value, at);
        at.truncate(length);
        result
    }
}

/// RFC 3339 in UTC, with milliseconds and `Z`: `2024-01-01T01:00:00.000Z`.
fn is_time(text: &str) -> bool {
    let milliseconds = text.strip_suffix('Z').and_then(|text| text.rsplit_once('.')).map(|(_, part)| part);
    chrono::DateTime::parse_from_rfc3339(text).is_ok() && milliseconds.is_some_and(|part| part.len() == 3)
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => false,
    }
}
