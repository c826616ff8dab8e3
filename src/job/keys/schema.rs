//! The JSON Schema of a job file (`mezzo plan --schema`).

use super::{Key, SECTIONS, Section, is_value};
use serde_json::{Map, Value, json};

/// Keys that a table cannot be without.
const NEEDED: &[(&str, &[&str])] = &[
    ("output", &["url"]),
    ("protection.keys", &["id", "key"]),
    ("ladder", &["name"]),
    ("ladder.video", &["name", "codec", "width", "height"]),
    ("ladder.audio", &["name", "codec", "bitrate"]),
];

/// A schema of JSON Schema 2020-12 that takes what a job file may have, TOML or JSON, and no key that is not known.
/// What goes beyond a key (one that needs another, a range that depends on another, an address that is none) only reading the job tells.
pub fn schema() -> Value {
    let mut top = object(&SECTIONS[0]);
    let fields = top.as_object_mut().expect("a schema of a table is an object");
    fields.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    fields.insert("title".into(), json!("A job of mezzo"));
    fields.insert("description".into(), json!(format!("What `mezzo run` and `mezzo plan` of mezzo {} read", env!("CARGO_PKG_VERSION"))));
    let tables: Map<String, Value> = SECTIONS[1..].iter().map(|section| (section.path.to_owned(), object(section))).collect();
    fields.insert("$defs".into(), Value::Object(tables));
    top
}

/// A table.
fn object(section: &Section) -> Value {
    let keys: Map<String, Value> = section.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": keys });
    if let Some((_, needed)) = NEEDED.iter().find(|(path, _)| *path == section.path) {
        table["required"] = json!(needed);
    }
    table
}

fn property(key: &Key) -> Value {
    let mut schema = key.kind.schema();
    // Beside `$ref`, since 2019-09, other words count as well.
    schema["description"] = json!(plain(key));
    if is_value(key.default) {
        let value: toml::Table = toml::from_str(&format!("x = {}", key.default)).expect("it was read a line above");
        schema["default"] = json!(value["x"]);
    }
    schema
}

/// What it does, without marks of Markdown.
fn plain(key: &Key) -> String {
    let mut text = key.does.to_owned();
    if !key.legal.is_empty() {
        text = format!("{text} ({})", key.legal);
    }
    // [words](link): the words.
    while let Some((before, rest)) = text.split_once("](").map(|(a, b)| (a.to_owned(), b.to_owned())) {
        let (Some(open), Some(close)) = (before.rfind('['), rest.find(')')) else { break };
        text = format!("{}{}{}", &before[..open], &before[open + 1..], &rest[close + 1..]);
    }
    text.replace('`', "").replace("**", "")
}
