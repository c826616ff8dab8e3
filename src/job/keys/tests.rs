use super::*;
use crate::config;
use crate::job::{Wishes, audio, extras, outputs, protection, serving, source, standby, wishes};
use crate::ladder::{AudioRung, Ladder, VideoRung};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a type asks of a table: the names that it reads.
struct Asked(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Asked {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("only the names are asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Self::Error> {
        self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn names<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut asked = Asked(&[]);
    let _ = T::deserialize(&mut asked);
    asked.0.to_vec()
}

/// What the code reads, by table.
fn read() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("", names::<Wishes>()),
        ("timeline", names::<wishes::TimelineWishes>()),
        ("select", names::<wishes::SelectWishes>()),
        ("select.audio", names::<audio::Table>()),
        ("source", names::<source::SourceWishes>()),
        ("standby", names::<standby::StandbyWishes>()),
        ("output", names::<outputs::OutputWish>()),
        ("serve", names::<serving::ServingWishes>()),
        ("limits", names::<wishes::LimitWishes>()),
        ("protection", names::<protection::ProtectionWish>()),
        ("protection.keys", names::<protection::KeyWish>()),
        ("protection.licenses", names::<protection::LicenseWishes>()),
        ("session_data", names::<extras::Written>()),
        ("ladder", names::<Ladder>()),
        ("ladder.video", names::<VideoRung>()),
        ("ladder.audio", names::<AudioRung>()),
    ]
}

/// A job with one key of a table, beside those that the table needs.
fn job(path: &str, key: &str, value: Value) -> Value {
    let mut table = match path {
        "output" => json!({ "url": "out" }),
        "protection.keys" => json!({ "id": "x", "key": "${A}" }),
        "ladder" => json!({ "name": "x" }),
        "ladder.video" => json!({ "name": "x", "codec": "avc", "width": 64, "height": 64 }),
        "ladder.audio" => json!({ "name": "x", "codec": "aac", "bitrate": "64k" }),
        _ => json!({}),
    };
    table[key] = value;
    match path {
        "" => table,
        "select.audio" => json!({ "select": { "audio": [table] } }),
        "output" => json!({ "output": [table] }),
        "protection.keys" => json!({ "protection": { "keys": [table] } }),
        "protection.licenses" => json!({ "protection": { "licenses": table } }),
        "session_data" => json!({ "session_data": { "a.b": table } }),
        "ladder.video" => json!({ "ladder": { "name": "x", "video": [table] } }),
        "ladder.audio" => json!({ "ladder": { "name": "x", "audio": [table] } }),
        _ => json!({ path: table }),
    }
}

/// What a key takes, and what it does not.
fn samples(path: &str, key: &Key) -> (Vec<Value>, Vec<Value>) {
    let words = |all: &[&str]| all.iter().map(|word| json!(word)).collect::<Vec<_>>();
    let spans = || vec![json!("30s"), json!("1.5s"), json!("40ms"), json!("1001/30000"), json!(2)];
    match key.kind {
        Kind::Span => (spans(), vec![json!("soon"), json!(1.5), json!(true), json!("1 s")]),
        Kind::SpanOr(or) => ([spans(), words(or)].concat(), vec![json!("sometimes"), json!(1.5)]),
        Kind::Rate => (vec![json!(25), json!("25"), json!("30000/1001")], vec![json!("fast"), json!(29.97), json!("29.97")]),
        Kind::Bitrate => (vec![json!("3.5M"), json!("730k"), json!(64_000)], vec![json!("6 M"), json!(true), json!(-1)]),
        Kind::Whole(least, most) => (vec![json!(least), json!(most)], vec![json!("8"), json!(8.5)]),
        Kind::Number(least, most) => (vec![json!(least), json!(most), json!(23.5)], vec![json!("8")]),
        Kind::Flag => (vec![json!(true), json!(false)], vec![json!("yes"), json!(1)]),
        Kind::Text if key.name == "decode" => (words(&["auto", "software", "cuda:0"]), vec![json!([])]),
        Kind::Text if key.name == "language" => (words(&["eng", "pt-BR"]), vec![json!(5)]),
        Kind::Text | Kind::File => (vec![json!("text")], vec![json!([]), json!(true)]),
        Kind::TextOrNumber if path == "select.audio" => (vec![json!("0x102"), json!(258)], vec![json!(true)]),
        Kind::TextOrNumber => (vec![json!("pid:0x102"), json!(2)], vec![json!(true)]),
        Kind::Form(_, example, wrong) => (vec![json!(example)], vec![json!(wrong)]),
        // Read as text, and checked afterwards.
        Kind::Word(all) if key.name == "point" => (words(all), vec![json!(1)]),
        Kind::Word(all) => (words(all), vec![json!("other"), json!(1)]),
        Kind::WordOrFlag(all) => ([words(all), vec![json!(true)]].concat(), vec![json!("other")]),
        Kind::Texts => (vec![json!(["a", "b"])], vec![json!("a"), json!([1])]),
        Kind::Words(all) => (vec![json!(all), json!([])], vec![json!(["other"]), json!("other")]),
        Kind::WordOrTexts(word) => (vec![json!(word), json!(["x264"])], vec![json!(5)]),
        Kind::Pair => (vec![json!([64, 45])], vec![json!([64]), json!(1)]),
        Kind::Secret => (vec![json!("${NAME}"), json!("file:/run/secrets/key")], vec![json!(5)]),
        Kind::Named => (vec![json!({ "a": "b" })], vec![json!("a"), json!({ "a": 5 })]),
        Kind::Table(_) => (vec![], vec![json!(5), json!([5])]),
        Kind::Tables(_) => (vec![json!([])], vec![json!(5), json!([5])]),
        Kind::TableOrTables(_) => (vec![json!([])], vec![json!(5)]),
        Kind::TextOrTable(_) => (vec![json!("tiny")], vec![json!(5)]),
        Kind::Streams(_) => (vec![json!(1), json!("eng"), json!(["eng?", 2])], vec![json!(true), json!([true])]),
        Kind::Open(_) => (vec![json!({ "a.b": "text" })], vec![json!("text"), json!({ "a": 5 })]),
    }
}

/// Jobs, and whether they can be read.
fn cases() -> Vec<(Value, bool)> {
    let mut all = Vec::new();
    for section in SECTIONS {
        for key in section.keys {
            let (legal, wrong) = samples(section.path, key);
            all.extend(legal.into_iter().map(|value| (job(section.path, key.name, value), true)));
            all.extend(wrong.into_iter().map(|value| (job(section.path, key.name, value), false)));
        }
        all.push((job(section.path, "no_such_key", json!(1)), false));
    }
    all
}

fn wishes(job: &Value) -> Result<Wishes, String> {
    config::parse("job", "j.json", &job.to_string()).map_err(|e| e.to_string())
}

#[test]
fn the_keys_are_those_that_are_read() {
    let read = read();
    assert_eq!(read.iter().map(|(path, _)| *path).collect::<Vec<_>>(), SECTIONS.iter().map(|section| section.path).collect::<Vec<_>>());
    for (path, mut names) in read {
        let mut told: Vec<&str> = section(path).expect("it is in both").keys.iter().map(|key| key.name).collect();
        assert!(!names.is_empty(), "[{path}] reads nothing");
        told.sort_unstable();
        names.sort_unstable();
        assert_eq!(told, names, "[{path}]: left: src/job/keys, right: what the code reads. A new key wants a line there, then `make docs`");
    }
    for key in SECTIONS.iter().flat_map(|section| section.keys) {
        if let Kind::Table(path) | Kind::Tables(path) | Kind::TableOrTables(path) | Kind::TextOrTable(path) | Kind::Streams(path) | Kind::Open(path) = key.kind
        {
            assert!(section(path).is_some(), "{}: there is no table {path}", key.name);
        }
    }
}

#[test]
fn keys_take_what_is_said_of_them() {
    for (job, legal) in cases() {
        let read = wishes(&job);
        assert_eq!(read.is_ok(), legal, "{job}: {read:?}");
    }
}

#[test]
fn what_is_not_written_is_as_it_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let secret = dir.path().join("key");
    std::fs::write(&secret, "00112233445566778899aabbccddeeff").expect("written");
    let mut tried = 0;
    for section in SECTIONS {
        for key in section.keys.iter().filter(|key| is_value(key.default)) {
            let value: toml::Table = toml::from_str(&format!("x = {}", key.default)).expect("a value");
            let with = |value: Option<Value>| {
                let mut job = job(section.path, key.name, value.clone().unwrap_or(Value::Null));
                job["inputs"] = json!(["udp://127.0.0.1:5000"]);
                let table = match section.path {
                    "" => &mut job,
                    "select.audio" => &mut job["select"]["audio"][0],
                    "output" => &mut job["output"][0],
                    "protection.keys" => &mut job["protection"]["keys"][0],
                    "ladder.video" => &mut job["ladder"]["video"][0],
                    "ladder.audio" => &mut job["ladder"]["audio"][0],
                    path => &mut job[path],
                };
                if value.is_none() {
                    table.as_object_mut().expect("a table").remove(key.name);
                }
                match section.path {
                    "standby" => table["input"] = json!("udp://127.0.0.1:5002"),
                    "source" => (table["size"], table["rate"]) = (json!("64x64"), json!(25)),
                    "output" if key.name != "fsync" => table["url"] = json!("http://localhost/x"),
                    "ladder.video" => table["max_bitrate"] = json!("1M"),
                    "protection" | "protection.keys" => {
                        job["protection"]["scheme"] = json!("cbcs");
                        job["outputs"] = json!(["out"]);
                        if section.path == "protection" {
                            job["protection"]["keys"] = json!([{}]);
                        }
                        let written = &mut job["protection"]["keys"][0];
                        (written["id"], written["key"]) = (json!("00000000-0000-0000-0000-000000000001"), json!(format!("file:{}", secret.display())));
                    }
                    _ => {}
                }
                if section.path == "ladder.audio" {
                    job["ladder"]["video"] = json!([{ "name": "v", "codec": "avc", "width": 64, "height": 64, "max_bitrate": "1M" }]);
                }
                let checked = wishes(&job).and_then(|wishes| wishes.check_planned("j").map_err(|e| e.to_string()));
                format!("{:#?}", checked.unwrap_or_else(|why| panic!("{job}: {why}")))
            };
            assert_eq!(with(Some(json!(value["x"]))), with(None), "[{}] {} = {}", section.path, key.name, key.default);
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}

/// The fenced blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block.to_owned())).collect()
}

fn pages() -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("docs").chain(std::fs::read_dir(root.join("docs/design")).expect("docs/design"));
    let docs = docs.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md"));
    docs.chain([root.join("README.md")]).map(|path| (path.clone(), std::fs::read_to_string(path).expect("a page"))).collect()
}

/// Every job in the documentation, as JSON.
fn examples() -> Vec<Value> {
    let mut found = Vec::new();
    for (path, page) in pages() {
        for block in blocks(&page, "toml") {
            let ladder = |text: &str| config::parse::<Ladder>("ladder", "example.toml", text).map_err(|e| e.to_string());
            match config::parse::<Wishes>("job", "example.toml", &block) {
                Ok(_) => found.push(json!(toml::from_str::<toml::Table>(&block).expect("TOML"))),
                Err(why) => {
                    // A whole one is legal as well; a part of one is only read.
                    let whole = |text: &str| Ladder::parse("example.toml", text).map_err(|e| e.to_string());
                    let read = if block.starts_with("name") { whole(&block) } else { ladder(&format!("name = \"x\"\n{block}")) };
                    assert!(read.is_ok(), "{}: an example is neither a job ({why}) nor a ladder ({})", path.display(), read.expect_err("none"));
                }
            }
        }
        for block in blocks(&page, "json").into_iter().filter(|block| block.contains("\"inputs\"")) {
            let job: Value = serde_json::from_str(&block).expect("JSON");
            wishes(&job).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            found.push(job);
        }
    }
    assert!(found.len() >= 8, "{} examples", found.len());
    found
}

#[test]
fn the_schema_takes_what_is_read_and_nothing_else() {
    let mut jobs = cases();
    jobs.extend(examples().into_iter().map(|job| (job, true)));
    let program = "import json, sys
from jsonschema import Draft202012Validator as V
given = json.load(sys.stdin)
V.check_schema(given['schema'])
v = V(given['schema'])
for job, legal in given['jobs']:
    if v.is_valid(job) != legal: print(legal, json.dumps(job), [e.message[:200] for e in v.iter_errors(job)])
print('done', len(given['jobs']))";
    let python = Command::new("python3").args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut python) = python else { return eprintln!("skipped: no python3 here") };
    let given = json!({ "schema": schema(), "jobs": jobs }).to_string();
    // It may have left already.
    let _ = python.stdin.take().expect("piped").write_all(given.as_bytes());
    let output = python.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named 'jsonschema'") {
        return eprintln!("skipped: python3 has no jsonschema here (python3-jsonschema)");
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("done {}\n", jobs.len()));
}

#[test]
fn the_documentation_has_these_keys() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/job.md");
    let page = std::fs::read_to_string(&path).expect("docs/job.md");
    let mut made = page.clone();
    let shown: Vec<&Section> = SECTIONS.iter().filter(|section| !section.path.starts_with("ladder")).collect();
    for section in &shown {
        let (begin, end) = (format!("<!-- keys {} -->\n", section.path), "<!-- end -->\n");
        let from = made.find(&begin).unwrap_or_else(|| panic!("docs/job.md has no {begin:?}")) + begin.len();
        let to = from + made[from..].find(end).unwrap_or_else(|| panic!("docs/job.md: nothing ends {begin:?}"));
        made.replace_range(from..to, &format!("\n{}\n", section.rows()));
    }
    assert_eq!(made.matches("<!-- keys ").count(), shown.len(), "docs/job.md has a table of a section that there is not");
    if std::env::var_os("MEZZO_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).expect("written");
    }
    let told: Vec<(&str, &str)> = made.lines().zip(page.lines()).filter(|(made, page)| made != page).collect();
    assert!(made == page || std::env::var_os("MEZZO_WRITE_DOCS").is_some(), "docs/job.md is not what the code says (make docs): {:#?}", told.first());
}

#[test]
fn the_page_of_ladders_has_every_key() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/ladders.md");
    let page = std::fs::read_to_string(path).expect("docs/ladders.md");
    for (heading, path) in [("`[[video]]`", "ladder.video"), ("`[[audio]]`", "ladder.audio"), ("Above them", "ladder")] {
        let part = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("docs/ladders.md has no {heading}")).1;
        let part = part.split("\n## ").next().expect("a part");
        let rows = part.lines().skip_while(|line| !line.starts_with("| key")).skip(2).take_while(|line| line.starts_with("| `"));
        let cells: Vec<&str> = rows.map(|row| row.split('|').nth(1).expect("a cell")).collect();
        let mut told: Vec<&str> = cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(|name| name.trim_matches(['[', ']'])).collect();
        let mut keys: Vec<&str> = section(path).expect("a table").keys.iter().map(|key| key.name).collect();
        told.sort_unstable();
        keys.sort_unstable();
        assert_eq!(told, keys, "docs/ladders.md, {heading}");
    }
}
