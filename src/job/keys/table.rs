//! What stands above all tables, and how time, streams and feeds are described.

use super::{Key, Kind, Section};

/// Roles of a sound.
const ROLES: &[&str] = &["main", "alternate", "supplementary", "commentary", "dub", "description", "enhanced-audio-intelligibility", "emergency", "karaoke"];

const fn key(name: &'static str, kind: Kind, legal: &'static str, default: &'static str, flag: &'static str, does: &'static str) -> Key {
    Key { name, kind, legal, default, flag, does }
}

/// Above all tables.
pub(super) const TOP: Section = Section {
    path: "",
    keys: &[
        key(
            "inputs",
            Kind::Texts,
            "one, or two",
            "",
            "input",
            "where the feed comes from: a file, `-`, a URL, `gst:…`, `testsrc:…` ([inputs](inputs.md)); two are [two paths of one feed](inputs.md#two-paths)",
        ),
        key("standby", Kind::Table("standby"), "", "none", "standby", "a second feed of the same programme; the flag is its `input`"),
        key("path_window", Kind::Span, "0 to 2 s", "\"80ms\"", "path-window", "how long one of two paths is waited for, where the other one lost something"),
        key(
            "ladder",
            Kind::TextOrTable("ladder"),
            "",
            "\"avc-1080p-6\"",
            "ladder",
            "the renditions: a built-in [ladder](ladders.md), the path of a ladder file, relative to the job file, or the ladder itself",
        ),
        key(
            "outputs",
            Kind::Texts,
            "each once",
            "none",
            "output",
            "where to publish: directories and URLs ([outputs](outputs.md)). The flag takes the place of `output` as well",
        ),
        key("output", Kind::Tables("output"), "", "none", "", "the same, each with its settings"),
        key(
            "listen",
            Kind::Form(r":\d{1,5}$", "127.0.0.1:8080", "8080"),
            "`\":8080\"` for every address",
            "nowhere",
            "listen",
            "serve the page, the streams, health and status here ([the embedded origin](origin.md))",
        ),
        key(
            "pace",
            Kind::Word(&["auto", "live", "fast"]),
            "",
            "\"auto\"",
            "pace",
            "`live`: the feed is taken at its own rate, and a rung that is late leaves out whole GOPs. `fast`: as fast as the machine can, nothing is dropped. `auto`: `fast` for a file, else `live`",
        ),
        key(
            "shard",
            Kind::Form(r"^\d+/\d+$", "0/3", "3"),
            "I/N, I from 0, up to 1024",
            "\"0/1\"",
            "shard",
            "the part of the plan that this worker makes, where several share it ([shards](shards.md))",
        ),
        key("limits", Kind::Table("limits"), "", "", "", "what is asked of the machine"),
        key("edits", Kind::File, "", "`edits.json` in each directory", "edits", "where edits by the [API](api.md) are kept, and read from at the start"),
        key("duration", Kind::Span, "1 ms to 400 days", "with the feed", "duration", "the event ends after so long"),
        key(
            "input_timeout",
            Kind::Span,
            "100 ms to 400 days",
            "never, once it was there",
            "input-timeout",
            "the run ends with exit code 1 where the feed shows nothing for so long, at its beginning or later; until then it is [called again and again](inputs.md#when-a-connection-is-lost)",
        ),
        key(
            "segment",
            Kind::Span,
            "200 ms to 30 s",
            "\"2s\"",
            "segment",
            "how long a segment lasts, to the nearest whole number of pictures. Twins and restarts must agree on it: numbers follow from it",
        ),
        key(
            "chunk",
            Kind::Span,
            "16 ms to a segment",
            "whole segments; 200 ms with `latency = \"low\"`",
            "chunk",
            "segments leave in chunks of so long, each as soon as it is encoded ([low latency](latency.md))",
        ),
        key(
            "window",
            Kind::SpanOr(&["whole"]),
            "three segments to 400 days",
            "120 s at pace `live`, `\"whole\"` at pace `fast`",
            "window",
            "which segments are listed and kept: the last so many seconds, or the whole event",
        ),
        key(
            "publish_delay",
            Kind::Span,
            "0 to 1 h",
            "6 s; 1 s with `latency = \"low\"`",
            "publish-delay",
            "number N is due at the end of its slot plus this: when players are told to ask for it, and what lateness is counted from. The same for both workers of a pair",
        ),
        key(
            "rate",
            Kind::Rate,
            "1 to 60",
            "the source's, at most 60",
            "rate",
            "pictures a second of the grid, and so of everything published. Fields count as pictures: 1080i25 is 50. Say it where workers must agree whatever they see first",
        ),
        key(
            "decode",
            Kind::Text,
            "`\"auto\"`, `\"software\"`, `\"cuda:0\"`, `\"/dev/dri/renderD128\"`",
            "\"auto\"",
            "decode",
            "where the source is decoded and scaled ([hardware](hardware.md#decoding-and-scaling))",
        ),
        key(
            "latency",
            Kind::Word(&["normal", "low"]),
            "",
            "\"normal\"",
            "latency",
            "how far encoders look ahead; `low`: two pictures at most, and chunks ([low latency](latency.md))",
        ),
        key("prft", Kind::Word(&["segment", "chunk"]), "", "\"segment\"", "prft", "what says when it was produced: every segment, or every chunk"),
        key("timeline", Kind::Table("timeline"), "", "", "", "how the feed's time becomes UTC, and what fills its gaps"),
        key("select", Kind::Table("select"), "", "", "", "which streams of the input are used"),
        key("protection", Kind::TableOrTables("protection"), "", "none", "", "how outputs are encrypted ([protection](protection.md))"),
        key("serve", Kind::Table("serve"), "", "", "", "how what is listened on is served"),
        key("thumbnails", Kind::Flag, "", "false", "", "[tiled pictures](extras.md) for the seek bar"),
        key("session_data", Kind::Open("session_data"), "up to 64", "none", "", "what the HLS playlist says of the event ([extras](extras.md))"),
        key(
            "source",
            Kind::Table("source"),
            "",
            "what the feed is",
            "",
            "what the source is, for a plan that does not wait for it ([filler](inputs.md#filler))",
        ),
    ],
};

/// `[timeline]`.
pub(super) const TIMELINE: Section = Section {
    path: "timeline",
    keys: &[
        key(
            "clock",
            Kind::Word(&["auto", "sei", "pts", "arrival"]),
            "",
            "\"auto\"",
            "clock",
            "where UTC comes from: `sei`: stamps in every picture (MISB ST 0604); `pts`: the feed's time against `anchor`; `arrival`: this host's clock; `auto`: the first of them that the feed supports, a file from its own start ([clocks](design/clock.md))",
        ),
        key(
            "anchor",
            Kind::Form("^[^=]+=[^=]+$", "0=2026-11-21T20:15:30Z", "0"),
            "a UTC from 1970 to 3000",
            "taken at the start, and kept beside the output",
            "anchor",
            "`SECONDS=UTC`: the source time SECONDS is the instant UTC, a date or seconds. Two workers with one anchor make the same segments. Not beside `clock = \"sei\"` or `\"arrival\"`",
        ),
        key(
            "phase",
            Kind::Span,
            "-1 s to 1 s",
            "\"0\"",
            "phase",
            "added to every picture's time before its slot is chosen: moves a feed that sits half a picture off the grid, where jitter makes slots flap",
        ),
        key(
            "stamp_offset",
            Kind::Span,
            "-24 h to 24 h",
            "\"0\"",
            "stamp-offset",
            "added to every UTC stamp in the pictures: `\"-37s\"` for stamps that count leap seconds, or what an encoder is known to be off by",
        ),
        key("hold", Kind::Span, "0 to 1 h, at most `max_gap`", "\"1s\"", "hold", "a gap of the feed repeats the last picture for so long, then shows `filler`"),
        key(
            "max_gap",
            Kind::Span,
            "0 to 24 h",
            "\"60s\"",
            "max-gap",
            "a gap that is longer is not filled: its segments are left out of the playlists (`EXT-X-GAP`)",
        ),
        key(
            "filler",
            Kind::File,
            "`\"black\"`, or a picture (PNG, JPEG and the like), relative to the job file",
            "\"black\"",
            "filler",
            "what is shown where the feed is away for longer than `hold` ([filler](inputs.md#filler))",
        ),
        key(
            "start",
            Kind::Word(&["first-picture", "now"]),
            "",
            "\"first-picture\"",
            "start",
            "when the event begins; `now`: at once, with filler until the feed comes, where `[source]` or an earlier run says what that is",
        ),
    ],
};

/// `[select]`.
pub(super) const SELECT: Section = Section {
    path: "select",
    keys: &[
        key(
            "program",
            Kind::TextOrNumber,
            "a number of 0 to 65535, or the name of its service",
            "that of the largest picture",
            "program",
            "the programme of a transport stream",
        ),
        key("video", Kind::TextOrNumber, "index among all streams, or `\"pid:0x100\"`", "the largest picture", "video", "the video stream"),
        key(
            "audio",
            Kind::Streams("select.audio"),
            "up to 16",
            "the best one",
            "audio",
            "the sounds, each a track of its own: by index, `\"pid:0x101\"` or language (`\"eng\"`); `\"fra?\"` is silent until it comes ([tracks](inputs.md#programmes-and-tracks)). In the variable they are separated by semicolons",
        ),
        key("no_audio", Kind::Flag, "", "false", "no-audio", "no sound at all"),
    ],
};

/// `[[select.audio]]`.
pub(super) const SELECT_AUDIO: Section = Section {
    path: "select.audio",
    keys: &[
        key("index", Kind::Whole(0, 65_535), "", "", "", "the stream by its index among all streams"),
        key("pid", Kind::TextOrNumber, "16 to 8190, or `\"0x10\"` to `\"0x1ffe\"`", "", "", "the stream by its PID"),
        key(
            "language",
            Kind::Text,
            "`eng`, `en`, `pt-BR`",
            "what the feed says",
            "",
            "the stream by its language; beside `index` or `pid`, the language to publish",
        ),
        key("label", Kind::Text, "1 to 64 characters", "the language and role", "", "what players call it, and what its tracks are named after"),
        key("role", Kind::Word(ROLES), "", "what the feed says", "", "what it is for"),
        key("optional", Kind::Flag, "", "false", "", "where the feed does not have it yet, its track is silent until it comes"),
    ],
};

/// `[source]`.
pub(super) const SOURCE: Section = Section {
    path: "source",
    keys: &[
        key("size", Kind::Form(r"^\+?\d+x\+?\d+$", "1920x1080", "big"), "16 to 16384 each way", "needed", "", "its pixels"),
        key("rate", Kind::Rate, "1 to 120", "needed", "", "whole pictures a second, also where each is two fields"),
        key("interlaced", Kind::Flag, "", "false", "", "its pictures are two fields each"),
        key("range", Kind::Word(&["sdr", "hlg", "pq"]), "", "\"sdr\"", "", "its dynamic range"),
        key("pixel", Kind::Pair, "`[1, 4]` to `[4, 1]`", "[1, 1]", "", "the shape of a pixel, width and height"),
        key("channels", Kind::Whole(1, 8), "", "2", "", "channels of its sounds"),
    ],
};

/// `[standby]`.
pub(super) const STANDBY: Section = Section {
    path: "standby",
    keys: &[
        key(
            "input",
            Kind::Text,
            "as of `inputs`",
            "needed",
            "standby",
            "the second feed, from encoders of its own: decoded all the time, and shown where the first is in trouble ([standby](inputs.md#a-second-encode)). Needs pace `live`",
        ),
        key(
            "anchor",
            Kind::Form("^[^=]+=[^=]+$", "0=2026-11-21T20:15:30Z", "0"),
            "as of `timeline.anchor`",
            "needed beside `timeline.anchor`",
            "",
            "what its own clock shows, and UTC then",
        ),
        key("loss", Kind::Span, "40 ms to 10 s", "\"200ms\"", "", "trouble is: nothing came for so long"),
        key("invalid", Kind::SpanOr(&["never"]), "40 ms to 24 h", "\"1s\"", "", "all pictures were damaged for so long"),
        key("black", Kind::SpanOr(&["never"]), "40 ms to 24 h", "\"never\"", "", "pictures were black for so long"),
        key("frozen", Kind::SpanOr(&["never"]), "40 ms to 24 h", "\"never\"", "", "pictures did not change for so long"),
        key("silence", Kind::SpanOr(&["never"]), "40 ms to 24 h", "\"never\"", "", "there was no sound for so long"),
        key(
            "back",
            Kind::SpanOr(&["never"]),
            "40 ms to 24 h",
            "\"10s\"",
            "",
            "the first feed is taken again once it was well for so long; `never`: only where the second is in trouble",
        ),
    ],
};
