//! The line that says, now and then, that the worker is alive.

use super::figures::Figures;
use super::words;
use crate::cli::log::BEAT;
use mezzo::status::Snapshot;

/// Logs it.
pub fn beat(s: &Snapshot, figures: &Figures) {
    let dropped: u64 = s.tracks.iter().map(words::dropped).sum();
    let lag = s.lag_ms.map(words::seconds);
    let speed = figures.speed().filter(|_| !s.live).map(words::times);
    let of_all = words::share(s).map(|percent| format!("{percent} %"));
    let rungs: Vec<String> = s.tracks.iter().enumerate().map(|(i, _)| rung(s, figures, i)).collect();
    let troubles: Vec<String> = words::troubles(s).iter().map(|(name, n)| format!("{name} {n}")).collect();
    let troubles = (!troubles.is_empty()).then(|| troubles.join(", "));
    let position = words::position(s);
    let segments: u64 = s.tracks.iter().map(|t| t.segments).sum();
    let misses: u64 = s.tracks.iter().filter_map(|t| t.deadline).map(|d| d.misses).sum();
    let outputs = outputs(s);
    let (rungs, state) = (rungs.join(", "), s.state.name());
    // Absent values are left out of the line.
    tracing::info!(target: BEAT, position, lag, speed, of_all, segments, misses, dropped, outputs, troubles, rungs, "{state}");
}

/// "well, throttled backlog 3"; nothing where there is no destination behind a network.
fn outputs(s: &Snapshot) -> Option<String> {
    let each = s.outputs.iter().map(|o| if o.backlog_segments == 0 { o.state.to_owned() } else { format!("{} backlog {}", o.state, o.backlog_segments) });
    Some(each.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

/// "avc-720p 25.0/s 2.91 Mb/s queue 3".
fn rung(s: &Snapshot, figures: &Figures, index: usize) -> String {
    let Some(track) = s.tracks.get(index) else { return String::new() };
    let mut text = track.facts.name.clone();
    if !track.enabled {
        return text + " off";
    }
    if let Some(fps) = figures.encoded(index) {
        text += &format!(" {}/s", words::tenths(fps));
    }
    if let Some(bits) = track.bitrate {
        text += &format!(" {}", words::bitrate(bits));
    }
    if let Some(queue) = track.queue {
        text += &format!(" queue {queue}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::snapshot;
    use super::*;

    #[test]
    fn a_rung_in_a_few_words() {
        let (s, mut figures) = (snapshot(), Figures::new());
        assert_eq!(rung(&s, &figures, 0), "avc-1080p 5.00 Mb/s queue 3");
        assert_eq!(rung(&s, &figures, 2), "aac-128k 128 kb/s");
        let (now, mut later) = (std::time::Instant::now(), s.clone());
        figures.add(now, &s);
        later.tracks[1].encoded = Some(100);
        later.tracks[0].enabled = false;
        assert_eq!(rung(&later, &figures, 0), "avc-1080p off");
        figures.add(now + std::time::Duration::from_secs(2), &later);
        assert_eq!(rung(&s, &figures, 1), "avc-540p 25.0/s 1.20 Mb/s queue 3");
    }
}
