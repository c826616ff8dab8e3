//! What was measured, kept in a file, so that a worker knows at its start what its machine can do.

use super::{Capacity, Machine, Measured};
use crate::class::short_hash;
use crate::job::{Job, Window};
use crate::plan::Plan;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The largest file that is read.
const MOST: u64 = 1 << 20;

/// Where it is kept: `$XDG_CACHE_HOME/mezzo`, or `~/.cache/mezzo`; nowhere without either.
pub fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("mezzo"))
}

/// The file of a class on a machine.
fn file(folder: &Path, class: &str, machine: &Machine) -> PathBuf {
    folder.join(format!("capacity-{}.json", short_hash(&json!([class, machine]))))
}

/// What was measured for this class on such a machine, if anything was. What cannot be read counts as nothing.
pub fn load(folder: &Path, class: &str, machine: &Machine) -> Option<Measured> {
    let path = file(folder, class, machine);
    let length = std::fs::metadata(&path).ok()?.len();
    let measured: Measured = (length <= MOST).then(|| std::fs::read(&path).ok()).flatten().and_then(|bytes| serde_json::from_slice(&bytes).ok())?;
    (measured.class == class && measured.machine == *machine).then_some(measured)
}

/// Keeps what was measured, in place of what was before.
///
/// # Errors
/// The folder cannot be made or written to.
pub fn store(folder: &Path, measured: &Measured) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = file(folder, &measured.class, &measured.machine);
    // Two workers may start at once: each has a name of its own until the file is whole.
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&beside, serde_json::to_vec_pretty(measured)?)?;
    std::fs::rename(&beside, &path)
}

/// What `plan` takes of this machine, by what was measured before; `None` where nothing was.
pub fn known(job: &Job, plan: &Plan) -> Option<Capacity> {
    let measured = load(&folder()?, &plan.class, &Machine::here())?;
    Some(of(job, plan, &measured))
}

/// What `plan` takes of a machine of which this was measured.
pub fn of(job: &Job, plan: &Plan, measured: &Measured) -> Capacity {
    let feeds = 1 + u64::from(job.standby.is_some());
    Capacity::of(plan, measured, job.shard, feeds, held(job, plan))
}

/// What the embedded origin holds of segments, at most.
pub fn held(job: &Job, plan: &Plan) -> u64 {
    if job.listen.is_some() { job.serving.memory.min(window(job, plan)) } else { 0 }
}

/// What the segments of a window have at most, twice, since they stay a while when they have left it.
fn window(job: &Job, plan: &Plan) -> u64 {
    let Window::Last(span) = job.window else { return u64::MAX };
    let bits: u64 = plan.video.iter().map(|rung| rung.max_bitrate).chain(plan.audio.iter().map(|audio| audio.bitrate)).sum();
    bits / 8 * u64::try_from(span.ceil_ticks(1)).unwrap_or(0) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_for_the_same_class_and_machine_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("deep/mezzo");
        let machine = Machine { cpu: "a processor".into(), processors: 2 };
        let measured = Measured { class: "0123456789ab".into(), machine: machine.clone(), decode: 1, scale: 2, rungs: Vec::new() };
        assert_eq!(load(&folder, &measured.class, &machine), None);
        store(&folder, &measured).expect("kept");
        assert_eq!(load(&folder, &measured.class, &machine), Some(measured.clone()));
        assert_eq!(load(&folder, "other", &machine), None);
        assert_eq!(load(&folder, &measured.class, &Machine { processors: 4, ..machine.clone() }), None);
        store(&folder, &Measured { decode: 9, ..measured.clone() }).expect("renewed");
        assert_eq!(load(&folder, &measured.class, &machine).map(|m| m.decode), Some(9));
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1, "nothing is left beside it");
        std::fs::write(file(&folder, &measured.class, &machine), b"{").expect("broken");
        assert_eq!(load(&folder, &measured.class, &machine), None);
    }
}
