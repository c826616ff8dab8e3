use super::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The table of `docs/probe.md`: field (`a.b`, `a[].b`) to the kinds of value that it may have.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../../docs/probe.md");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        Some((name.to_owned(), cells.next()?.split(" or ").map(|kind| kind.trim().to_owned()).collect()))
    });
    rows.collect()
}

/// Every field of a value, with the kinds found and how often it was found.
fn found(at: &str, value: &Value, fields: &mut BTreeMap<String, BTreeSet<String>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !at.is_empty() {
        fields.entry(at.to_owned()).or_default().insert(kind.to_owned());
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| found(&format!("{at}[]"), item, fields)),
        Value::Object(members) => {
            for (name, member) in members {
                found(&if at.is_empty() { name.clone() } else { format!("{at}.{name}") }, member, fields);
            }
        }
        _ => {}
    }
}

fn fields(report: &Report) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    found("", &serde_json::to_value(report).expect("JSON"), &mut all);
    all
}

#[test]
fn the_json_is_as_documented() {
    let documented = documented();
    assert!(documented.len() > 30, "the table is not where it was: {documented:?}");
    let mut report = Report::here();
    // What a machine with devices would have.
    report.devices.cards.push(Card { address: "0000:01:00.0".into(), maker: "nvidia".into(), driver: None });
    report.devices.nodes.push(Node { path: "/dev/nvidia0".into(), driver: Some("nvidia".into()), opens: true, why: None });
    let used = DeviceUse {
        device: "cuda:0".into(),
        driver: Some("535.54.03".into()),
        depths: vec![8],
        largest: Some(Largest { width: 4096, height: 4096 }),
        sessions: Some(5),
        why: None,
    };
    report.backends[0].devices.push(used);
    report.on_devices.push(DeviceReport {
        device: "cuda:0".into(),
        decodes: vec!["h264"],
        scales: true,
        encodes: vec!["avc"],
        why: Some("no".into()),
        in_words: "decodes h264; scales; encodes avc".into(),
    });
    let found = fields(&report);
    for (field, kinds) in &found {
        let allowed = documented.get(field).unwrap_or_else(|| panic!("{field} is not in docs/probe.md"));
        assert!(kinds.is_subset(allowed), "{field}: {kinds:?}, documented: {allowed:?}");
    }
    for field in documented.keys() {
        assert!(found.contains_key(field), "{field} of docs/probe.md is not in the JSON");
    }
}

#[test]
fn what_a_plan_can_use_is_ready_and_nothing_else() {
    let report = Report::here();
    for b in &report.backends {
        let has = crate::encode::BACKENDS
            .iter()
            .filter(|b| b.chosen != crate::encode::Chosen::Never)
            .any(|known| known.name == b.backend && known.codecs.iter().any(|c| c.name() == b.codec));
        assert!(has || b.codec == "aac", "{b:?}");
        assert_eq!(b.why.is_none(), b.state == State::Ready, "{b:?}");
        let there = b.libav_encoder.is_some_and(|name| ffmpeg_next::encoder::find_by_name(name).is_some());
        assert_eq!(b.in_libav, there, "{b:?}");
        assert_eq!(b.depths.is_empty(), b.state != State::Ready || b.codec == "aac", "{b:?}");
        assert_eq!(b.state == State::Absent, b.libav_encoder.is_some() && (!there || b.hardware && b.devices.is_empty()), "{b:?}");
    }
    for known in crate::encode::BACKENDS.iter().filter(|b| !matches!(b.chosen, crate::encode::Chosen::Never | crate::encode::Chosen::ByName)) {
        assert!(report.backends.iter().any(|b| b.backend == known.name), "{} is not probed", known.name);
    }
    let x264 = report.backends.iter().find(|b| b.backend == "x264").expect("probed");
    assert_eq!(x264.state == State::Ready, x264.in_libav, "{x264:?}");
}
