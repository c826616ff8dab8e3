//! Which backends a rung can have.

use crate::encode::{Candidate, Chosen};
use crate::ladder::{BackendWish, VideoRung};

/// Why a rung has no backend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missing {
    /// Nothing makes its codec at its depth; the rung can be left out.
    Codec,
    /// It names one that does not exist or does not make its codec at its depth; someone must mend the ladder.
    Name(String),
}

/// The backends for `rung` at `depth` bits, in order of preference.
pub fn choose(rung: &VideoRung, depth: u32, all: &[Candidate]) -> Result<Vec<String>, Missing> {
    let makes = |backend: &&Candidate| backend.chosen != Chosen::Never && backend.codecs.contains(&rung.codec) && backend.depths.contains(&depth);
    let able = || all.iter().filter(makes);
    if able().next().is_none() {
        return Err(Missing::Codec);
    }
    match &rung.backend {
        BackendWish::Default => Ok(able().filter(|backend| backend.chosen == Chosen::ByDefault).map(|backend| backend.name.to_owned()).collect()),
        BackendWish::Auto(_) => Ok(able().filter(|backend| backend.chosen != Chosen::Asked).map(|backend| backend.name.to_owned()).collect()),
        BackendWish::These(wishes) => {
            let unknown = wishes.iter().find(|wish| !able().any(|backend| backend.name == **wish));
            unknown.map_or_else(|| Ok(wishes.clone()), |wish| Err(Missing::Name(wish.clone())))
        }
    }
}

/// "avc by x264", for errors: what exists.
pub fn offered(all: &[Candidate]) -> String {
    let depths = |backend: &Candidate| backend.depths.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
    let one = |backend: &Candidate| {
        let codecs = backend.codecs.iter().map(|codec| codec.name()).collect::<Vec<_>>().join(" and ");
        format!("{codecs} by {} ({} bits)", backend.name, depths(backend))
    };
    all.iter().filter(|backend| backend.chosen != Chosen::Never).map(one).collect::<Vec<_>>().join(", ")
}
