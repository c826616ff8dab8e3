//! HLS playlists (RFC 8216bis), as text. A function of what is listed, and of nothing else.

use super::describe::Described;
use super::language;
use super::listing::{Entry, Listing};
use super::{TrackKind, TrackSpec};
use crate::time::{Rate, Seconds};
use std::fmt::Write;

/// `EXT-X-VERSION`: 8 for `EXT-X-GAP`. Constant, so that it does not change with the first gap.
pub const VERSION: u32 = 8;

/// Name of the multivariant playlist.
pub const MAIN: &str = "main.m3u8";

/// `EXT-X-TARGETDURATION`: the longest segment of any track, to the nearest second, at least 1. The same in every media playlist.
pub fn target_duration(tracks: &[TrackSpec]) -> i64 {
    tracks.iter().map(|t| t.longest().nearest_ticks(1)).max().unwrap_or(1).max(1)
}

/// The media playlist of `track`.
pub fn media(track: &TrackSpec, listing: &Listing, target: i64, ended: bool) -> String {
    let mut text = String::with_capacity(256 + 96 * listing.entries().len());
    let sequence = listing.entries().front().map_or(0, |e| e.number.0);
    line(&mut text, format_args!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{sequence}"));
    if listing.whole() {
        line(&mut text, format_args!("#EXT-X-PLAYLIST-TYPE:EVENT"));
    }
    line(&mut text, format_args!("#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\""));
    for Entry { number, start, duration, gap } in listing.entries() {
        line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", start.to_rfc3339()));
        if *gap {
            line(&mut text, format_args!("#EXT-X-GAP"));
        }
        let uri = track.segment_path(*number);
        line(&mut text, format_args!("#EXTINF:{},\n{}", decimal(*duration), uri.strip_prefix(&format!("{}/", track.name)).unwrap_or(&uri)));
    }
    if ended {
        line(&mut text, format_args!("#EXT-X-ENDLIST"));
    }
    text
}

/// The multivariant playlist: one variant a video rung, each with one audio group. The best rungs get the best sound, the least the least.
pub fn main(tracks: &[Described]) -> String {
    let mut sound: Vec<&Described> = tracks.iter().filter(|t| t.audio().is_some()).collect();
    sound.sort_by_key(|t| std::cmp::Reverse(t.average));
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    for track in &sound {
        let Some(audio) = track.audio() else { continue };
        let tag = language::tag(&audio.language);
        let language = tag.map_or(String::new(), |tag| format!(",LANGUAGE=\"{tag}\""));
        let (group, name, channels, uri) = (&track.spec.name, tag.unwrap_or("main"), audio.channels, track.spec.playlist_path());
        line(
            &mut text,
            format_args!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"{name}\"{language},DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"{channels}\",URI=\"{uri}\""
            ),
        );
    }
    let video: Vec<&Described> = tracks.iter().filter(|t| matches!(t.spec.kind, TrackKind::Video { .. })).collect();
    for (i, track) in video.iter().enumerate() {
        let TrackKind::Video { rendition, .. } = &track.spec.kind else { continue };
        let audio = sound.get(i * sound.len() / video.len());
        let (peak, average) = (track.peak + audio.map_or(0, |a| a.peak), track.average + audio.map_or(0, |a| a.average));
        let codecs = audio.map_or(track.codecs.clone(), |a| format!("{},{}", track.codecs, a.codecs));
        let (width, height, rate) = (rendition.width, rendition.height, frame_rate(rendition.grid.rate));
        let range = rendition.range.name();
        let group = audio.map_or(String::new(), |a| format!(",AUDIO=\"{}\"", a.spec.name));
        line(
            &mut text,
            format_args!(
                "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\",RESOLUTION={width}x{height},FRAME-RATE={rate},VIDEO-RANGE={range}{group}\n{}",
                track.spec.playlist_path()
            ),
        );
    }
    text
}

fn line(text: &mut String, args: std::fmt::Arguments<'_>) {
    writeln!(text, "{args}").expect("writing to a String does not fail");
}

/// Seconds in decimal: nine digits at most, three at least.
fn decimal(span: Seconds) -> String {
    let nanos = span.nearest_ticks(1_000_000_000);
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    let digits = text.trim_end_matches('0').len().max(text.len() - 6);
    text[..digits].to_owned()
}

/// Pictures per second with three decimals.
fn frame_rate(rate: Rate) -> String {
    let millis = (u64::from(rate.num()) * 1000 + u64::from(rate.den()) / 2) / u64::from(rate.den());
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
