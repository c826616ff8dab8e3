//! Several sounds: are the audio groups of the multivariant playlist alike, and do they and the adaptation sets say of each what its initialisation segment says (lines 8, 15, 24)?

use super::ledger::Ledger;
use super::media::Track;
use super::playlist::{Attributes, attribute};
use super::report::Place;
use crate::inspect::Media;
use crate::language;
use crate::role::{self, Role};
use dash_mpd_core::AdaptationSet;
use std::collections::BTreeMap;

/// A member of an audio group: the line it is on, and its attributes.
pub type Member<'a> = (usize, &'a Attributes<'a>);

/// What must differ between members that a player may choose by itself.
const APART: [&str; 3] = ["LANGUAGE", "ASSOC-LANGUAGE", "CHARACTERISTICS"];
/// What may differ between the same member of two groups (RFC 8216bis, 4.4.6.1.1).
const MAY_DIFFER: [&str; 6] = ["GROUP-ID", "URI", "CHANNELS", "BIT-DEPTH", "SAMPLE-RATE", "STABLE-RENDITION-ID"];

/// Line 15 on the audio groups, by their ids: within each, and of one against another.
pub fn groups(groups: &BTreeMap<&str, Vec<Member<'_>>>, ledger: &mut Ledger) {
    for members in groups.values() {
        within(members, ledger);
    }
    let mut all = groups.iter();
    let Some((reference, first)) = all.next() else { return };
    let names = |members: &[Member<'_>]| members.iter().filter_map(|(_, list)| attribute(list, "NAME")).map(str::to_owned).collect::<Vec<_>>();
    for (id, members) in all {
        let place = Place::file(format!("main.m3u8 group \"{id}\""));
        let (mut own, mut wanted) = (names(members), names(first));
        own.sort_unstable();
        wanted.sort_unstable();
        ledger.hold(15, own == wanted, &place, "its NAMEs", own.join(", "), format!("{}, as in group \"{reference}\",", wanted.join(", ")));
        for (line, list) in members {
            let twin = first.iter().find(|(_, other)| attribute(other, "NAME") == attribute(list, "NAME"));
            let Some((_, twin)) = twin else { continue };
            let place = Place::file(format!("main.m3u8 line {line}"));
            let shared = |list: &Attributes<'_>| {
                let mut kept: Vec<String> = list.iter().filter(|(name, _)| !MAY_DIFFER.contains(name)).map(|(name, value)| format!("{name}={value}")).collect();
                kept.sort_unstable();
                kept.join(",")
            };
            let required = format!("{}, as in group \"{reference}\",", shared(twin));
            ledger.hold(15, shared(list) == shared(twin), &place, "what the groups share", shared(list), required);
        }
    }
}

fn within(members: &[Member<'_>], ledger: &mut Ledger) {
    let at = |line: usize| Place::file(format!("main.m3u8 line {line}"));
    let yes = |list: &Attributes<'_>, name: &str| attribute(list, name) == Some("YES");
    let apart = |list: &Attributes<'_>| APART.map(|name| attribute(list, name).unwrap_or_default().to_owned());
    for (place, (line, list)) in members.iter().enumerate() {
        let before = || members.iter().take(place);
        let name = attribute(list, "NAME").unwrap_or_default();
        let twin = before().find(|(_, other)| attribute(other, "NAME") == attribute(list, "NAME"));
        ledger.hold(15, twin.is_none(), &at(*line), "NAME", name, "one that no other of its group has");
        let second = yes(list, "DEFAULT") && before().any(|(_, other)| yes(other, "DEFAULT"));
        ledger.hold(15, !second, &at(*line), "DEFAULT", "YES", "NO, since another of its group is the default");
        let automatic = attribute(list, "AUTOSELECT").unwrap_or("absent");
        ledger.hold(15, !yes(list, "DEFAULT") || automatic != "NO", &at(*line), "AUTOSELECT", automatic, "YES for the default");
        let alike = yes(list, "AUTOSELECT") && before().any(|(_, other)| yes(other, "AUTOSELECT") && apart(other) == apart(list));
        ledger.hold(15, !alike, &at(*line), "AUTOSELECT", "YES", "NO, since another of its group has the same language and characteristics");
    }
}

/// Line 15 on a member, against the initialisation segment of its track.
pub fn member(track: &Track, list: &Attributes<'_>, place: &Place, ledger: &mut Ledger) {
    let said = attribute(list, "LANGUAGE");
    if let Some(wanted) = tag(track) {
        if let Some(said) = ledger.present(15, place, "LANGUAGE", said) {
            ledger.hold(15, fits(said, track), place, "LANGUAGE", said, format!("{wanted}, as the initialisation segment says,"));
        }
    } else if let Some(said) = said {
        ledger.error(15, place, format!("LANGUAGE is {said}; the initialisation segment knows of none"));
    }
    let Some(role) = role_of(track) else { return };
    let (said, wanted) = (attribute(list, "CHARACTERISTICS").unwrap_or("absent"), role.characteristics().unwrap_or("absent"));
    ledger.hold(15, said == wanted, place, "CHARACTERISTICS", said, format!("{wanted}, by the role {role} of the initialisation segment,"));
}

/// The language of a track as a tag; nothing where it is not known.
fn tag(track: &Track) -> Option<&str> {
    track.init.tag.as_deref().or(language::tag(&track.init.language))
}

fn fits(said: &str, track: &Track) -> bool {
    tag(track) == Some(said) || (track.init.tag.is_none() && language::same(said, &track.init.language))
}

/// What the `kind` box says, where it is a role that is known here.
fn role_of(track: &Track) -> Option<Role> {
    track.init.role.as_deref().and_then(|name| name.parse().ok())
}

/// Line 8 on one initialisation segment: what it says of its language and role.
pub fn init(track: &Track, place: &Place, ledger: &mut Ledger) {
    let Media::Audio { channels, .. } = track.init.media else { return };
    ledger.hold(8, (1..=24).contains(&channels), place, "the number of channels", channels, "1 to 24");
    if let Some(tag) = &track.init.tag {
        let ok = language::is_legal(tag) && (language::same(tag, &track.init.language) || language::tag(&track.init.language).is_none());
        ledger.hold(8, ok, place, "elng", tag, format!("a tag of the language that mdhd names, {},", track.init.language));
    }
}

/// Line 24 on an adaptation set of sound: one language, role and number of channels to a set, and those that it says. The others of the manifest are in `known`; it must differ from all.
pub fn set(set: &AdaptationSet, tracks: &[&Track], known: &mut Vec<String>, place: &Place, ledger: &mut Ledger) {
    let channels = |track: &Track| if let Media::Audio { channels, .. } = track.init.media { channels } else { 0 };
    let Some(first) = tracks.first().filter(|track| !track.video()) else { return };
    for track in tracks {
        let words = |t: &Track| format!("{} {} {} ch", tag(t).unwrap_or(language::UNKNOWN), t.init.role.as_deref().unwrap_or("no role"), channels(t));
        ledger.hold(24, words(track) == words(first), place, &format!("track {}", track.name), words(track), format!("{}, as {},", words(first), first.name));
    }
    match (tag(first), set.lang.as_deref()) {
        (Some(wanted), Some(said)) => ledger.hold(24, fits(said, first), place, "@lang", said, format!("{wanted}, as the initialisation segment says,")),
        (Some(wanted), None) => ledger.error(24, place, format!("@lang is absent; {wanted} is required")),
        (None, Some(said)) if language::tag(said).is_some() => ledger.error(24, place, format!("@lang is {said}; the initialisation segment knows of none")),
        (None, _) => {}
    }
    let said = set.Role.iter().find(|r| r.schemeIdUri == role::SCHEME).and_then(|r| r.value.as_deref());
    if let (Some(said), Some(wanted)) = (said, first.init.role.as_deref()) {
        ledger.hold(24, said == wanted, place, "Role", said, format!("{wanted}, as the initialisation segment says,"));
    }
    let label = set.Label.first().map_or("", |label| label.content.as_str());
    let entry = String::from_utf8_lossy(&first.init.entry);
    let own = format!("{} {} \"{label}\" {} ch {entry}", set.lang.as_deref().unwrap_or_default(), said.unwrap_or_default(), channels(first));
    ledger.hold(24, !known.contains(&own), place, "the set", &own, "another language, role, label or number of channels than every other has");
    known.push(own);
}

#[cfg(test)]
#[path = "sound_tests.rs"]
mod tests;
