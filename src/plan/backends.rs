//! Which backends a rung can have.

use crate::ladder::{VideoCodec, VideoRung};

/// A way to make packets of a codec, as far as a plan cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backend {
    /// Its name in ladders and plans.
    pub name: &'static str,
    /// What it makes.
    pub codecs: &'static [VideoCodec],
}

/// The backends that exist, best first.
pub const BACKENDS: &[Backend] = &[Backend { name: "x264", codecs: &[VideoCodec::Avc] }];

/// Why a rung has no backend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missing {
    /// Nothing makes its codec; the rung can be left out.
    Codec,
    /// It names one that does not exist or does not make its codec; someone must mend the ladder.
    Name(String),
}

/// The backends for `rung`, in order of preference.
pub fn choose(rung: &VideoRung, all: &[Backend]) -> Result<Vec<String>, Missing> {
    let makes = |backend: &&Backend| backend.codecs.contains(&rung.codec);
    if !all.iter().any(|backend| makes(&backend)) {
        return Err(Missing::Codec);
    }
    if rung.backend.is_empty() {
        return Ok(all.iter().filter(makes).map(|backend| backend.name.to_owned()).collect());
    }
    let unknown = rung.backend.iter().find(|wish| !all.iter().filter(makes).any(|backend| backend.name == **wish));
    unknown.map_or_else(|| Ok(rung.backend.clone()), |wish| Err(Missing::Name(wish.clone())))
}

/// "avc by x264", for errors: what exists.
pub fn offered(all: &[Backend]) -> String {
    let one = |backend: &Backend| format!("{} by {}", backend.codecs.iter().map(|codec| codec.name()).collect::<Vec<_>>().join(" and "), backend.name);
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}
