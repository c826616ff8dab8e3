//! Which backends of a rung open here, and what the track's init segment must say so that the packets of each play.

use super::hardware::spread::{FAMILIES, spread};
use super::{EncodeError, Encoder, Lifetime, Recipe, backend, sets};
use crate::class::{self, Build};
use crate::job::Job;
use crate::plan::{LeftOut, Plan, Rendition, speed};
use crate::probe::Devices;

/// The backends that serve a rung, opened once and closed: a bad setting fails here, at the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// The rendition, with those of its backends that open.
    pub rendition: Rendition,
    /// For each of them the decoder configuration that its packets need.
    pub configs: Vec<Vec<u8>>,
    /// What the init segment says: the configuration of the first, with the parameter sets of the others.
    pub config: Vec<u8>,
}

/// No backend of a rung opens.
#[derive(Debug, thiserror::Error)]
#[error("ladder {ladder}: {why}; accepted: a backend that opens here (`mezzo probe` lists them){or}")]
pub struct ServeError {
    /// Ladder name.
    ladder: String,
    /// The first refusal.
    why: EncodeError,
    /// What else would do.
    or: &'static str,
}

/// Encoders that live for the event, kept open until all rungs have theirs: a driver that has room for fewer says so at the start.
type Kept = Vec<Box<dyn Encoder>>;

/// Opens the backends of every rung of `plan`, each on its device, and says what is planned then: with the backends that open, their class, and without the optional
/// rungs that none
/// serves.
///
/// # Errors
/// A rung that is not optional, or all rungs, have no backend that opens.
pub fn open_all(mut plan: Plan, job: &Job) -> Result<(Plan, Vec<Served>), ServeError> {
    let (mut rungs, mut refused, mut kept) = (Vec::new(), None, Kept::new());
    let wrong = |why: EncodeError, or: &'static str| ServeError { ladder: job.ladder.name.clone(), why, or };
    let by_hardware = |rung: &Rendition| FAMILIES.iter().any(|family| rung.backends.iter().any(|name| name == family.name));
    if plan.video.iter().any(by_hardware) {
        spread(&mut plan.video, &Devices::here().names());
    }
    for rendition in &plan.video {
        let recipe = Recipe::of(rendition);
        match open_kept(rendition, &recipe) {
            Ok((served, encoders)) => {
                rungs.push(served);
                kept.extend(encoders);
            }
            Err(error) if job.ladder.video.iter().any(|rung| rung.name == rendition.name && rung.optional) => {
                plan.left_out.push(LeftOut { rung: rendition.name.clone(), why: error.to_string() });
                refused.get_or_insert(error);
            }
            Err(error) => return Err(wrong(error, ", or optional = true to do without this rung")),
        }
    }
    drop(kept);
    if let Some(error) = refused.filter(|_| rungs.is_empty()) {
        return Err(wrong(error, " for one rung at least: all are optional, and none can be made"));
    }
    plan.video = rungs.iter().map(|served| served.rendition.clone()).collect();
    plan.class = class::of(&plan, job, &Build::here());
    Ok((plan, rungs))
}

/// Opens every backend of `rendition`. Each that does not open, or whose parameter sets cannot stand beside the others', is named once and left out.
///
/// # Errors
/// The first refusal, where none is left.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Served, EncodeError> {
    open_kept(rendition, recipe).map(|(served, _)| served)
}

fn open_kept(rendition: &Rendition, recipe: &Recipe) -> Result<(Served, Kept), EncodeError> {
    let planned = rendition.lanes;
    let mut rendition = rendition.clone();
    let mut refused = None;
    // Ids of parameter sets go by the place in the list: where one is left out, the others are opened again.
    while !rendition.backends.is_empty() {
        match open_listed(&rendition, recipe) {
            Ok((mut served, kept)) => {
                if refused.is_some() {
                    // Lanes go by what the first backend holds.
                    served.rendition.lanes = planned.max(speed::lanes(&served.rendition));
                }
                return Ok((served, kept));
            }
            Err((name, error)) => {
                rendition.backends.retain(|other| *other != name);
                if !rendition.backends.is_empty() {
                    tracing::warn!("{error}; {} remains", rendition.backends.join(", "));
                }
                refused.get_or_insert(error);
            }
        }
    }
    let none = || EncodeError::Open { rung: rendition.name.clone(), backend: "none", why: "the rung lists no backend".to_owned() };
    Err(refused.unwrap_or_else(none))
}

/// All backends of the list, or the name of the first that does not fit in.
fn open_listed(rendition: &Rendition, recipe: &Recipe) -> Result<(Served, Kept), (String, EncodeError)> {
    let mut kept = Kept::new();
    let mut served = Served { rendition: rendition.clone(), configs: Vec::new(), config: Vec::new() };
    for name in &rendition.backends {
        let mut one = || -> Result<(Vec<u8>, Vec<u8>), EncodeError> {
            let candidate = backend(rendition, name)?;
            let opened = candidate.open(rendition, recipe)?;
            let config = opened.config;
            if candidate.lifetime == Lifetime::Event {
                kept.push(opened.encoder);
            }
            let refuse = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend: candidate.name, why };
            let merged = if served.config.is_empty() { config.clone() } else { sets::merge(rendition.codec, &served.config, &config).map_err(refuse)? };
            Ok((config, merged))
        };
        let (config, merged) = one().map_err(|error| (name.clone(), error))?;
        served.configs.push(config);
        served.config = merged;
    }
    Ok((served, kept))
}

impl Served {
    /// Of each backend, what its IDR pictures carry in front because the init segment holds the sets of one backend only; empty where nothing is needed.
    pub fn in_band(&self) -> Vec<Vec<u8>> {
        let several = self.configs.len() > 1;
        self.configs.iter().map(|config| if several { sets::in_band(self.rendition.codec, config) } else { Vec::new() }).collect()
    }
}
