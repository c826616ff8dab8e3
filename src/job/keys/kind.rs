//! What keys take: for people, as JSON Schema, and by example.

use serde_json::{Value, json};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A span of time.
    Span,
    /// A span of time, or one of these words.
    SpanOr(&'static [&'static str]),
    /// Pictures a second.
    Rate,
    /// Bits a second.
    Bitrate,
    /// A whole number within these.
    Whole(i64, i64),
    /// A number within these.
    Number(i64, i64),
    /// `true` or `false`.
    Flag,
    /// Text of any form: what of that is legal is beside it.
    Text,
    /// The path of a file.
    File,
    /// Text, or a whole number.
    TextOrNumber,
    /// Text that this expression of JSON Schema matches, with a legal and a wrong one.
    Form(&'static str, &'static str, &'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or `true` or `false`.
    WordOrFlag(&'static [&'static str]),
    /// A list of text.
    Texts,
    /// A list of these words.
    Words(&'static [&'static str]),
    /// This word, or a list of text.
    WordOrTexts(&'static str),
    /// Two whole numbers.
    Pair,
    /// Where a secret is: `${NAME}` or `file:PATH`.
    Secret,
    /// Names with text, which may have `${NAME}` in it.
    Named,
    /// A table, the section of this path.
    Table(&'static str),
    /// Such tables, at least one in a job that is legal.
    Tables(&'static str),
    /// One such table, or several.
    TableOrTables(&'static str),
    /// Text, or such a table.
    TextOrTable(&'static str),
    /// A stream, several, or tables.
    Streams(&'static str),
    /// Any names, each with text, such a table, or several.
    Open(&'static str),
}

/// As [`crate::job::Span`] reads it.
const SPAN: &str = r"^-?\d{1,13}(\.\d{1,12}|/\d{1,18})?(ms|s|m|h)?$";

fn one_of(all: &[Value]) -> Value {
    json!({ "anyOf": all })
}

fn words(all: &[&str]) -> String {
    all.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

impl Kind {
    /// For people.
    pub(super) fn shown(self) -> String {
        match self {
            Kind::Span => "span".into(),
            Kind::SpanOr(or) => format!("{}, span", words(or)),
            Kind::Rate => "rate (`25`, `\"30000/1001\"`)".into(),
            Kind::Bitrate => "bitrate (`\"3.5M\"`, `\"730k\"`, `64000`)".into(),
            Kind::Whole(least, most) => format!("whole number, {least} to {most}"),
            Kind::Number(least, most) => format!("number, {least} to {most}"),
            Kind::Flag => "`true`, `false`".into(),
            Kind::Text => "text".into(),
            Kind::File => "path".into(),
            Kind::TextOrNumber => "text, whole number".into(),
            Kind::Form(_, example, _) => format!("text (`\"{example}\"`)"),
            Kind::Word(all) => words(all),
            Kind::WordOrFlag(all) => format!("{}, `true`, `false`", words(all)),
            Kind::Texts => "list of text".into(),
            Kind::Words(all) => format!("list of {}", words(all)),
            Kind::WordOrTexts(word) => format!("`\"{word}\"`, list of text"),
            Kind::Pair => "two whole numbers (`[64, 45]`)".into(),
            Kind::Secret => "`\"${NAME}\"`, `\"file:PATH\"`".into(),
            Kind::Named => "names and text".into(),
            Kind::Table(path) => format!("table [`[{path}]`](#{})", link(path)),
            Kind::Tables(path) => format!("tables [`[[{path}]]`](#{})", link(path)),
            Kind::TableOrTables(path) => format!("table [`[{path}]`](#{}), or several", link(path)),
            Kind::TextOrTable(path) => format!("text, table [`[{path}]`](#{})", link(path)),
            Kind::Streams(path) => format!("text or number, a list of those, tables [`[[{path}]]`](#{})", link(path)),
            Kind::Open(path) => format!("ids, each with text or tables [of these keys](#{})", link(path)),
        }
    }

    /// As JSON Schema.
    pub(super) fn schema(self) -> Value {
        let whole = || json!({ "type": "integer" });
        let table = |path: &str| json!({ "$ref": format!("#/$defs/{path}") });
        let list = |of: Value| json!({ "type": "array", "items": of });
        match self {
            Kind::Span => one_of(&[text(SPAN), whole()]),
            Kind::SpanOr(or) => one_of(&[json!({ "enum": or }), text(SPAN), whole()]),
            Kind::Rate => one_of(&[text(r"^\+?\d+(/\+?\d+)?$"), json!({ "type": "integer", "minimum": 1 })]),
            Kind::Bitrate => one_of(&[text(r"^\d{1,12}(\.\d+)?[kM]?$"), json!({ "type": "integer", "minimum": 0 })]),
            Kind::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Text | Kind::File => json!({ "type": "string" }),
            Kind::TextOrNumber => json!({ "type": ["string", "integer"] }),
            Kind::Form(pattern, ..) => text(pattern),
            Kind::Word(all) => json!({ "enum": all }),
            Kind::WordOrFlag(all) => one_of(&[json!({ "enum": all }), json!({ "type": "boolean" })]),
            Kind::Texts => list(json!({ "type": "string" })),
            Kind::Words(all) => list(json!({ "enum": all })),
            Kind::WordOrTexts(word) => one_of(&[json!({ "const": word }), list(json!({ "type": "string" }))]),
            Kind::Pair => json!({ "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 2, "maxItems": 2 }),
            Kind::Secret => text(r"^(\$\{[^${}]+\}|file:.+)$"),
            Kind::Named => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            Kind::Table(path) => table(path),
            Kind::Tables(path) => list(table(path)),
            Kind::TableOrTables(path) => one_of(&[table(path), list(table(path))]),
            Kind::TextOrTable(path) => one_of(&[json!({ "type": "string" }), table(path)]),
            Kind::Streams(path) => {
                let one = [json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }), table(path)];
                one_of(&[&one[..], &[list(one_of(&one))]].concat())
            }
            Kind::Open(path) => json!({ "type": "object", "additionalProperties": one_of(&[json!({ "type": "string" }), table(path), list(table(path))]) }),
        }
    }
}

/// The heading of a table in `docs/job.md`, as links name it.
fn link(path: &str) -> String {
    path.replace('.', "")
}
