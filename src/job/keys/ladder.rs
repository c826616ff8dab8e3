//! A ladder, inline or in a file of its own. `docs/ladders.md` says more.

use super::{Key, Kind, Section};

const fn key(name: &'static str, kind: Kind, legal: &'static str, default: &'static str, does: &'static str) -> Key {
    Key { name, kind, legal, default, flag: "", does }
}

/// `[ladder]`.
pub(super) const LADDER: Section = Section {
    path: "ladder",
    keys: &[
        key("name", Kind::Text, "`[a-z0-9._-]`, up to 64", "needed", "what to call it"),
        key("video", Kind::Tables("ladder.video"), "1 to 32", "needed", "the video rungs"),
        key("audio", Kind::Tables("ladder.audio"), "up to 32", "no sound", "the rungs of sound"),
    ],
};

/// `[[ladder.video]]`.
pub(super) const VIDEO: Section = Section {
    path: "ladder.video",
    keys: &[
        key("name", Kind::Text, "`[a-z0-9._-]`, up to 64", "needed", "the rung, its track and its folder"),
        key("codec", Kind::Word(&["avc", "hevc", "av1"]), "", "needed", "codec"),
        key("width", Kind::Whole(16, 8192), "even", "needed", "width of the box that the picture is fitted into"),
        key("height", Kind::Whole(16, 8192), "even", "needed", "its height"),
        key("max_bitrate", Kind::Bitrate, "16k to 200M", "`bitrate`", "the cap: no segment is larger than 1.10 times this times its duration"),
        key("bitrate", Kind::Bitrate, "16k to 200M", "", "[constant bitrate](ladders.md#constant-bitrate), in the place of `quality`"),
        key(
            "quality",
            Kind::Number(1, 63),
            "51 for avc and hevc",
            "23 for avc, 26 for hevc, 35 for av1",
            "the codec's constant-quality scale, lower is better",
        ),
        key("depth", Kind::Whole(8, 10), "8 or 10", "10 where the rung is HDR, else 8", "bits of a sample"),
        key("hdr", Kind::Flag, "", "`true` for hevc and av1", "whether an HDR feed stays HDR"),
        key("optional", Kind::Flag, "", "false", "where nothing can make it, the others are made without it"),
        key("half_rate", Kind::Flag, "", "false", "under [overload](overload.md) it may show every second picture twice"),
        key("point", Kind::Word(crate::ladder::POINTS), "", "\"auto\"", "operating point: a named set of encoder settings"),
        key("backend", Kind::WordOrTexts("auto"), "x264, x265, rav1e, svt-av1, nvenc, vaapi", "the codec's default", "encoders to try, in order"),
        key("device", Kind::Text, "`\"cuda:0\"`, `\"/dev/dri/renderD128\"`", "by load", "device of a hardware backend"),
    ],
};

/// `[[ladder.audio]]`.
pub(super) const AUDIO: Section = Section {
    path: "ladder.audio",
    keys: &[
        key("name", Kind::Text, "`[a-z0-9._-]`, up to 64", "needed", "the rung, its track and its folder"),
        key("codec", Kind::Word(&["aac"]), "", "needed", "codec"),
        key("bitrate", Kind::Bitrate, "16k to 512k", "needed", "constant bitrate"),
        key("channels", Kind::Whole(1, 6), "1, 2 or 6", "2", "channels"),
    ],
};
