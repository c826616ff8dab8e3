use crate::plan::plan_tests::{job, source};
use crate::plan::{Plan, PlanError, SoundFacts, SourceFacts, resolve};
use crate::role::Role;

fn sound(language: Option<&str>, channels: u32) -> SoundFacts {
    SoundFacts { language: language.map(str::to_owned), channels: Some(channels), ..SoundFacts::default() }
}

fn with(sounds: Vec<SoundFacts>) -> SourceFacts {
    SourceFacts { sounds, ..source(640, 360, (1, 1)) }
}

const AAC: &str = "
[ladder]
name = \"l\"
video = [{ name = \"v\", codec = \"avc\", width = 320, height = 180, max_bitrate = \"500k\" }]
audio = [{ name = \"aac\", codec = \"aac\", bitrate = \"128k\" }, { name = \"surround\", codec = \"aac\", bitrate = \"384k\", channels = 6 }]
";

fn planned(audio: &str, sounds: Vec<SoundFacts>) -> Result<Plan, PlanError> {
    let toml = format!("inputs = [\"a.ts\"]\noutputs = [\"o\"]\n{AAC}");
    let wishes: crate::job::Wishes = toml::from_str(&toml).expect("TOML");
    let mut job = wishes.check("test").expect("legal");
    job.ladder.audio.retain(|rung| audio.split(' ').any(|name| name == rung.name));
    resolve(&job, &with(sounds))
}

#[test]
fn every_sound_is_made_in_every_rung_with_names_of_its_own() {
    let description = SoundFacts { role: Some(Role::Description), ..sound(Some("eng"), 2) };
    let named = SoundFacts { label: Some("D\u{e9}j\u{e0} Vu!".into()), ..sound(Some("fra"), 2) };
    let sounds = vec![sound(Some("eng"), 2), sound(Some("eng"), 2), description, named, sound(Some("pt-BR"), 1), sound(None, 2), sound(Some("<x>"), 2)];
    let plan = planned("aac", sounds).expect("resolves");
    let made: Vec<_> = plan.audio.iter().map(|a| (a.name.as_str(), a.label.as_str(), a.language.as_str(), a.tag.as_deref(), a.role, a.sound)).collect();
    assert_eq!(
        made,
        [
            ("aac", "en", "eng", None, Role::Main, 0),
            ("aac-eng-2", "en 2", "eng", None, Role::Alternate, 1),
            ("aac-eng-description", "en description", "eng", None, Role::Description, 2),
            ("aac-d-j-vu", "D\u{e9}j\u{e0} Vu!", "fra", None, Role::Alternate, 3),
            ("aac-por", "pt-BR", "por", Some("pt-BR"), Role::Alternate, 4),
            ("aac-und", "main", "und", None, Role::Alternate, 5),
            ("aac-und-2", "main 2", "und", None, Role::Alternate, 6),
        ]
    );
    assert!(plan.audio.iter().all(|a| a.rung == "aac"));
}

#[test]
fn surround_is_made_where_the_sound_has_it() {
    let plan = planned("aac surround", vec![sound(Some("eng"), 6), sound(Some("fra"), 2)]).expect("resolves");
    let made: Vec<_> = plan.audio.iter().map(|a| (a.name.as_str(), a.channels)).collect();
    assert_eq!(made, [("aac", 2), ("aac-fra", 2), ("surround", 6)]);
    assert_eq!(plan.left_out_line().as_deref(), Some("left out: surround: 6 channels, and fr has 2"));
    let alone = planned("surround", vec![sound(None, 2)]).expect("resolves");
    assert_eq!((alone.audio[0].channels, alone.warnings.len()), (2, 1), "{:?}", alone.warnings);
    let unknown = planned("surround", vec![SoundFacts::default()]).expect("resolves");
    assert_eq!(unknown.audio[0].channels, 6, "it has not come yet");
    let away = |channels| SoundFacts { optional: true, ..sound(Some("fra"), channels) };
    let made = |channels| planned("aac surround", vec![sound(Some("eng"), 6), away(channels)]).expect("resolves").audio;
    assert_eq!(made(2), made(6), "whether it is there does not matter");
}

#[test]
fn names_do_not_meet_those_of_the_ladder_and_are_not_too_long() {
    let mut job = job("tiny", "");
    job.ladder.audio.truncate(1);
    let mut second = job.ladder.audio[0].clone();
    second.name = format!("{}-fra", job.ladder.audio[0].name);
    job.ladder.audio.push(second);
    let plan = resolve(&job, &with(vec![sound(Some("eng"), 2), sound(Some("fra"), 2)])).expect("resolves");
    let names: Vec<&str> = plan.audio.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["aac-128k", "aac-128k-fra-2", "aac-128k-fra", "aac-128k-fra-fra"]);
    job.ladder.audio.truncate(1);
    job.ladder.audio[0].name = "a".repeat(62);
    let error = resolve(&job, &with(vec![sound(None, 2), sound(Some("fra"), 2)])).expect_err("too long").to_string();
    assert!(error.contains("-fra\"") && error.contains("60"), "{error}");
}

#[test]
fn too_many_tracks_are_refused() {
    let mut job = job("tiny", "");
    let rung = job.ladder.audio[0].clone();
    job.ladder.audio = (0..5).map(|n| crate::ladder::AudioRung { name: format!("a{n}"), ..rung.clone() }).collect();
    let error = resolve(&job, &with(vec![sound(None, 2); 16])).expect_err("too many").to_string();
    assert!(error.contains("82 tracks") && error.contains("64"), "{error}");
}
