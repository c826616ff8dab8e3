//! Low-latency HLS (line 18): parts, hints and reports of a media playlist.

use super::ledger::Ledger;
use super::playlist::{self, Attributes, Media, attribute};
use super::report::Place;
use crate::time::Seconds;

/// A part lasts at least so many hundredths of the target, with exceptions.
const LEAST: i128 = 85;
/// `PART-HOLD-BACK` and `HOLD-BACK` are at least so many targets.
const HOLD_BACK: i128 = 3;
/// Durations are rounded in the text.
const STEP: Seconds = Seconds::TWO_MILLIS;

/// Holds a playlist that has low-latency tags to the rules. `at`: the place of a line.
pub fn check(list: &Media, place: &Place, at: &dyn Fn(usize) -> Place, ledger: &mut Ledger) {
    let span = |value: Option<&str>| value.and_then(|v| v.parse::<Seconds>().ok()).filter(|s| *s > Seconds::ZERO);
    let info = list.part_inf.first().and_then(|(_, list)| span(attribute(list, "PART-TARGET")));
    let Some(longest) = ledger.present(18, place, "PART-TARGET of EXT-X-PART-INF, a number of seconds,", info) else { return };
    ledger.hold(18, list.part_inf.len() == 1, place, "the number of EXT-X-PART-INF", list.part_inf.len(), "1");
    control(list, longest, place, ledger);
    parts(list, longest, at, ledger);
    hints(list, at, ledger);
    for (line, report) in &list.reports {
        let number = attribute(report, "LAST-MSN").and_then(|v| v.parse::<u64>().ok());
        ledger.hold(
            18,
            attribute(report, "URI").is_some() && number.is_some(),
            &at(*line),
            "EXT-X-RENDITION-REPORT",
            "incomplete",
            "one with URI and LAST-MSN",
        );
    }
}

fn control(list: &Media, longest: Seconds, place: &Place, ledger: &mut Ledger) {
    let none = Attributes::new();
    let control = list.control.first().map_or(&none, |(_, list)| list);
    let blocks = attribute(control, "CAN-BLOCK-RELOAD").unwrap_or("absent");
    ledger.hold(18, blocks == "YES", place, "CAN-BLOCK-RELOAD", blocks, "YES");
    let span = |name| attribute(control, name).and_then(|v| v.parse::<Seconds>().ok());
    let shown = |name| attribute(control, name).unwrap_or("absent").to_owned();
    let least = longest.times(HOLD_BACK);
    ledger.hold(18, span("PART-HOLD-BACK").is_some_and(|back| back >= least), place, "PART-HOLD-BACK", shown("PART-HOLD-BACK"), format!("at least {least} s"));
}

/// How far players are told to stay behind, of any live playlist that says so.
pub fn hold_back(list: &Media, target: Option<u64>, place: &Place, ledger: &mut Ledger) {
    let back = list.control.first().and_then(|(_, list)| attribute(list, "HOLD-BACK"));
    if let (Some(back), Some(target)) = (back, target) {
        let least = Seconds::whole(i64::try_from(target).unwrap_or(i64::MAX)).times(HOLD_BACK);
        ledger.hold(12, back.parse().is_ok_and(|back: Seconds| back >= least), place, "HOLD-BACK", back, format!("at least {least} s"));
    }
}

fn parts(list: &Media, longest: Seconds, at: &dyn Fn(usize) -> Place, ledger: &mut Ledger) {
    for (n, part) in list.parts.iter().enumerate() {
        let place = at(part.line);
        let duration = ledger.present(18, &place, "DURATION of EXT-X-PART, a number of seconds,", part.duration);
        ledger.hold(18, !part.uri.is_empty(), &place, "URI of EXT-X-PART", "absent", "there");
        let Some(duration) = duration else { continue };
        ledger.hold(18, duration <= longest, &place, "the part's duration", duration, format!("at most PART-TARGET, {longest}"));
        let next = list.parts.get(n + 1);
        let last = part.entry < list.entries.len() && next.is_none_or(|next| next.entry != part.entry);
        let excused = part.independent || part.gap || last || next.is_some_and(|next| next.gap);
        let enough = duration.times(100) >= longest.times(LEAST);
        ledger.hold(18, enough || excused, &place, "the part's duration", duration, format!("at least {LEAST} % of PART-TARGET, {longest},"));
    }
    for (n, entry) in list.entries.iter().enumerate() {
        let mine: Vec<Seconds> = list.parts.iter().filter(|part| part.entry == n).filter_map(|part| part.duration).collect();
        let (Some(duration), false) = (entry.duration, mine.is_empty() || entry.gap) else { continue };
        let sum = mine.iter().fold(Seconds::ZERO, |sum, part| sum + *part);
        ledger.hold(18, (sum - duration).abs() <= STEP, &at(entry.line), "the duration of the segment's parts", sum, format!("its own, {duration}"));
    }
}

fn hints(list: &Media, at: &dyn Fn(usize) -> Place, ledger: &mut Ledger) {
    let parts = list.hints.iter().filter(|(_, hint)| attribute(hint, "TYPE") == Some("PART"));
    for (n, (line, hint)) in parts.enumerate() {
        let uri = attribute(hint, "URI").unwrap_or("");
        let known = list.parts.iter().any(|part| part.uri == uri);
        ledger.hold(
            18,
            !uri.is_empty() && !known && n == 0 && !list.ended,
            &at(*line),
            "EXT-X-PRELOAD-HINT",
            uri,
            "one part that is not there yet, of an event that goes on",
        );
    }
}

/// The attributes of a part.
pub fn part<'a>(line: usize, value: &'a str, entry: usize) -> playlist::Part<'a> {
    let list = playlist::attributes(value);
    let is = |name| attribute(&list, name) == Some("YES");
    let duration = attribute(&list, "DURATION").and_then(|v| v.parse().ok()).filter(|d| *d > Seconds::ZERO);
    playlist::Part { line, uri: attribute(&list, "URI").unwrap_or(""), duration, independent: is("INDEPENDENT"), gap: is("GAP"), entry }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#EXTM3U
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6.000,PART-HOLD-BACK=2.400
#EXT-X-PART-INF:PART-TARGET=0.800
#EXT-X-PART:DURATION=0.800,URI=\"7.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.800,URI=\"7.1.m4s\"
#EXT-X-PART:DURATION=0.400,URI=\"7.2.m4s\"
#EXTINF:2.000,
7.m4s
#EXT-X-PART:DURATION=0.800,URI=\"8.0.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.1.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../a/media.m3u8\",LAST-MSN=8,LAST-PART=0
";

    fn errors(text: &str) -> u64 {
        let (place, mut ledger) = (Place::track("v"), Ledger::default());
        let list = playlist::media(text);
        hold_back(&list, Some(2), &place, &mut ledger);
        check(&list, &place, &|line| Place::track("v").at(format!("line {line}")), &mut ledger);
        ledger.errors()
    }

    #[test]
    fn a_hold_back_alone_is_no_low_latency() {
        let live = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:HOLD-BACK=10.000\n#EXTINF:2.000,\n7.m4s\n";
        for (text, errors) in [(live.to_owned(), 0), (live.replace("10.000", "5.000"), 1), (live.replace("10.000", "x"), 1)] {
            let (list, mut ledger) = (playlist::media(&text), Ledger::default());
            assert!(!list.low_latency());
            hold_back(&list, Some(2), &Place::track("v"), &mut ledger);
            assert_eq!(ledger.errors(), errors, "{text}");
        }
    }

    #[test]
    fn each_rule_is_held() {
        assert_eq!(errors(GOOD), 0);
        let changes = [
            ("PART-TARGET=0.800", "PART-TARGET=0.700"),
            ("PART-HOLD-BACK=2.400", "PART-HOLD-BACK=2.300"),
            ("HOLD-BACK=6.000", "HOLD-BACK=5.000"),
            ("CAN-BLOCK-RELOAD=YES", "CAN-BLOCK-RELOAD=NO"),
            ("0.800,URI=\"7.1.m4s\"", "0.600,URI=\"7.1.m4s\""),
            ("#EXTINF:2.000,", "#EXTINF:1.900,"),
            ("#EXT-X-PART-INF:PART-TARGET=0.800", "#EXT-X-PART-INF:X=1"),
            ("URI=\"8.1.m4s\"", "URI=\"8.0.m4s\""),
            ("LAST-MSN=8", "LAST-MSN=x"),
            (",URI=\"7.2.m4s\"", ""),
        ];
        for (from, to) in changes {
            assert!(GOOD.contains(from) && errors(&GOOD.replacen(from, to, 1)) > 0, "{from} -> {to}");
        }
        // Before a gap, and where it can be decoded alone, a part may be short.
        assert_eq!(errors(&GOOD.replacen("#EXT-X-PRELOAD", "#EXT-X-PART:DURATION=0.100,URI=\"8.1.m4s\",GAP=YES\n#X", 1)), 0);
    }
}
