//! Where it goes and how: outputs, serving, protection, session data.

use super::{Key, Kind, Section};

/// Classes of tracks.
const CLASSES: &[&str] = &["all", "audio", "video", "sd", "hd", "uhd"];
const LICENSE: &str = "where its players ask for licences";

const fn key(name: &'static str, kind: Kind, legal: &'static str, default: &'static str, does: &'static str) -> Key {
    Key { name, kind, legal, default, flag: "", does }
}

const fn flagged(name: &'static str, kind: Kind, legal: &'static str, default: &'static str, flag: &'static str, does: &'static str) -> Key {
    Key { name, kind, legal, default, flag, does }
}

/// `[[output]]`.
pub(super) const OUTPUT: Section = Section {
    path: "output",
    keys: &[
        key("url", Kind::Text, "a path, `http://`, `https://`, `s3://`, `gs://`, `az://`", "needed", "where to publish"),
        key("method", Kind::Word(&["put", "post"]), "HTTP", "\"put\"", "how media is pushed"),
        key("token_file", Kind::File, "HTTP", "", "a file with a bearer token"),
        key("token_env", Kind::Text, "HTTP", "", "the variable with a bearer token"),
        key("user", Kind::Text, "HTTP", "", "the user of basic authentication"),
        key("password_file", Kind::File, "HTTP", "", "a file with its password"),
        key("password_env", Kind::Text, "HTTP", "", "the variable with its password"),
        key("certificate", Kind::File, "https", "", "a client certificate (PEM)"),
        key("key", Kind::File, "https", "", "its key (PEM)"),
        key("ca", Kind::File, "https, object stores", "the system's", "certificates (PEM) that are trusted"),
        key("manifests", Kind::WordOrFlag(&["ingest", "players", "none"]), "HTTP", "\"ingest\"", "which playlists and manifests are pushed as well"),
        key("delete", Kind::Flag, "HTTP", "false", "what leaves the window is deleted"),
        key(
            "window",
            Kind::SpanOr(&["event"]),
            "directories, object stores; the job's window to 400 days",
            "the job's window, and as much again",
            "how long segments stay",
        ),
        key("fsync", Kind::Word(&["never", "segment", "all"]), "directories", "\"never\"", "what is on the disk before anything names it"),
        key("endpoint", Kind::Text, "object stores", "the provider's", "another service: `http://minio:9000`"),
        key("region", Kind::Text, "S3", "`AWS_REGION`, `us-east-1`", "its region"),
        key("backlog_mib", Kind::Whole(8, 65_536), "what is behind a network", "256", "MiB of segments that may wait"),
        key("fill_in", Kind::Span, "0 to 24 h; what is behind a network", "three segments", "how far back segments that it did not get are filled in later"),
    ],
};

/// `[serve]`.
pub(super) const SERVE: Section = Section {
    path: "serve",
    keys: &[
        flagged(
            "tls_cert",
            Kind::File,
            "",
            "not encrypted",
            "tls-cert",
            "serve encrypted, with the certificate and those that lead to its issuer in this PEM file; a new one there is taken up by itself",
        ),
        flagged("tls_key", Kind::File, "", "", "tls-key", "its key (PEM)"),
        flagged("memory", Kind::Whole(16, 1 << 20), "", "512", "serve-memory", "MiB of segments to hold for players"),
        flagged(
            "api_token",
            Kind::Secret,
            "",
            "none: this machine only",
            "api-token",
            "who has this bearer token may control the worker ([API](api.md)); `MEZZO_API_TOKEN` is the token itself",
        ),
    ],
};

/// `[limits]`.
pub(super) const LIMITS: Section = Section {
    path: "limits",
    keys: &[
        flagged(
            "overload",
            Kind::Word(&["hold", "degrade", "fail"]),
            "",
            "\"degrade\"",
            "overload",
            "where the machine is too small for the ladder: `degrade` lowers what rungs cost ([in which order](overload.md)), `hold` leaves out segments of rungs that are late, `fail` ends the worker with exit code 1 before one is left out",
        ),
        flagged(
            "memory",
            Kind::Whole(64, 1 << 22),
            "",
            "three quarters of what the machine or its control group has; of that, 4096 for pictures at most, or twice what they need",
            "memory",
            "MiB that the worker may take: codecs, the origin's window, what waits for outputs, and pictures, which have the rest ([memory](overload.md#memory)); a plan that needs more is refused with exit code 2",
        ),
        flagged(
            "require_capacity",
            Kind::Flag,
            "",
            "false",
            "require-capacity",
            "a machine that is known not to hold the plan in real time (`mezzo plan --measure`) is refused with exit code 2",
        ),
    ],
};

/// `[protection]`.
pub(super) const PROTECTION: Section = Section {
    path: "protection",
    keys: &[
        key("scheme", Kind::Word(&["cbcs", "cenc"]), "", "needed", "how samples are encrypted"),
        key("outputs", Kind::Texts, "outputs of the job, `\"listen\"`", "all of them", "what it is for; the others stay clear"),
        key("systems", Kind::Words(&["widevine", "playready", "fairplay", "clearkey"]), "", "[\"clearkey\"]", "who is told of keys"),
        key("content", Kind::Text, "up to 256 bytes", "needed with `seed` and a key server", "name of the content: key ids follow from it"),
        key("rotate", Kind::Span, "10 s to 400 days", "never", "a new key after so long"),
        key("each", Kind::Words(CLASSES), "", "[\"all\"]", "which tracks have a key of their own"),
        key("keys", Kind::Tables("protection.keys"), "1 to 6", "", "keys, each with its id"),
        key("seed", Kind::Secret, "base64 of 30 bytes or more", "", "what all keys follow from"),
        key("cpix", Kind::Text, "a path, `https://…` (`${NAME}`, `${file:PATH}` for what is secret in it)", "", "a CPIX document, or a key server"),
        key("headers", Kind::Named, "`${NAME}`, `${file:PATH}`, `file:PATH` for what is secret", "none", "headers of requests to the key server"),
        key("ca", Kind::File, "", "the system's", "certificates (PEM) that its own must be signed by"),
        key("licenses", Kind::Table("protection.licenses"), "", "", "where licences come from"),
    ],
};

/// `[[protection.keys]]`.
pub(super) const PROTECTION_KEYS: Section = Section {
    path: "protection.keys",
    keys: &[
        key("for", Kind::Word(CLASSES), "each once", "\"all\"", "which tracks"),
        key("id", Kind::Text, "a UUID", "needed", "its id"),
        key("key", Kind::Secret, "32 hexadecimal digits, or base64 of 16 bytes", "needed", "the key"),
        key("iv", Kind::Text, "32 hexadecimal digits", "from the key id", "the constant vector of `cbcs`"),
    ],
};

/// `[protection.licenses]`.
pub(super) const LICENSES: Section = Section {
    path: "protection.licenses",
    keys: &[
        key("widevine", Kind::Text, "an address", "", LICENSE),
        key("playready", Kind::Text, "an address", "", LICENSE),
        key("fairplay", Kind::Text, "an address, `skd://…`", "", LICENSE),
        key("clearkey", Kind::Text, "an address, `{kid}` in it", "", LICENSE),
        key("provider", Kind::Text, "", "", "the provider that Widevine's `pssh` names"),
    ],
};

/// What an id of `[session_data]` says.
pub(super) const SESSION_DATA: Section = Section {
    path: "session_data",
    keys: &[
        key("value", Kind::Text, "no quotation marks", "", "the text"),
        key("uri", Kind::Text, "", "", "in its place, where a JSON document is"),
        key("language", Kind::Text, "`en`, `pt-BR`", "none", "its language"),
    ],
};
