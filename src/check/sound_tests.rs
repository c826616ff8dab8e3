//! Trees with several sounds, and what is wrong when they are described wrongly.

use crate::check::Report;
use crate::check::test_kit::{Files, Recipe, edit, report, sounds};

/// The texts of all errors.
fn errors(files: &Files) -> Vec<String> {
    let Report { findings, .. } = report(files);
    findings.iter().filter(|f| f.severity == crate::check::Severity::Error).map(|f| f.text.clone()).collect()
}

fn broken(path: &str, from: &str, to: &str) -> String {
    let mut files = sounds(&Recipe::default());
    edit(&mut files, path, from, to);
    errors(&files).join("\n")
}

#[test]
fn two_sounds_in_two_rungs_are_clean() {
    let files = sounds(&Recipe::default());
    let main = String::from_utf8(files["main.m3u8"].clone()).expect("text");
    assert_eq!(main.matches("#EXT-X-MEDIA:TYPE=AUDIO").count(), 4, "{main}");
    assert_eq!(errors(&files), Vec::<String>::new());
}

#[test]
fn groups_that_differ_are_found() {
    for (from, to, words) in [
        ("NAME=\"English\"", "NAME=\"Other\"", "its NAMEs"),
        ("NAME=\"English\"", "NAME=\"fr description\"", "one that no other of its group has"),
        ("LANGUAGE=\"en-GB\"", "LANGUAGE=\"fr\"", "en-GB, as the initialisation segment says"),
        ("DEFAULT=NO", "DEFAULT=YES", "another of its group is the default"),
        ("DEFAULT=YES,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=NO", "YES for the default"),
        (",CHARACTERISTICS=\"public.accessibility.describes-video\"", "", "by the role description"),
        ("DEFAULT=NO,AUTOSELECT=YES", "DEFAULT=NO,AUTOSELECT=NO", "what the groups share"),
    ] {
        let found = broken("main.m3u8", from, to);
        assert!(found.contains(words), "{from} to {to}: no {words:?} in {found}");
    }
}

#[test]
fn adaptation_sets_that_say_other_than_the_tracks_are_found() {
    for (from, to, words) in [
        ("lang=\"en-GB\"", "lang=\"fr\"", "en-GB, as the initialisation segment says"),
        ("lang=\"fr\" ", "", "fr is required"),
        ("value=\"description\"", "value=\"dub\"", "description, as the initialisation segment says"),
    ] {
        let found = broken("manifest.mpd", from, to);
        assert!(found.contains(words), "{from} to {to}: no {words:?} in {found}");
    }
}

#[test]
fn sounds_that_nobody_could_tell_apart_are_found() {
    let mut files = sounds(&Recipe::default());
    let mpd = String::from_utf8(files["manifest.mpd"].clone()).expect("text");
    let mpd = mpd.replace("lang=\"fr\"", "lang=\"en-GB\"").replace("value=\"description\"", "value=\"main\"").replace("fr description", "English");
    files.insert("manifest.mpd".into(), mpd.into_bytes());
    let found = errors(&files).join("\n");
    assert!(found.contains("than every other has"), "{found}");
}
