//! What is served at one path.

use crate::sink::Edge;
use crate::verdict::Verdict;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// One published thing, as it is served.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The bytes; cloning counts a reference.
    pub bytes: Bytes,
    /// Media type.
    pub content_type: &'static str,
    /// Strong entity tag, quotes included: the first 16 bytes of the SHA-256, in hexadecimal.
    pub etag: String,
    /// Whether these bytes will never change under this path (init and media segments).
    pub immutable: bool,
    /// What is known of a segment beside its bytes.
    pub verdict: Option<Arc<Verdict>>,
}

impl Entry {
    pub(super) fn new(bytes: &Bytes, content_type: &'static str, immutable: bool) -> Entry {
        Entry { bytes: bytes.clone(), content_type, etag: tag(bytes), immutable, verdict: None }
    }
}

/// A playlist or manifest in one of its versions.
#[derive(Debug)]
pub struct Text {
    /// It, as it is served without compression.
    pub entry: Entry,
    /// Of a media playlist: how far it reaches.
    pub edge: Option<Edge>,
    /// It says that nothing follows (`EXT-X-ENDLIST`).
    pub ended: bool,
    /// How many parts beyond the last one may be asked for: RFC 8216bis, 6.2.5.2, the advance part limit.
    pub parts_ahead: u32,
    /// The same compressed, once somebody has asked for it.
    pub packed: OnceCell<Bytes>,
}

impl Text {
    pub(super) fn new(path: &str, bytes: &Bytes, edge: Option<Edge>) -> Text {
        let ended = edge.is_some() && bytes.trim_ascii_end().ends_with(b"#EXT-X-ENDLIST");
        let parts_ahead = edge.and_then(|_| part_target(bytes)).map_or(3, |milliseconds| 3000_u32.div_ceil(milliseconds).max(3));
        Text { entry: Entry::new(bytes, text_type(path), false), edge, ended, parts_ahead, packed: OnceCell::new() }
    }
}

/// `PART-TARGET` in milliseconds, at least 1.
fn part_target(playlist: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"#EXT-X-PART-INF:";
    let line = playlist.split(|b| *b == b'\n').take(30).find_map(|line| line.strip_prefix(NAME))?;
    let value = std::str::from_utf8(line).ok()?.split(',').find_map(|pair| pair.strip_prefix("PART-TARGET="))?.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let thousandths = format!("{fraction:0<3}");
    let milliseconds = whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(thousandths.get(..3)?.parse().ok()?)?;
    Some(milliseconds.max(1))
}

/// The entity tag of `bytes`.
pub(super) fn tag(bytes: &[u8]) -> String {
    tag_of(&Sha256::digest(bytes).into())
}

/// The entity tag of what has this SHA-256.
pub(super) fn tag_of(hash: &[u8; 32]) -> String {
    let hash: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("\"{hash}\"")
}

/// Media types: RFC 8216 section 4, ISO/IEC 23009-1 annex C.
fn text_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mpd") => "application/dash+xml",
        Some("jpg") => "image/jpeg",
        Some("json") => "application/json",
        Some("vtt") => "text/vtt",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::GopId;

    #[test]
    fn reads_how_far_ahead_may_be_asked() {
        let edge = Some(Edge { next: GopId(5), parts: 1 });
        let limit = |line: &str| Text::new("v/media.m3u8", &Bytes::from(format!("#EXTM3U\n{line}\n#EXTINF:2,\n")), edge).parts_ahead;
        let cases = [("0.2", 15), ("0.20000", 15), ("1", 3), ("2.002", 3), ("0.033", 91), ("0.0001", 3000), ("x", 3), ("", 3), ("1.é", 3), ("99999999999", 3)];
        for (target, parts) in cases {
            assert_eq!(limit(&format!("#EXT-X-PART-INF:PART-TARGET={target}")), parts, "{target:?}");
        }
        assert_eq!(limit("#EXT-X-PART-INF:X=1,PART-TARGET=0.5"), 6);
    }

    #[test]
    fn an_end_is_the_last_line_of_a_media_playlist() {
        let edge = Some(Edge { next: GopId(5), parts: 0 });
        let ended = |text: &'static str, edge| Text::new("v/media.m3u8", &Bytes::from_static(text.as_bytes()), edge).ended;
        assert!(ended("#EXTM3U\n#EXT-X-ENDLIST\n", edge) && ended("#EXTM3U\r\n#EXT-X-ENDLIST\r\n", edge));
        assert!(!ended("#EXTM3U\n#EXT-X-ENDLIST\n", None) && !ended("#EXT-X-ENDLIST\n#EXTINF:2,\n1.m4s\n", edge));
    }
}
