//! HLS playlists (RFC 8216bis), as text. A function of what is listed, and of nothing else.

use super::describe::Described;
use super::listing::{Entry, Listing};
use super::parts::{Part, Parts};
use super::{TrackKind, TrackSpec};
use crate::job::Window;
use crate::protect::Guard;
use crate::time::{GopId, Rate, Seconds};
use std::fmt::Write;

/// `EXT-X-VERSION`: 8 for `EXT-X-GAP`. Constant, so that it does not change with the first gap.
pub const VERSION: u32 = 8;

/// Name of the multivariant playlist.
pub const MAIN: &str = "main.m3u8";

/// `EXT-X-TARGETDURATION`: the longest segment of any track, to the nearest second, at least 1. The same in every media playlist.
pub fn target_duration(tracks: &[TrackSpec]) -> i64 {
    tracks.iter().map(|t| t.longest().nearest_ticks(1)).max().unwrap_or(1).max(1)
}

/// `HOLD-BACK` and `PART-HOLD-BACK`: so many target durations, of segments and of parts (RFC 8216bis, 4.4.3.8).
const HOLD_BACK: i64 = 3;

/// How far behind the end of a live playlist a player should stay: where a segment comes at the last moment of `publish_delay`, and the player has just looked for it, it is not too late.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// Number k is due at the end of its slot plus this.
    pub publish_delay: Seconds,
    /// What is listed.
    pub window: Window,
}

impl Hold {
    /// `HOLD-BACK` for this target duration, no less than a player's own choice; that where the window is too short for more.
    pub fn back(self, target: i64) -> Seconds {
        let target = Seconds::whole(target);
        let (least, back) = (target.times(HOLD_BACK.into()), self.publish_delay + target.times(2));
        let fits = match self.window {
            Window::Whole => true,
            Window::Last(window) => back + target <= window,
        };
        if fits { back.max(least) } else { least }
    }
}

/// What a playlist of low-latency HLS says beside the segments.
pub struct Low<'a> {
    /// `PART-TARGET`.
    pub part_target: Seconds,
    /// The parts of the last segments, and of the one that comes.
    pub parts: &'a Parts,
    /// The one that comes, and the number of its next part, where that is going to come.
    pub next: (GopId, Option<u32>),
    /// How far the other tracks are: name, last segment, last part of it.
    pub others: Vec<(&'a str, GopId, Option<u32>)>,
}

/// The media playlist of `track`, which `guard` protects, if any, and whose live edge is `hold` away; with the parts of its last segments where there is `low`.
pub fn media(track: &TrackSpec, listing: &Listing, target: i64, hold: Option<Hold>, low: Option<&Low>, guard: Option<&Guard>) -> String {
    let ended = hold.is_none();
    let mut text = String::with_capacity(256 + 96 * listing.entries().len() + if low.is_some() { 4096 } else { 0 });
    let sequence = listing.entries().front().map_or(0, |e| e.number.0);
    line(&mut text, format_args!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{sequence}"));
    let back = hold.map_or(Seconds::whole(target * HOLD_BACK), |hold| hold.back(target));
    if let Some(low) = low {
        let part = nanos(low.part_target);
        let (part, back, hold) = (in_nanos(part), in_nanos(part * HOLD_BACK), decimal(back));
        line(&mut text, format_args!("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK={hold},PART-HOLD-BACK={back}\n#EXT-X-PART-INF:PART-TARGET={part}"));
    } else if back > Seconds::whole(target * HOLD_BACK) {
        line(&mut text, format_args!("#EXT-X-SERVER-CONTROL:HOLD-BACK={}", decimal(back)));
    }
    if listing.whole() {
        line(&mut text, format_args!("#EXT-X-PLAYLIST-TYPE:EVENT"));
    }
    line(&mut text, format_args!("#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\""));
    let parts = |text: &mut String, number: GopId| {
        let parts = low.map_or(&[][..], |low| low.parts.of(number));
        parts.iter().enumerate().for_each(|(index, each)| part(text, number, index, each));
    };
    let mut before = None;
    for Entry { number, start, duration, gap } in listing.entries() {
        keys(&mut text, guard, *number, &mut before);
        line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", start.to_rfc3339()));
        parts(&mut text, *number);
        if *gap {
            line(&mut text, format_args!("#EXT-X-GAP"));
        }
        let uri = track.segment_path(*number);
        line(&mut text, format_args!("#EXTINF:{},\n{}", decimal(*duration), uri.strip_prefix(&format!("{}/", track.name)).unwrap_or(&uri)));
    }
    if let Some(low) = low.filter(|_| !ended) {
        let (number, next) = low.next;
        if !low.parts.of(number).is_empty() || next.is_some() {
            keys(&mut text, guard, number, &mut before);
        }
        if !low.parts.of(number).is_empty() {
            line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", track.time(track.first_unit(number)).to_rfc3339()));
            parts(&mut text, number);
        }
        if let Some(index) = next {
            line(&mut text, format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"", part_name(number, index as usize)));
        }
        for (name, last, part) in &low.others {
            let part = part.map_or(String::new(), |part| format!(",LAST-PART={part}"));
            line(&mut text, format_args!("#EXT-X-RENDITION-REPORT:URI=\"../{name}/media.m3u8\",LAST-MSN={last}{part}"));
        }
    }
    if ended {
        line(&mut text, format_args!("#EXT-X-ENDLIST"));
    }
    text
}

/// The keys of segment `number`, where they are other than those of the one that came `before` it.
pub(super) fn keys(text: &mut String, guard: Option<&Guard>, number: GopId, before: &mut Option<GopId>) {
    let lines = guard.map_or(Vec::new(), |guard| guard.lines(number, *before));
    lines.iter().for_each(|key| line(text, format_args!("{key}")));
    *before = Some(number);
}

fn part(text: &mut String, number: GopId, index: usize, part: &Part) {
    let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
    let gap = if part.gap { ",GAP=YES" } else { "" };
    line(text, format_args!("#EXT-X-PART:DURATION={},URI=\"{}\"{independent}{gap}", decimal(part.duration), part_name(number, index)));
}

/// Relative to the media playlist.
fn part_name(number: GopId, index: usize) -> String {
    format!("{number}.{index}.m4s")
}

/// The multivariant playlist: one audio group for each rung of sound, with a member for each sound; and a variant for each video rung. The best of these get the best group, the least the least.
/// Where there is 5.1 as well, each video rung is there once more, for players that take it. Where there is sound, the last variant is of sound alone.
pub fn main(tracks: &[Described]) -> String {
    let groups = groups(tracks);
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    session_keys(tracks).iter().for_each(|key| line(&mut text, format_args!("{key}")));
    groups.iter().for_each(|group| group.write(&mut text));
    let video: Vec<&Described> = tracks.iter().filter(|t| matches!(t.spec.kind, TrackKind::Video { .. })).collect();
    let (wide, narrow): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|g| g.channels > 2);
    let kinds: Vec<Vec<&Group>> = [narrow, wide].into_iter().filter(|groups| !groups.is_empty()).collect();
    if kinds.is_empty() {
        video.iter().for_each(|track| variant(&mut text, track, None));
    }
    for groups in kinds {
        for (i, track) in video.iter().enumerate() {
            variant(&mut text, track, groups.get(i * groups.len() / video.len()).copied());
        }
    }
    if let Some(group) = sound_alone(&groups) {
        variant_of_sound(&mut text, group);
    }
    text
}

/// Every key of every track once, so that players can ask for licences before they choose.
fn session_keys(tracks: &[Described]) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for key in tracks.iter().filter_map(|t| t.signal.as_ref()).flat_map(|signal| &signal.session) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    keys
}

/// An audio group: one rung of sound.
struct Group<'a> {
    name: &'a str,
    channels: u32,
    members: Vec<&'a Described>,
}

/// The groups, dearest first. All have the same members, as RFC 8216bis asks (4.4.6.1.1): a sound that a rung is not made of stands in with the dearest of its own that is no dearer.
fn groups(tracks: &[Described]) -> Vec<Group<'_>> {
    let mut sound: Vec<&Described> = tracks.iter().filter(|t| t.audio().is_some()).collect();
    sound.sort_by_key(|t| std::cmp::Reverse(t.average));
    let of = |t: &Described| t.audio().map_or(0, |a| a.sound);
    let rung = |t: &'_ &Described| t.audio().map(|a| a.rung.clone()).unwrap_or_default();
    let mut sounds: Vec<usize> = sound.iter().map(|t| of(t)).collect();
    sounds.sort_unstable();
    sounds.dedup();
    let mut groups: Vec<Group> = Vec::new();
    for first in &sound {
        let Some(audio) = first.audio().filter(|audio| groups.iter().all(|g| g.name != audio.rung)) else { continue };
        let own = |n: usize| sound.iter().copied().filter(move |t| of(t) == n);
        let member = |n: usize| {
            let same = own(n).find(|t| rung(t) == audio.rung);
            same.or_else(|| own(n).find(|t| t.average <= first.average)).or_else(|| own(n).next_back())
        };
        let members: Vec<&Described> = sounds.iter().filter_map(|&n| member(n)).collect();
        groups.push(Group { name: &audio.rung, channels: audio.channels, members });
    }
    groups
}

impl Group<'_> {
    fn write(&self, text: &mut String) {
        // Those that a player may choose by itself must differ by language or characteristics (4.4.6.1.1).
        let mut known: Vec<(Option<&str>, Option<&str>)> = Vec::new();
        for (place, track) in self.members.iter().enumerate() {
            let Some(audio) = track.audio() else { continue };
            let (tag, characteristics) = (audio.language_tag(), audio.role.characteristics());
            let new = !known.contains(&(tag, characteristics));
            known.push((tag, characteristics));
            let yes = |is: bool| if is { "YES" } else { "NO" };
            let attribute = |name: &str, value: Option<&str>| value.map_or(String::new(), |value| format!(",{name}=\"{value}\""));
            let (group, label, channels, uri) = (self.name, &audio.label, audio.channels, track.spec.playlist_path());
            let (language, purpose) = (attribute("LANGUAGE", tag), attribute("CHARACTERISTICS", characteristics));
            let (default, auto) = (yes(place == 0), yes(new));
            line(
                text,
                format_args!(
                    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"{label}\"{language},DEFAULT={default},AUTOSELECT={auto}{purpose},CHANNELS=\"{channels}\",URI=\"{uri}\""
                ),
            );
        }
    }
}

fn variant(text: &mut String, track: &Described, group: Option<&Group>) {
    let TrackKind::Video { rendition, .. } = &track.spec.kind else { return };
    let members = || group.into_iter().flat_map(|g| &g.members);
    let loudest = |of: fn(&Described) -> u64| members().map(|m| of(m)).max().unwrap_or(0);
    let (peak, average) = (track.peak + loudest(|t| t.peak), track.average + loudest(|t| t.average));
    let mut codecs = vec![track.codecs.as_str()];
    for member in members() {
        if !codecs.contains(&member.codecs.as_str()) {
            codecs.push(&member.codecs);
        }
    }
    let codecs = codecs.join(",");
    let (width, height, rate) = (rendition.width, rendition.height, frame_rate(rendition.grid.rate));
    let range = rendition.range.name();
    let group = group.map_or(String::new(), |g| format!(",AUDIO=\"{}\"", g.name));
    line(
        text,
        format_args!(
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\",RESOLUTION={width}x{height},FRAME-RATE={rate},VIDEO-RANGE={range}{group}\n{}",
            track.spec.playlist_path()
        ),
    );
}

/// The most bits per second of a variant of sound alone (Apple's authoring rules, 9.9: one of at most 192 kb/s).
const SOUND_ALONE: u64 = 192_000;

/// The group for who hears only, or has no room for pictures: the best of mono or stereo within the limit, else the least of all.
fn sound_alone<'a, 'b>(groups: &'a [Group<'b>]) -> Option<&'a Group<'b>> {
    let average = |group: &Group| group.members.iter().map(|m| m.average).max().unwrap_or(0);
    let fits = groups.iter().filter(|group| group.channels <= 2 && average(group) <= SOUND_ALONE);
    fits.max_by_key(|group| average(group)).or_else(|| groups.iter().min_by_key(|group| average(group)))
}

/// A variant without pictures: its media playlist is that of its group's first member.
fn variant_of_sound(text: &mut String, group: &Group) {
    let loudest = |of: fn(&Described) -> u64| group.members.iter().map(|m| of(m)).max().unwrap_or(0);
    let (peak, average) = (loudest(|t| t.peak), loudest(|t| t.average));
    let Some(first) = group.members.first() else { return };
    let mut codecs: Vec<&str> = Vec::new();
    group.members.iter().for_each(|m| {
        if !codecs.contains(&m.codecs.as_str()) {
            codecs.push(&m.codecs)
        }
    });
    let (name, uri, codecs) = (group.name, first.spec.playlist_path(), codecs.join(","));
    line(text, format_args!("#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\",AUDIO=\"{name}\"\n{uri}"));
}

fn line(text: &mut String, args: std::fmt::Arguments<'_>) {
    writeln!(text, "{args}").expect("writing to a String does not fail");
}

/// Seconds in decimal: nine digits at most, three at least.
pub(super) fn decimal(span: Seconds) -> String {
    in_nanos(nanos(span))
}

fn nanos(span: Seconds) -> i64 {
    span.nearest_ticks(1_000_000_000)
}

fn in_nanos(nanos: i64) -> String {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    let digits = text.trim_end_matches('0').len().max(text.len() - 6);
    text[..digits].to_owned()
}

/// Pictures per second with three decimals.
fn frame_rate(rate: Rate) -> String {
    let millis = (u64::from(rate.num()) * 1000 + u64::from(rate.den()) / 2) / u64::from(rate.den());
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
