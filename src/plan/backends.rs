//! Which backends a rung can have.

use crate::encode::{Candidate, Chosen};
use crate::ladder::{BackendWish, VideoCodec, VideoRung};

/// The backends for `rung` at `depth` bits, in order of preference. Whether they open on this machine is another matter (`encode::served`).
///
/// # Errors
/// The first that it names which does not exist, does not make its codec at its depth, or is named twice.
pub fn choose(rung: &VideoRung, depth: u32, all: &[Candidate]) -> Result<Vec<String>, String> {
    let makes = |backend: &&Candidate| backend.chosen != Chosen::Never && backend.codecs.contains(&rung.codec) && backend.depths.contains(&depth);
    let able = || all.iter().filter(makes);
    let names = |backends: &mut dyn Iterator<Item = &Candidate>| backends.map(|backend| backend.name.to_owned()).collect();
    match &rung.backend {
        BackendWish::Default => Ok(names(&mut able().filter(|backend| backend.chosen == Chosen::ByDefault))),
        BackendWish::Auto(_) => Ok(names(&mut able().filter(|backend| backend.chosen != Chosen::ByName))),
        BackendWish::These(wishes) => {
            let twice = |(place, wish): (usize, &String)| wishes[..place].contains(wish);
            let wrong = |(place, wish): &(usize, &String)| !able().any(|backend| backend.name == **wish) || twice((*place, wish));
            wishes.iter().enumerate().find(wrong).map_or_else(|| Ok(wishes.clone()), |(_, wish)| Err(wish.clone()))
        }
    }
}

/// "x265 (8 and 10 bits)", for errors: what there is for a codec.
pub fn offered(codec: VideoCodec, all: &[Candidate]) -> String {
    let depths = |backend: &Candidate| backend.depths.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
    let able = all.iter().filter(|backend| backend.chosen != Chosen::Never && backend.codecs.contains(&codec));
    let names = able.map(|backend| format!("{} ({} bits)", backend.name, depths(backend))).collect::<Vec<_>>().join(", ");
    format!("\"auto\", or of {names}, each once")
}
