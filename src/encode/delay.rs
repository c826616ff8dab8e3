//! How long a rung's encoder holds pictures back, for plans.

use super::{find, point, svt_av1, x265};
use crate::job::Latency;
use crate::plan::Rendition;

/// Pictures that the first backend of `rendition` holds back: the packet of a picture comes out when so many more are in. As measured with fresh encoders of a GOP
/// (x264 veryfast 11, superfast 4, x265 16, SVT-AV1 37); rav1e holds a whole GOP, and four pictures at low latency; hardware is set to hold none.
pub fn delay(rendition: &Rendition) -> u32 {
    let low = rendition.latency == Latency::Low;
    match rendition.backends.first().map_or("", String::as_str) {
        "x264" => point::x264(&rendition.point).map_or(0, |point| point.at(rendition.latency).0.delay()),
        "x265" => x265::settings(&rendition.point).map_or(0, |point| point.delay(rendition.latency)),
        "svt-av1" => svt_av1::delay(rendition.latency),
        "rav1e" if low => 4,
        "rav1e" => rendition.grid.gop_slots,
        _ => 0,
    }
}

/// What a user should know of chunks of `rendition`, in lines.
pub fn warnings(rendition: &Rendition) -> Vec<String> {
    let Some(first) = rendition.backends.first().filter(|_| rendition.chunk.is_some()) else { return Vec::new() };
    let name = &rendition.name;
    let low = rendition.latency == Latency::Low;
    let checked = find(first).is_some_and(|backend| matches!(backend.cap, super::Cap::Checked(_)));
    let mut lines = Vec::new();
    if checked || first == "rav1e" && low {
        lines.push(format!(
            "{name}: {first} does not keep a segment to its cap by itself, and what is out in chunks is not encoded again: segments above it are counted"
        ));
    }
    if first == "rav1e" && !low {
        lines.push(format!("{name}: rav1e encodes a segment once it is whole, so its chunks leave together; latency = \"low\", or backend = [\"svt-av1\"], hands them out as they come"));
    }
    if rendition.bitrate.is_some() {
        lines.push(format!("{name}: a constant bitrate is aimed at once in chunks: what is out is not encoded again to come nearer"));
    }
    lines
}
