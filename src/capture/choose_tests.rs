use super::*;
use crate::role::Role;

fn video(index: usize, width: u32) -> Offered {
    Offered { kind: Medium::Video, codec: "h264".into(), size: Some((width, 100)), channels: None, sample_rate: None, ..audio(index, None, None) }
}

fn audio(index: usize, language: Option<&str>, role: Option<Role>) -> Offered {
    Offered {
        index,
        pid: Some(0x100 + index as i32),
        kind: Medium::Audio,
        codec: "mp2".into(),
        size: None,
        channels: Some(2),
        sample_rate: Some(48_000),
        language: language.map(str::to_owned),
        role,
        default: false,
        still: false,
        decoder: true,
    }
}

fn offer(streams: Vec<Offered>, programs: &[(i32, &str, &[usize])]) -> Offer {
    let program = |(number, name, streams): &(i32, &str, &[usize])| Programme { number: *number, name: Some((*name).to_owned()), streams: streams.to_vec() };
    Offer { programs: programs.iter().map(program).collect(), streams }
}

/// Programme 1: the larger picture and its sounds; programme 2: another.
fn two() -> Offer {
    let description = Some(Role::Description);
    let streams = vec![
        video(0, 200),
        audio(1, Some("eng"), description),
        audio(2, Some("eng"), None),
        audio(3, Some("fra"), None),
        video(4, 100),
        audio(5, Some("deu"), None),
    ];
    offer(streams, &[(1, "First", &[0, 1, 2, 3]), (2, "Second ", &[4, 5])])
}

fn select(program: &str, video: &str, audio: &[&str]) -> Select {
    Select {
        program: (!program.is_empty()).then(|| program.parse().expect("a programme")),
        video: (!video.is_empty()).then(|| video.parse().expect("a pick")),
        audio: audio.iter().map(|text| text.parse().expect("a sound")).collect(),
        ..Select::default()
    }
}

fn chosen(offer: &Offer, select: &Select) -> (usize, Vec<Option<usize>>) {
    let chosen = choose(offer, select).expect("something is there");
    (chosen.video, chosen.sounds.iter().map(|s| s.stream).collect())
}

#[test]
fn nothing_asked_for_is_the_largest_picture_and_its_programmes_plain_sound() {
    assert_eq!(chosen(&two(), &select("", "", &[])), (0, vec![Some(2)]));
    let mut equal = two();
    equal.streams[0].size = Some((100, 100));
    assert_eq!(chosen(&equal, &select("", "", &[])), (0, vec![Some(2)]), "the lower number");
    let all = offer(vec![audio(0, None, None), video(1, 100), video(2, 200), audio(3, None, None)], &[]);
    assert_eq!(chosen(&all, &select("", "", &[])), (2, vec![Some(0)]));
    let alone = offer(vec![video(0, 100), video(1, 200), audio(2, None, None)], &[(1, "a", &[0, 2]), (2, "b", &[1])]);
    assert_eq!(chosen(&alone, &select("", "", &[])), (1, vec![]), "never another programme's");
}

#[test]
fn a_programme_is_found_by_number_and_by_name() {
    for pick in ["2", "second", "Second"] {
        assert_eq!(chosen(&two(), &select(pick, "", &[])), (4, vec![Some(5)]), "{pick}");
    }
    assert_eq!(chosen(&two(), &select("", "pid:0x104", &[])), (4, vec![Some(5)]), "the video's programme");
}

#[test]
fn sounds_are_taken_once_each_in_the_order_asked_for() {
    assert_eq!(chosen(&two(), &select("1", "", &["fra", "eng"])).1, [Some(3), Some(2)]);
    assert_eq!(chosen(&two(), &select("", "", &["eng", "eng"])).1, [Some(2), Some(1)], "the plain one first");
    assert_eq!(chosen(&two(), &select("", "", &["en,role=description", "eng"])).1, [Some(1), Some(2)]);
    assert_eq!(chosen(&two(), &select("", "", &["eng", "pid:0x102"])).1, [Some(1), Some(2)], "what is named goes first");
    assert_eq!(chosen(&two(), &select("", "", &["5", "auto"])).1, [Some(5), Some(2)], "another programme's, by name");
    assert_eq!(chosen(&two(), &select("", "", &["deu?", "fra"])).1, [None, Some(3)], "not of this programme");
}

#[test]
fn what_is_known_goes_with_it() {
    let made = choose(&two(), &select("", "", &["eng,label=English", "pid:0x101,language=en-GB", "fra-CA", "swe?"])).expect("chosen");
    let facts: Vec<_> = made.sounds.iter().map(|s| (s.facts.language.as_deref(), s.facts.label.as_deref(), s.facts.role, s.facts.stream)).collect();
    assert_eq!(facts[0], (Some("eng"), Some("English"), None, Some(StreamRef::Pid(0x102))));
    assert_eq!(facts[1], (Some("en-GB"), None, Some(Role::Description), Some(StreamRef::Pid(0x101))));
    assert_eq!(facts[2], (Some("fra-CA"), None, None, Some(StreamRef::Pid(0x103))));
    assert_eq!(facts[3], (Some("swe"), None, None, None));
    let there = choose(&two(), &select("", "", &["pid:0x101?,language=en"])).expect("chosen").sounds.remove(0).facts;
    let away = choose(&two(), &select("", "", &["pid:0x300?,language=en"])).expect("chosen").sounds.remove(0).facts;
    assert_eq!((there.language, there.role), (away.language, away.role), "whether it is there does not matter");
}

#[test]
fn a_wrong_choice_lists_what_there_is() {
    let all = "programme 1 \"First\": 0 pid 0x100 video h264 200x100, 1 pid 0x101 audio mp2 48000 Hz 2 ch eng description, 2 pid 0x102 audio mp2 48000 Hz 2 ch eng, \
               3 pid 0x103 audio mp2 48000 Hz 2 ch fra; programme 2 \"Second \": 4 pid 0x104 video h264 100x100, 5 pid 0x105 audio mp2 48000 Hz 2 ch deu";
    for (select, why) in [
        (select("3", "", &[]), "programme 3 was asked for, but does not exist"),
        (select("Third", "", &[]), "programme \"Third\" was asked for, but does not exist"),
        (select("", "9", &[]), "video 9 was asked for, but does not exist"),
        (select("", "pid:0x101", &[]), "video pid:0x101 was asked for, but that stream is none"),
        (select("1", "4", &[]), "video 4 was asked for, but that stream is not of the programme"),
        (select("", "", &["swe"]), "audio swe was asked for, but does not exist"),
        (select("", "", &["deu"]), "audio deu was asked for, but does not exist"),
        (select("", "", &["fra", "fra"]), "audio fra was asked for, but there is no further stream of it"),
        (select("", "", &["0"]), "audio 0 was asked for, but that stream is none"),
        (select("", "", &["2", "pid:0x102"]), "audio pid:0x102 was asked for, but that stream was asked for twice"),
        (select("1", "", &["5"]), "audio 5 was asked for, but that stream is not of the programme"),
    ] {
        let words = choose(&two(), &select).expect_err(why);
        assert!(words.starts_with(why) && words.ends_with(all), "{words}");
    }
    let bare = offer(vec![video(0, 1), audio(1, None, None)], &[]);
    assert!(choose(&bare, &select("1", "", &[])).expect_err("none").contains("this input has no programmes; streams: 0 pid"));
}

#[test]
fn a_restart_asks_for_the_same_streams_and_waits_for_what_is_gone() {
    let asked = select("", "", &["eng", "fra"]);
    let first = choose(&two(), &asked).expect("chosen");
    let kept: Vec<SoundFacts> = first.sounds.into_iter().map(|s| s.facts).collect();
    let mut later = two();
    later.streams[1].role = None;
    later.streams[4].size = Some((1000, 1000));
    later.programs[0].streams.retain(|&index| index != 3);
    later.streams.retain(|s| s.index != 3);
    let again = again(&asked, Some(StreamRef::Pid(0x100)), &kept);
    assert_eq!(chosen(&later, &again), (0, vec![Some(2), None]));
    let unasked = super::again(&Select::default(), Some(StreamRef::Pid(0x100)), &[]);
    assert_eq!(chosen(&later, &unasked), (0, vec![]), "an event that began without sound has none");
}

#[test]
fn cover_art_is_not_video() {
    let mut all = offer(vec![video(0, 1000), audio(1, None, None)], &[]);
    all.streams[0].still = true;
    assert!(choose(&all, &Select::default()).expect_err("only a still").contains("no video stream"));
}

#[test]
fn a_stream_of_which_nothing_has_come_is_taken_where_it_is_asked_for() {
    let mut late = two();
    late.streams[3].sample_rate = None;
    assert_eq!(chosen(&late, &select("", "", &["fra"])).1, [Some(3)]);
    for index in [1, 2] {
        late.streams[index].sample_rate = None;
    }
    assert_eq!(chosen(&late, &select("", "", &[])).1, [Some(2)], "unasked, what is announced is waited for");
}

/// A transport stream's map announces it; nothing of it has come while the feed was looked at.
#[test]
fn a_sound_that_is_only_announced_is_waited_for() {
    let silent = |index: usize| Offered { channels: None, sample_rate: None, ..audio(index, Some("eng"), None) };
    let announced = offer(vec![video(0, 200), silent(1)], &[(1, "a", &[0, 1])]);
    let found = choose(&announced, &Select::default()).expect("something is there");
    assert_eq!(found.sounds.iter().map(|s| (s.stream, s.facts.language.as_deref(), s.facts.channels)).collect::<Vec<_>>(), [(Some(1), Some("eng"), None)]);
    let both = offer(vec![video(0, 200), silent(1), audio(2, None, None)], &[(1, "a", &[0, 1, 2])]);
    assert_eq!(chosen(&both, &Select::default()).1, [Some(2)], "one that is there goes before");
    let other = offer(vec![video(0, 200), silent(1)], &[(1, "a", &[0]), (2, "b", &[1])]);
    assert!(chosen(&other, &Select::default()).1.is_empty(), "never another programme's");
    let stored = offer(vec![video(0, 200), Offered { pid: None, ..silent(1) }], &[]);
    assert!(chosen(&stored, &Select::default()).1.is_empty(), "elsewhere it would never come");
    let undecoded = offer(vec![video(0, 200), Offered { decoder: false, ..silent(1) }], &[(1, "a", &[0, 1])]);
    assert!(chosen(&undecoded, &Select::default()).1.is_empty());
}
