//! Playlists as raw lines: what is written, where, before any meaning. The strict checks need more than a lenient parser keeps.

use super::parts;
use crate::time::Seconds;

/// Most entries of a playlist.
const MAX_ENTRIES: usize = 2_000_000;

/// The attributes of a tag, in order: name and value, quotes taken off.
pub type Attributes<'a> = Vec<(&'a str, &'a str)>;

/// A line with something on it.
enum Item<'a> {
    Tag { line: usize, name: &'a str, value: &'a str },
    Uri { line: usize, uri: &'a str },
}

/// Lines counted from 1, comments and empty ones left out.
fn items(text: &str) -> impl Iterator<Item = Item<'_>> {
    text.lines().enumerate().filter_map(|(i, line)| {
        let line_number = i + 1;
        if let Some(tag) = line.strip_prefix("#EXT") {
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            return Some(Item::Tag { line: line_number, name, value });
        }
        (!line.is_empty() && !line.starts_with('#')).then_some(Item::Uri { line: line_number, uri: line })
    })
}

/// An attribute list (RFC 8216bis, 4.2), leniently: what does not parse ends it.
pub fn attributes(value: &str) -> Attributes<'_> {
    let (mut list, mut rest) = (Vec::new(), value);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, next)) => (value, next.strip_prefix(',').unwrap_or(next)),
                None => break,
            },
            None => after.split_once(',').unwrap_or((after, "")),
        };
        list.push((name.trim(), value));
        rest = next;
    }
    list
}

/// The value of an attribute.
pub fn attribute<'a>(list: &Attributes<'a>, name: &str) -> Option<&'a str> {
    list.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
}

/// A multivariant playlist.
#[derive(Debug, Default)]
pub struct Main<'a> {
    /// Starts with `#EXTM3U`.
    pub header: bool,
    /// `EXT-X-VERSION`.
    pub version: Option<&'a str>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// `EXT-X-STREAM-INF` with the line it is on, and the URI after it.
    pub variants: Vec<(usize, Attributes<'a>, &'a str)>,
    /// `EXT-X-MEDIA`.
    pub media: Vec<(usize, Attributes<'a>)>,
    /// `EXT-X-I-FRAME-STREAM-INF`.
    pub iframes: Vec<(usize, Attributes<'a>)>,
    /// `EXT-X-SESSION-DATA`.
    pub session: Vec<(usize, Attributes<'a>)>,
    /// `EXT-X-IMAGE-STREAM-INF`.
    pub images: Vec<(usize, Attributes<'a>)>,
}

/// Reads a multivariant playlist.
pub fn main(text: &str) -> Main<'_> {
    let mut main = Main { header: text.lines().next() == Some("#EXTM3U"), ..Main::default() };
    let mut pending = None;
    for item in items(text).take(MAX_ENTRIES) {
        match item {
            Item::Tag { name: "-X-VERSION", value, .. } => main.version = Some(value),
            Item::Tag { name: "-X-INDEPENDENT-SEGMENTS", .. } => main.independent = true,
            Item::Tag { line, name: "-X-STREAM-INF", value } => pending = Some((line, attributes(value))),
            Item::Tag { line, name: "-X-MEDIA", value } => main.media.push((line, attributes(value))),
            Item::Tag { line, name: "-X-I-FRAME-STREAM-INF", value } => main.iframes.push((line, attributes(value))),
            Item::Tag { line, name: "-X-SESSION-DATA", value } => main.session.push((line, attributes(value))),
            Item::Tag { line, name: "-X-IMAGE-STREAM-INF", value } => main.images.push((line, attributes(value))),
            Item::Tag { .. } => {}
            Item::Uri { uri, .. } => main.variants.extend(pending.take().map(|(line, list)| (line, list, uri))),
        }
    }
    main
}

/// A media playlist.
#[derive(Debug, Default)]
pub struct Media<'a> {
    /// Starts with `#EXTM3U`.
    pub header: bool,
    /// `EXT-X-VERSION`.
    pub version: Option<&'a str>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// `EXT-X-TARGETDURATION`.
    pub target: Option<&'a str>,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub sequence: Option<&'a str>,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: Option<&'a str>,
    /// `EXT-X-MAP`: line, URI, and how many entries came before it.
    pub maps: Vec<(usize, &'a str, usize)>,
    /// Lines of `EXT-X-DISCONTINUITY`.
    pub discontinuities: Vec<usize>,
    /// `EXT-X-DATERANGE`.
    pub date_ranges: Vec<(usize, Attributes<'a>)>,
    /// `EXT-X-PART-INF`.
    pub part_inf: Vec<(usize, Attributes<'a>)>,
    /// `EXT-X-SERVER-CONTROL`.
    pub control: Vec<(usize, Attributes<'a>)>,
    /// `EXT-X-PART`.
    pub parts: Vec<Part<'a>>,
    /// `EXT-X-PRELOAD-HINT`.
    pub hints: Vec<(usize, Attributes<'a>)>,
    /// `EXT-X-RENDITION-REPORT`.
    pub reports: Vec<(usize, Attributes<'a>)>,
    /// Lines of `EXT-X-KEY`.
    pub keys: Vec<usize>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
    /// `EXT-X-I-FRAMES-ONLY`.
    pub iframes_only: bool,
    /// The segments.
    pub entries: Vec<Entry<'a>>,
    /// Tags that are not where they may be, with what is wrong.
    pub faults: Vec<(usize, String)>,
}

impl Media<'_> {
    /// Whether anything of low-latency HLS is in it.
    pub fn low_latency(&self) -> bool {
        let control = self.control.iter().any(|(_, list)| list.iter().any(|(name, _)| *name != "HOLD-BACK"));
        control || !(self.part_inf.is_empty() && self.parts.is_empty() && self.hints.is_empty() && self.reports.is_empty())
    }
}

/// A part of a segment in a playlist.
#[derive(Debug, Default)]
pub struct Part<'a> {
    /// Its line.
    pub line: usize,
    /// URI.
    pub uri: &'a str,
    /// `DURATION`.
    pub duration: Option<Seconds>,
    /// `INDEPENDENT=YES`.
    pub independent: bool,
    /// `GAP=YES`.
    pub gap: bool,
    /// The segment that it is of, as an index into the entries; one past the last for the one that comes.
    pub entry: usize,
}

/// A segment in a playlist.
#[derive(Debug, Default)]
pub struct Entry<'a> {
    /// Line of the URI.
    pub line: usize,
    /// URI.
    pub uri: &'a str,
    /// `EXTINF`.
    pub duration: Option<Seconds>,
    /// `EXT-X-PROGRAM-DATE-TIME`.
    pub date: Option<Seconds>,
    /// `EXT-X-GAP`.
    pub gap: bool,
    /// `EXT-X-BYTERANGE`, as it is written.
    pub range: Option<&'a str>,
}

/// Reads a media playlist.
pub fn media(text: &str) -> Media<'_> {
    let mut media = Media { header: text.lines().next() == Some("#EXTM3U"), ..Media::default() };
    let mut entry = Entry::default();
    for item in items(text).take(MAX_ENTRIES) {
        match item {
            Item::Tag { line, name, value } => tag(&mut media, &mut entry, line, name, value),
            Item::Uri { line, uri } => media.entries.push(Entry { line, uri, ..std::mem::take(&mut entry) }),
        }
    }
    media
}

fn tag<'a>(media: &mut Media<'a>, entry: &mut Entry<'a>, line: usize, name: &'a str, value: &'a str) {
    let once = |slot: &mut Option<&'a str>, faults: &mut Vec<(usize, String)>| {
        if slot.replace(value).is_some() {
            faults.push((line, format!("#EXT{name} is there a second time")));
        }
    };
    match name {
        "-X-VERSION" => once(&mut media.version, &mut media.faults),
        "-X-TARGETDURATION" => once(&mut media.target, &mut media.faults),
        "-X-MEDIA-SEQUENCE" => once(&mut media.sequence, &mut media.faults),
        "-X-DISCONTINUITY-SEQUENCE" => once(&mut media.discontinuity_sequence, &mut media.faults),
        "-X-INDEPENDENT-SEGMENTS" => media.independent = true,
        "-X-ENDLIST" => media.ended = true,
        "-X-DISCONTINUITY" => media.discontinuities.push(line),
        "-X-KEY" => media.keys.push(line),
        "-X-MAP" => media.maps.push((line, attribute(&attributes(value), "URI").unwrap_or(""), media.entries.len())),
        "-X-DATERANGE" => media.date_ranges.push((line, attributes(value))),
        "-X-GAP" => entry.gap = true,
        "-X-BYTERANGE" => entry.range = Some(value),
        "-X-I-FRAMES-ONLY" => media.iframes_only = true,
        "INF" => {
            entry.duration = value.split(',').next().and_then(|d| d.parse().ok()).filter(|d| *d >= Seconds::ZERO);
            if entry.duration.is_none() {
                media.faults.push((line, "EXTINF is not a number of seconds".to_owned()));
            }
        }
        "-X-PROGRAM-DATE-TIME" => {
            entry.date = Some(value).filter(|v| v.contains('T')).and_then(|v| v.parse().ok());
            if entry.date.is_none() {
                media.faults.push((line, "EXT-X-PROGRAM-DATE-TIME is not a date in UTC (2026-11-21T20:15:30.040Z)".to_owned()));
            }
        }
        "-X-PART" => media.parts.push(parts::part(line, value, media.entries.len())),
        "-X-PART-INF" => media.part_inf.push((line, attributes(value))),
        "-X-SERVER-CONTROL" => media.control.push((line, attributes(value))),
        "-X-PRELOAD-HINT" => media.hints.push((line, attributes(value))),
        "-X-RENDITION-REPORT" => media.reports.push((line, attributes(value))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_lists_keep_commas_in_quotes() {
        let list = attributes("BANDWIDTH=1280000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720");
        assert_eq!(list, [("BANDWIDTH", "1280000"), ("CODECS", "avc1.64001f,mp4a.40.2"), ("RESOLUTION", "1280x720")]);
        assert!(attributes("A=\"open").is_empty());
    }

    #[test]
    fn a_media_playlist_is_read_line_by_line() {
        let text = "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"init.mp4\"\n\
                    #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:14.000Z\n#EXTINF:2.000,\n7.m4s\n#EXT-X-GAP\n#EXTINF:2,\n8.m4s\n";
        let media = media(text);
        assert_eq!((media.version, media.target, media.sequence, media.maps.len()), (Some("8"), Some("2"), Some("7"), 1));
        assert_eq!(media.entries[0].date, Some(Seconds::whole(14)));
        assert_eq!(
            media.entries.iter().map(|e| (e.line, e.uri, e.duration, e.gap)).collect::<Vec<_>>(),
            [(8, "7.m4s", Some(Seconds::whole(2)), false), (11, "8.m4s", Some(Seconds::whole(2)), true)]
        );
    }
}
