//! Cues in media playlists: `EXT-X-DATERANGE` (RFC 8216bis, 4.4.5.1). They alter no byte of a segment.

use super::hls::decimal;
use crate::schedule::Cue;
use crate::time::Seconds;
use std::fmt::Write;

/// The lines of the cues that are not over at `begins`, where a playlist begins.
pub fn lines(cues: &[Cue], begins: Seconds) -> String {
    let mut text = String::new();
    for Cue { cue, time, duration_ms, class, text: said } in cues {
        let Ok(start) = time.parse::<Seconds>() else { continue };
        let lasts = duration_ms.map(|ms| Seconds::new(i128::from(ms), 1000));
        if lasts.map_or(start, |lasts| start + lasts) < begins {
            continue;
        }
        let class = class.as_ref().map_or(String::new(), |class| format!(",CLASS=\"{class}\""));
        let lasts = lasts.map_or(String::new(), |lasts| format!(",DURATION={}", decimal(lasts)));
        let said = said.as_ref().map_or(String::new(), |said| format!(",X-MEZZO-TEXT=\"{said}\""));
        // A String takes everything.
        let _ = writeln!(text, "#EXT-X-DATERANGE:ID=\"{cue}\"{class},START-DATE=\"{}\"{lasts}{said}", start.to_rfc3339());
    }
    text
}

/// A media playlist with these lines, before its first segment.
pub fn put(playlist: String, lines: &str) -> String {
    match playlist.find("#EXT-X-MAP") {
        Some(at) if !lines.is_empty() => format!("{}{lines}{}", &playlist[..at], &playlist[at..]),
        _ => playlist,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_is_listed_until_it_is_over() {
        let cue = |cue: &str, time: &str, duration_ms| Cue {
            cue: cue.into(),
            time: time.into(),
            duration_ms,
            class: Some("com.example.ad".into()),
            text: Some("break".into()),
        };
        let cues = [cue("a", "2026-11-21T20:15:30.500Z", Some(1500)), Cue { class: None, text: None, ..cue("b", "2026-11-21T20:15:31Z", None) }];
        let at = |text: &str| text.parse::<Seconds>().expect("a time");
        let both = lines(&cues, at("2026-11-21T20:15:31Z"));
        assert_eq!(
            both,
            "#EXT-X-DATERANGE:ID=\"a\",CLASS=\"com.example.ad\",START-DATE=\"2026-11-21T20:15:30.500Z\",DURATION=1.500,X-MEZZO-TEXT=\"break\"\n\
             #EXT-X-DATERANGE:ID=\"b\",START-DATE=\"2026-11-21T20:15:31.000Z\"\n"
        );
        assert_eq!(lines(&cues, at("2026-11-21T20:15:32.1Z")), "");
        assert_eq!(put("#EXTM3U\n#EXT-X-MAP:URI=\"i\"\nx\n".into(), "#C\n"), "#EXTM3U\n#C\n#EXT-X-MAP:URI=\"i\"\nx\n");
    }
}
