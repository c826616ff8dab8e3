//! Texts as one destination needs them: a playlist says which of its segments are not there, an ingest manifest counts from the epoch.

use crate::sink::stored;
use crate::time::GopId;
use bytes::Bytes;

/// A media playlist with `EXT-X-GAP` (RFC 8216bis, 4.4.4.7) at every segment that is `absent`. Any other text is left as it is.
pub fn with_gaps(text: &Bytes, absent: impl Fn(GopId) -> bool) -> Bytes {
    let Ok(playlist) = std::str::from_utf8(text) else { return text.clone() };
    if !playlist.starts_with("#EXTM3U") {
        return text.clone();
    }
    let mut out = String::with_capacity(playlist.len() + 64);
    let (mut gap, mut changed) = (false, false);
    for line in playlist.split_inclusive('\n') {
        let name = line.trim_end();
        if name == "#EXT-X-GAP" {
            gap = true;
        } else if !name.starts_with('#') && !name.is_empty() {
            let number = stored::number(name.rsplit('/').next().unwrap_or(name));
            if !gap && number.is_some_and(&absent) {
                out.push_str("#EXT-X-GAP\n");
                changed = true;
            }
            gap = false;
        }
        out.push_str(line);
    }
    if changed { Bytes::from(out) } else { text.clone() }
}

/// The manifest as DASH-IF ingest wants it (1.2, interface 1, 16 e): `availabilityStartTime` is the epoch itself, without the job's publishing delay.
pub fn ingest_manifest(text: &Bytes) -> Bytes {
    const NAME: &str = " availabilityStartTime=\"";
    let Ok(mpd) = std::str::from_utf8(text) else { return text.clone() };
    let Some(tag) = mpd.find("<MPD") else { return text.clone() };
    let end = mpd[tag..].find('>').map_or(mpd.len(), |end| tag + end);
    let Some(from) = mpd[tag..end].find(NAME).map(|at| tag + at + NAME.len()) else { return text.clone() };
    let Some(to) = mpd[from..end].find('"').map(|at| from + at) else { return text.clone() };
    Bytes::from(format!("{}1970-01-01T00:00:00Z{}", &mpd[..from], &mpd[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_says_what_is_not_there() {
        let text = "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,\n7.m4s\n#EXT-X-GAP\n#EXTINF:2.0,\n8.m4s\n#EXTINF:2.0,\n9.m4s\n#EXTINF:2.0,\n10.m4s\n";
        let shown = with_gaps(&Bytes::from(text), |n| n.0 == 8 || n.0 == 9);
        let expected = text.replace("2.0,\n9.m4s", "2.0,\n#EXT-X-GAP\n9.m4s");
        assert_eq!(String::from_utf8_lossy(&shown), expected, "8 said so already");
        assert_eq!(with_gaps(&Bytes::from(text), |_| false), text);
        for other in ["<MPD>\n9.m4s\n", "", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/media.m3u8\n"] {
            assert_eq!(with_gaps(&Bytes::from(other), |_| true), other);
        }
        assert_eq!(&with_gaps(&Bytes::from_static(b"#EXTM3U\n\xff\n9.m4s"), |_| true)[..], b"#EXTM3U\n\xff\n9.m4s");
    }

    #[test]
    fn an_ingest_manifest_counts_from_the_epoch() {
        let mpd = "<?xml version=\"1.0\"?>\n<MPD xmlns=\"x\" availabilityStartTime=\"1970-01-01T00:00:06Z\" type=\"dynamic\">\n<Period start=\"PT0S\">availabilityStartTime=\"y\"</Period></MPD>";
        let shown = ingest_manifest(&Bytes::from(mpd));
        assert_eq!(String::from_utf8_lossy(&shown), mpd.replacen("00:00:06Z", "00:00:00Z", 1));
        for other in ["", "<MPD", "<MPD availabilityStartTime=\"19>", "<Period availabilityStartTime=\"x\"/>"] {
            assert_eq!(ingest_manifest(&Bytes::from(other)), other);
        }
    }
}
