//! How fast the encoders are: how many GOPs of a rung must be encoded at once, and whether a machine of so many processors keeps up.
//!
//! A first estimate, from one table: pixels that one core makes a second, measured on film and flowers (docs/design/av1-rate.md). It decides about
//! lanes and words, never about bytes; what a machine really holds shows when it runs.

use super::Rendition;
use crate::ladder::VideoCodec;

/// Pixels a second of one core by backend and operating point; a row counts for its point and all slower ones, until the next.
const PIXELS: &[(&str, &str, u64)] = &[
    // 1280x720 at 50 is what x264 veryfast makes on one core with room to spare.
    ("x264", "ultrafast", 46_080_000),
    // What film takes at 1080p to 360p in 8 bits, of the slower of the machines it was measured on.
    ("x265", "ultrafast", 40_000_000),
    ("x265", "superfast", 28_000_000),
    ("x265", "veryfast", 22_000_000),
    ("x265", "fast", 18_000_000),
    ("x265", "medium", 14_000_000),
    // The scout included.
    ("rav1e", "ultrafast", 7_000_000),
    ("rav1e", "brisk", 4_000_000),
    ("rav1e", "faster", 3_500_000),
    ("rav1e", "fast", 2_800_000),
    ("rav1e", "medium", 2_200_000),
];

/// What x265 makes of 10 bits, of what it makes of 8.
const TEN_BITS_PERCENT: u64 = 70;

/// Lanes at most: each holds a GOP of pictures, and makes a live segment later by one GOP. HEVC by x265 and AV1 by rav1e are slow enough to want more than two.
const MOST_LANES: u64 = 2;
const MOST_LANES_OF_SLOW: u64 = 8;
const SLOW: [&str; 2] = ["x265", "rav1e"];
/// Bytes of pictures that the lanes of a rung may hold, where there are more than two.
const MOST_HELD: u64 = 1 << 30;

/// Pixels a second that one core makes of a rung, by its first backend; `None` where that is not known, as for hardware.
pub fn pixels_of_one_core(rendition: &Rendition) -> Option<u64> {
    let backend = rendition.backends.first()?;
    let place = |point: &str| crate::encode::point::POINTS.iter().position(|p| *p == point);
    let own = place(&rendition.point)?;
    let row = PIXELS.iter().filter(|(name, point, _)| name == backend && place(point).is_some_and(|at| at <= own)).map(|row| row.2).next_back();
    row.map(|pixels| if backend == "x265" && rendition.depth > 8 { pixels * TEN_BITS_PERCENT / 100 } else { pixels })
}

/// Cores that a rung keeps busy in real time, in hundredths; `None` where that is not known.
pub fn cores_percent(rendition: &Rendition) -> Option<u64> {
    let one = pixels_of_one_core(rendition)?;
    let rate = rendition.grid.rate;
    let a_second = u64::from(rendition.width) * u64::from(rendition.height) * u64::from(rate.num()) / u64::from(rate.den().max(1));
    Some(a_second.saturating_mul(100).div_ceil(one))
}

/// What a rung has to do, to compare it with others: [`cores_percent`], or a guess by its pixels where that is not known.
pub fn work(rendition: &Rendition) -> u64 {
    let guess = || u64::from(rendition.width) * u64::from(rendition.height) * 100 / PIXELS[0].2;
    cores_percent(rendition).unwrap_or_else(guess).max(1)
}

/// Niceness at full speed, where all rungs wait for the slowest: each step takes a fifth off a thread's share of a processor, so that every rung of `all` has its share of the work, and beside
/// another busy program they come to their ends together. (With the smallest at 19, another program took 84 s from a job of 7.)
pub fn gives_way(rendition: &Rendition, all: &[Rendition]) -> u8 {
    let most = all.iter().map(work).max().unwrap_or(1);
    let steps = (most as f64 / work(rendition) as f64).ln() / 1.25_f64.ln();
    steps.round().clamp(0.0, 19.0) as u8
}

/// GOPs of a rung that are encoded at once, so that it keeps up in real time where there are processors enough.
pub fn lanes(rendition: &Rendition) -> u32 {
    let wanted = cores_percent(rendition).map_or(1, |percent| percent.div_ceil(100)).max(1);
    let slow = rendition.backends.first().is_some_and(|name| SLOW.contains(&name.as_str()));
    if !slow {
        return wanted.min(MOST_LANES) as u32;
    }
    // 4:2:0: a sample and a half for each pixel.
    let samples = u64::from(rendition.width) * u64::from(rendition.height) * u64::from(rendition.grid.gop_slots) * 3 / 2;
    let bytes = if rendition.depth > 8 { 2 * samples } else { samples };
    wanted.min((MOST_HELD / bytes.max(1)).max(MOST_LANES)).min(MOST_LANES_OF_SLOW) as u32
}

/// A line for each AV1 rung that rav1e will not hold in real time on a machine of `processors`, with what would.
pub fn warnings(rungs: &[Rendition], processors: usize) -> Vec<String> {
    let by_rav1e = |r: &&Rendition| r.codec == VideoCodec::Av1 && r.backends.first().is_some_and(|name| name == "rav1e");
    // All rungs share the processors.
    let all: u64 = rungs.iter().filter_map(cores_percent).sum();
    let line = |r: &Rendition| {
        let percent = cores_percent(r)?;
        let (lanes, machine) = (u64::from(lanes(r)) * 100, processors as u64 * 100);
        let tenths = |percent: u64| format!("{}.{}", percent / 100, percent % 100 / 10);
        let why = match () {
            () if percent > machine => format!("it takes about {} processors, and there are {processors}", tenths(percent)),
            () if percent > lanes => format!("it takes about {} processors, and {} GOPs at most are encoded at once", tenths(percent), lanes / 100),
            () if all > machine => {
                format!("all rungs together take about {} processors, this one {}, and there are {processors}", tenths(all), tenths(percent))
            }
            () => return None,
        };
        Some(format!("{} will not be made in real time by rav1e: {why}; backend = [\"svt-av1\"] is faster, or take a smaller rung", r.name))
    };
    rungs.iter().filter(by_rav1e).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::rendition;
    use crate::time::Rate;

    fn rung(backend: &str, point: &str, size: (u32, u32), fps: u32) -> Rendition {
        let like = rendition(size, Rate::new(fps, 1).expect("legal"), 2 * fps, 1_000_000, &[backend]);
        let codec = match backend {
            "x264" => VideoCodec::Avc,
            "x265" => VideoCodec::Hevc,
            _ => VideoCodec::Av1,
        };
        Rendition { codec, point: point.to_owned(), ..like }
    }

    #[test]
    fn at_full_speed_a_rung_weighs_what_it_has_to_do() {
        let all = [(1920, 1080), (1280, 720), (640, 360), (64, 64)].map(|size| rung("x264", "veryfast", size, 50));
        let ways = [0, 1, 2, 3].map(|n| gives_way(&all[n], &all));
        assert!(ways[0] == 0 && (3..=4).contains(&ways[1]) && (9..=11).contains(&ways[2]) && ways[3] > ways[2] && ways[3] <= 19, "{ways:?}");
    }

    #[test]
    fn lanes_are_as_many_as_it_takes_up_to_a_limit() {
        assert_eq!(lanes(&rung("x264", "veryfast", (1280, 720), 50)), 1);
        assert_eq!(lanes(&rung("x264", "veryfast", (1920, 1080), 50)), 2);
        assert_eq!(lanes(&rung("x264", "veryfast", (3840, 2160), 60)), 2, "two at most");
        assert_eq!(lanes(&rung("rav1e", "swift", (640, 360), 25)), 1);
        assert_eq!(lanes(&rung("rav1e", "swift", (1280, 720), 25)), 4);
        assert_eq!(lanes(&rung("rav1e", "swift", (1920, 1080), 25)), 6, "a gigabyte of pictures");
        assert_eq!(lanes(&rung("rav1e", "medium", (1280, 720), 25)), 8);
        assert_eq!(lanes(&rung("x265", "brisk", (1280, 720), 30)), 1);
        assert_eq!(lanes(&Rendition { depth: 10, ..rung("x265", "brisk", (1280, 720), 30) }), 2, "10 bits take longer");
        assert_eq!(lanes(&rung("x265", "swift", (1920, 1080), 30)), 3);
        assert_eq!(lanes(&rung("x265", "swift", (3840, 2160), 60)), 2, "a gigabyte of pictures, but two at least");
        assert_eq!(lanes(&rung("nvenc", "swift", (3840, 2160), 60)), 1, "not known");
    }

    #[test]
    fn a_machine_that_will_not_keep_up_is_told_so() {
        let small = rung("rav1e", "swift", (640, 360), 25);
        assert_eq!(warnings(std::slice::from_ref(&small), 2), Vec::<String>::new());
        let large = rung("rav1e", "swift", (1280, 720), 25);
        let told = warnings(&[large.clone(), small.clone()], 2);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("takes about 3.3 processors, and there are 2") && told[0].contains("svt-av1"), "{told:?}");
        assert!(told[1].contains("all rungs together"), "{told:?}");
        assert!(warnings(&[large, small], 8).is_empty());
        assert!(warnings(&[rung("rav1e", "medium", (1920, 1080), 50)], 64)[0].contains("GOPs at most"));
        assert!(warnings(&[rung("x264", "medium", (3840, 2160), 60)], 1).is_empty(), "AVC is told elsewhere");
    }
}
