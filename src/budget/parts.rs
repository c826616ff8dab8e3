//! One budget of memory for the process, and who has how much of it.

use crate::job::{Job, Output};
use crate::plan::Plan;
use crate::plan::capacity::{Footprint, footprint, kept};
use crate::shard::Share;
use serde::Serialize;

/// Of what a machine has, so much is for a worker that is not told: thousandths.
const OWN: u64 = 750;
/// Bytes of pictures where the job says nothing: two GOPs of 2 s at 60 pictures a second of a 2160p rung (1.5 GB each in 8 bits), and the smaller rungs of its ladder beside them.
const PICTURES: u64 = 4 << 30;

/// The parts of the budget, in bytes. Each is kept by whoever has it, so that the sum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Parts {
    /// All of them: `limits.memory`.
    pub limit: u64,
    /// The program, decoders and what encoders keep for themselves: as known of them.
    pub codecs: u64,
    /// Segments that the embedded origin holds.
    pub origin: u64,
    /// Segments that wait for destinations behind a network.
    pub outputs: u64,
    /// Pictures that wait for an encoder, or are held so that a segment can be encoded again.
    pub pictures: u64,
}

/// The plan needs more than the job allows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "limits.memory = {limit} MiB; accepted: {needed} MiB and more, for this plan ({codecs} for codecs, {origin} for the origin's window (serve.memory), {outputs} for outputs (backlog_mib), {pictures} for pictures), or fewer or smaller rungs"
)]
pub struct TooSmall {
    limit: u64,
    needed: u64,
    codecs: u64,
    origin: u64,
    outputs: u64,
    pictures: u64,
}

impl Parts {
    /// What each gets of what the job allows, or of the `machine`'s memory where it does not say.
    ///
    /// # Errors
    /// The job says less than the plan needs.
    pub fn of(job: &Job, plan: &Plan, share: &Share, machine: Option<u64>) -> Result<Parts, TooSmall> {
        let feeds = 1 + u64::from(job.standby.is_some());
        let needs = footprint(plan, share, feeds);
        let outputs = job.outputs.iter().map(waiting).sum();
        Parts::divide(job.memory, machine, needs, kept::held(job, plan), outputs)
    }

    /// What of the pictures' part a rung has, which needs `least` of the `all` that rungs need: none takes from another.
    pub fn share(&self, least: u64, all: u64) -> u64 {
        u64::try_from(u128::from(self.pictures) * u128::from(least) / u128::from(all.max(1))).unwrap_or(u64::MAX)
    }

    fn divide(asked: Option<u64>, machine: Option<u64>, needs: Footprint, origin: u64, outputs: u64) -> Result<Parts, TooSmall> {
        let fixed = needs.codecs.saturating_add(origin).saturating_add(outputs);
        let limit = asked.or(machine.map(|bytes| bytes / 1000 * OWN)).unwrap_or(u64::MAX);
        let pictures = limit.saturating_sub(fixed);
        let parts = Parts { limit, codecs: needs.codecs, origin, outputs, pictures };
        if asked.is_none() {
            // A machine that is too small for the plan was not chosen by the job: it is tried.
            let pictures = pictures.clamp(needs.least, PICTURES.max(needs.least.saturating_mul(2)));
            return Ok(Parts { limit: fixed.saturating_add(pictures), pictures, ..parts });
        }
        if pictures < needs.least {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let [codecs, origin, outputs, pictures] = [needs.codecs, origin, outputs, needs.least].map(mib);
            return Err(TooSmall { limit: limit >> 20, needed: codecs + origin + outputs + pictures, codecs, origin, outputs, pictures });
        }
        Ok(parts)
    }
}

/// Bytes of segments that wait for an output, at most.
fn waiting(output: &Output) -> u64 {
    match output {
        Output::Directory(_) => 0,
        Output::Push(push) => push.backlog.bytes,
        Output::Objects(objects) => objects.backlog.bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const NEEDS: Footprint = Footprint { codecs: 300 * MIB, pictures: 10 * MIB, late: 500 * MIB, least: 20 * MIB };

    #[test]
    fn pictures_have_what_the_others_leave() {
        let parts = Parts::divide(Some(1000 * MIB), Some(64), NEEDS, 100 * MIB, 50 * MIB).expect("there is room");
        assert_eq!((parts.limit, parts.pictures), (1000 * MIB, 550 * MIB));
        assert_eq!(parts.codecs + parts.origin + parts.outputs + parts.pictures, parts.limit);
    }

    #[test]
    fn each_rung_has_its_own() {
        let parts = Parts::divide(Some(1000 * MIB), None, NEEDS, 0, 0).expect("there is room");
        assert_eq!((parts.share(15, 20), parts.share(5, 20)), (525 * MIB, 175 * MIB));
        assert_eq!(parts.share(0, 0), 0);
    }

    #[test]
    fn what_cannot_be_is_said_with_what_each_part_needs() {
        let error = Parts::divide(Some(400 * MIB), None, NEEDS, 100 * MIB, 0).expect_err("20 MiB are missing").to_string();
        assert!(
            error.starts_with("limits.memory = 400 MiB; accepted: 420 MiB and more, for this plan (300 for codecs, 100 for the origin's window"),
            "{error}"
        );
    }

    #[test]
    fn a_job_that_says_nothing_is_never_refused() {
        let of = |machine| Parts::divide(None, machine, NEEDS, 0, 0).expect("it is tried");
        assert_eq!(of(Some(64 << 30)).pictures, PICTURES);
        assert_eq!(of(None).pictures, PICTURES);
        assert_eq!(of(Some(1 << 30)).pictures, (1 << 30) / 1000 * OWN - NEEDS.codecs);
        assert_eq!((of(Some(100 * MIB)).pictures, of(Some(100 * MIB)).limit), (NEEDS.least, NEEDS.codecs + NEEDS.least));
    }
}
