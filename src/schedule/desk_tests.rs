use super::*;
use crate::plan::plan_tests::job;
use crate::status::tests::plan;
use std::path::Path;

/// A desk for rungs "a" and "b", whose edits are kept in this file.
fn open(file: &Path, pace: Pace) -> Result<Desk, KeepError> {
    let job = Job { edits: Some(file.to_path_buf()), pace, ..job("tiny", "") };
    let plan = plan();
    let rungs = ["a", "b"].map(|name| Served { rendition: Rendition { name: name.into(), ..plan.video[0].clone() }, configs: vec![], config: vec![] });
    Desk::open(&job, &Arc::default(), &rungs, plan.grid)
}

fn enabled(rung: &str, enabled: bool) -> Change {
    Change::Enabled { rung: rung.into(), enabled }
}

fn kept(desk: &Desk, asked: &[Proposal]) {
    let made = desk.propose(asked).expect("taken");
    assert_eq!((made.new.len(), made.kept), (asked.len(), Ok(())));
}

#[test]
fn what_was_kept_is_followed_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    // A swap, and what single requests leave in another order than that of their segments.
    let swap: &[&[Proposal]] = &[&[(Some(10), enabled("b", false))], &[(Some(20), enabled("a", false)), (Some(20), enabled("b", true))]];
    let singly: &[&[Proposal]] = &[
        &[(Some(15), enabled("b", false))],
        &[(Some(15), enabled("b", true))],
        &[(Some(10), enabled("a", false))],
        &[(Some(15), enabled("a", true))],
        &[(Some(15), enabled("b", false))],
    ];
    // What counts before it is asked for.
    let cap = |from| (Some(from), Change::Cap { rung: "a".into(), max_bitrate: 20_000 });
    let caps: &[&[Proposal]] = &[&[cap(10)], &[cap(20)]];
    for (place, requests) in [swap, singly, caps].into_iter().enumerate() {
        let file = dir.path().join(format!("{place}.json"));
        let desk = open(&file, Pace::Live).expect("a desk");
        requests.iter().for_each(|asked| kept(&desk, asked));
        let again = open(&file, Pace::Live).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(again.schedule().edits(), desk.schedule().edits());
    }
    let text = r#"{"version": 1, "edits": [{"from": 3, "what": "enabled", "rung": "a", "enabled": false}, {"from": 4, "what": "enabled", "rung": "b", "enabled": false}]}"#;
    let file = dir.path().join("wrong.json");
    std::fs::write(&file, text).expect("written");
    let error = open(&file, Pace::Live).err().expect("no rung is left");
    assert!(error.to_string().contains("wrong.json") && error.to_string().contains("segment 4"), "{error}");
}

#[test]
fn before_the_first_segment_there_is_a_default_only_where_it_counts() {
    let dir = tempfile::tempdir().expect("a folder");
    let off = [(None, Change::Slate { on: false })];
    let on = [(None, Change::Slate { on: true })];
    let refused = |desk: &Desk, asked: &[Proposal]| {
        let error = desk.propose(asked).expect_err("nothing to go by");
        assert!(matches!(error, Refused::Impossible(_)) && error.to_string().contains("from"), "{error}");
    };
    // A file: from its beginning. Not once an edit is kept that counts in its place.
    let fast = open(&dir.path().join("fast.json"), Pace::Fast).expect("a desk");
    assert_eq!(fast.propose(&on).expect("taken").edits[0].from, 0);
    refused(&fast, &off);
    // Live, another worker may be in the middle of it.
    let file = dir.path().join("live.json");
    let live = open(&file, Pace::Live).expect("a desk");
    refused(&live, &on);
    kept(&live, &[(Some(1000), Change::Slate { on: true })]);
    let again = open(&file, Pace::Live).expect("a desk");
    refused(&again, &off);
    again.schedule().reach(GopId(1000));
    let made = again.propose(&off).expect("taken");
    assert_eq!((made.edits[0].from, made.new.len()), (1003, 1), "it ends");
    // What names its segment by itself needs none.
    kept(&open(&dir.path().join("idr.json"), Pace::Live).expect("a desk"), &[(None, Change::Idr { slot: 120 })]);
}

#[test]
fn what_was_not_kept_is_kept_with_the_next_request() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("gone");
    let desk = open(&folder.join("edits.json"), Pace::Live).expect("a desk");
    let asked = [(Some(7), Change::Slate { on: true }), (Some(9), Change::Slate { on: false })];
    assert!(desk.propose(&asked).expect("taken").kept.is_err());
    assert!(desk.propose(&asked[..1]).expect("there").kept.is_err(), "still not");
    std::fs::create_dir(&folder).expect("made");
    let made = desk.propose(&asked[..1]).expect("there");
    assert_eq!((made.new, made.kept), (vec![], Ok(())));
    assert_eq!(open(&folder.join("edits.json"), Pace::Live).expect("a desk").schedule().edits().len(), 2);
}

#[test]
fn only_what_is_new_is_told_as_new() {
    let dir = tempfile::tempdir().expect("a folder");
    let desk = open(&dir.path().join("edits.json"), Pace::Live).expect("a desk");
    kept(&desk, &[(Some(7), Change::Slate { on: true })]);
    let made = desk.propose(&[(Some(7), Change::Slate { on: true }), (Some(9), Change::Slate { on: false })]).expect("taken");
    assert_eq!((made.edits.len(), made.new), (2, vec![Edit { from: 9, change: Change::Slate { on: false } }]));
}
