//! Receivers that misbehave: the event goes on, the other destinations have all of it, and the one that misbehaved has what it should once it is back.

use crate::support::receiver::{Manner, Receiver};
use crate::support::show::{FIRST, SEGMENT, Show, outputs, same, segment, tree};
use crate::support::until;
use mezzo::job::Pace;
use mezzo::sink::remote::counts::Snapshot;

/// A minute of what was missed is filled in.
fn patient(receiver: &Receiver) -> String {
    format!("[[output]]\nurl = \"{}\"\nfill_in = \"1m\"\nmanifests = \"players\"\n", receiver.url())
}

/// An event of 14 segments; the first of three destinations goes wrong between the 4th and the 10th.
fn survives(wrong: impl FnOnce(&mut Receiver), right: impl FnOnce(&mut Receiver)) -> Snapshot {
    let (mut bad, good) = (Receiver::start(), Receiver::start());
    let dir = tempfile::tempdir().expect("a temporary folder");
    let lines = format!("{}{}[[output]]\nurl = {:?}\n", patient(&bad), patient(&good), dir.path().display().to_string());
    let mut show = Show::begin(&outputs(&lines), Pace::Live);
    show.segments(4);
    wrong(&mut bad);
    show.segments(6);
    assert!(show.counts(0).backlog_bytes > 0 || show.counts(0).failures["refused"] > 0, "it did go wrong: {:?}", show.counts(0));
    right(&mut bad);
    show.segments(4);
    let ended = show.end();
    same("the directory", &tree(dir.path()), &show.made);
    same("the other receiver", &good.taken(), &show.made);
    same("the receiver that is back", &bad.taken(), &show.made);
    let (bad, good) = (&ended[0], &ended[1]);
    assert_eq!((good.state, good.dropped, good.filled_in, good.backlog_bytes), ("well", 0, 0, 0), "{good:?}");
    assert_eq!((bad.state, bad.dropped, bad.backlog_bytes), ("well", 0, 0), "{bad:?}");
    assert_eq!(bad.segments, 28, "{bad:?}");
    assert!(bad.filled_in > 0 && bad.last_error.is_some(), "{bad:?}");
    ended[0].clone()
}

fn behaves(manner: Manner) -> Snapshot {
    survives(|receiver| receiver.behave(manner), |receiver| receiver.behave(Manner::Take))
}

#[test]
fn one_that_is_killed() {
    let counts = survives(Receiver::kill, Receiver::revive);
    assert!(counts.failures["connect"] > 0 && counts.retries > 0, "{counts:?}");
}

#[test]
fn one_that_is_slow() {
    let counts = behaves(Manner::Slow(10_000));
    assert!(counts.failures["slow"] > 0 && counts.over_budget > 0, "{counts:?}");
}

#[test]
fn one_that_answers_500() {
    let counts = behaves(Manner::Answer(500, ""));
    assert!(counts.failures["server"] > 0 && counts.retries > 0, "{counts:?}");
}

#[test]
fn one_that_answers_403() {
    let counts = behaves(Manner::Answer(403, ""));
    // Once for each segment and text, and not again and again.
    assert!((6..=40).contains(&counts.failures["refused"]), "{counts:?}");
    assert!(counts.last_error.is_some_and(|why| why.contains("403 Forbidden")));
}

#[test]
fn one_that_closes_after_half_a_body() {
    let counts = behaves(Manner::Half);
    assert!(counts.failures["lost"] > 0, "{counts:?}");
}

#[test]
fn one_that_never_answers() {
    let counts = behaves(Manner::Hang);
    assert!(counts.failures["slow"] > 0 && counts.over_budget > 0, "{counts:?}");
}

#[test]
fn one_that_never_reads() {
    let counts = behaves(Manner::Deaf);
    assert!(counts.failures["slow"] > 0, "{counts:?}");
}

#[test]
fn after_a_long_outage_it_is_the_live_edge_that_counts() {
    let mut bad = Receiver::start();
    let lines = format!("[[output]]\nurl = \"{}\"\nmanifests = \"players\"\n", bad.url());
    let mut show = Show::begin(&outputs(&lines), Pace::Live);
    show.segments(2);
    until("both are there", 5, || ["v", "a"].iter().all(|track| bad.has(&format!("{track}/{}.m4s", FIRST + 1))));
    bad.kill();
    show.segments(8);
    bad.revive();
    show.segments(4);
    let counts = show.end().remove(0);
    let there = bad.taken();
    let has = |n: i64| there.contains_key(&format!("v/{}.m4s", FIRST + n));
    assert!(has(0) && has(1) && has(10) && has(11) && has(12) && has(13), "{:?}", there.keys());
    assert!(!has(3) && !has(4), "what is older than three segments is not filled in: {:?}", there.keys());
    assert!(counts.dropped > 0, "{counts:?}");
    // Its playlist says what it does not have, and nothing else.
    let playlist = String::from_utf8(there["v/media.m3u8"].clone()).expect("text");
    for n in 0..14 {
        let line = format!("{}.m4s", FIRST + n);
        assert_eq!(playlist.contains(&format!("#EXT-X-GAP\n{line}")), !there.contains_key(&format!("v/{line}")), "{line} in {playlist}");
    }
}

#[test]
fn what_waits_for_one_that_takes_nothing_is_bounded() {
    let (bad, good) = (Receiver::start(), Receiver::start());
    bad.behave(Manner::Deaf);
    let one = |receiver: &Receiver| format!("[[output]]\nurl = \"{}\"\nbacklog_mib = 8\nfill_in = \"1h\"\n", receiver.url());
    let mut show = Show::begin(&outputs(&format!("{}{}", one(&bad), one(&good))), Pace::Live);
    for number in 0..40 {
        show.publish(segment("v", FIRST + number, 1 << 20));
        let counts = show.counts(0);
        assert!(counts.backlog_bytes <= 9 << 20, "{counts:?}");
    }
    let counts = show.counts(0);
    assert!(counts.dropped >= 30 && counts.segments == 0, "{counts:?}");
    until("the other one takes its own", 10 * SEGMENT.as_secs().max(1), || good.has(&format!("v/{}.m4s", FIRST + 39)));
}

#[test]
fn at_full_speed_nothing_is_left_out() {
    let slow = Receiver::start();
    slow.behave(Manner::Slow(20_000_000));
    let lines = format!("[[output]]\nurl = \"{}\"\nbacklog_mib = 8\nmanifests = \"players\"\n", slow.url());
    let mut show = Show::begin(&outputs(&lines), Pace::Fast);
    (0..40).for_each(|number| show.publish(segment("v", FIRST + number, 1 << 20)));
    show.lists("v", FIRST + 39);
    let counts = show.end().remove(0);
    same("the receiver", &slow.taken(), &show.made);
    assert_eq!((counts.dropped, counts.filled_in), (0, 0), "{counts:?}");
}
