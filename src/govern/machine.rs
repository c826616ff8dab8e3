//! The processor time that is left on this machine: what is idle of the processors that this process may run on, and within the quotas of its control group and of those above it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Milliseconds of a tick of `/proc/stat`: 1/100 s on every Linux.
const TICK: u64 = 10;
/// Less than this is not told from nothing.
const SHORTEST: Duration = Duration::from_millis(100);

/// Watches it.
#[derive(Debug)]
pub struct Idle {
    /// Processors that this process may run on, by number.
    ours: Vec<u32>,
    /// Folders of its control groups that may have a quota.
    groups: Vec<PathBuf>,
    last: Reading,
}

#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    /// Idle time of those processors so far.
    idle: Option<Duration>,
    /// Of each group.
    groups: Vec<Limited>,
}

/// What a group has used so far, and what it may use, in thousandths of a processor; where it has a quota.
type Limited = Option<(Duration, u64)>;

impl Default for Idle {
    fn default() -> Idle {
        Idle::new()
    }
}

impl Idle {
    /// From now on.
    pub fn new() -> Idle {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
        let (ours, groups) = (listed(list), groups(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default()));
        Idle { last: read(&ours, &groups), ours, groups }
    }

    /// Whether this machine says it: one that has never been idle does not.
    pub fn is_told(&self) -> bool {
        self.last.idle.is_some_and(|idle| idle > Duration::ZERO)
    }

    /// Thousandths of a processor that nobody wanted since the last time; nothing where this machine does not say, or it was only just asked.
    pub fn since(&mut self) -> Option<u64> {
        let now = read(&self.ours, &self.groups);
        if now.at.duration_since(self.last.at) < SHORTEST {
            return None;
        }
        left(&std::mem::replace(&mut self.last, now.clone()), &now)
    }
}

/// Thousandths of a processor that nobody wanted between two readings.
fn left(before: &Reading, now: &Reading) -> Option<u64> {
    let elapsed = now.at.duration_since(before.at).as_nanos().max(1);
    let thousandths = |from: Duration, to: Duration| u64::try_from(to.saturating_sub(from).as_nanos() * 1000 / elapsed).unwrap_or(u64::MAX);
    let idle = thousandths(before.idle?, now.idle?);
    let of_group = |(before, now): (&Limited, &Limited)| {
        let ((from, _), (to, quota)) = ((*before)?, (*now)?);
        Some(quota.saturating_sub(thousandths(from, to)))
    };
    before.groups.iter().zip(&now.groups).filter_map(of_group).chain([idle]).min()
}

fn read(ours: &[u32], groups: &[PathBuf]) -> Reading {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    Reading { at: Instant::now(), idle: idle(&stat, ours), groups: groups.iter().map(|group| limited(group)).collect() }
}

/// Folders of the groups in `/proc/self/cgroup` (`0::/a/b`, or `4:cpu,cpuacct:/a/b` of version 1), and of those above them.
pub fn groups(text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in text.lines().take(64) {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = Path::new("/sys/fs/cgroup");
        let root = match controllers {
            "" => root.to_owned(),
            _ if controllers.split(',').any(|name| name == "cpu") => root.join(controllers),
            _ => continue,
        };
        let own = root.join(path.trim_start_matches('/'));
        // Put together anew, without a slash at the end.
        found.extend(own.ancestors().take_while(|folder| folder.starts_with(&root)).take(16).map(|folder| folder.components().collect::<PathBuf>()));
    }
    found
}

/// What a group has used, and what it may; nothing where it has no quota.
fn limited(group: &Path) -> Limited {
    let text = |file: &str| fs::read_to_string(group.join(file)).ok();
    if let Some(quota) = text("cpu.max").as_deref().and_then(quota) {
        return Some((used(&text("cpu.stat")?)?, quota));
    }
    let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
    let quota = number("cpu.cfs_quota_us")?.checked_mul(1000)?.checked_div(number("cpu.cfs_period_us")?)?;
    Some((Duration::from_nanos(number("cpuacct.usage")?), quota))
}

/// `0-3,8`: processors by number.
fn listed(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (from, to) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        Some(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?.min(4095))
    };
    text.split(',').filter_map(range).flatten().collect()
}

/// Idle time of these processors, in `/proc/stat`: `cpuN user nice system idle iowait …`.
fn idle(stat: &str, ours: &[u32]) -> Option<Duration> {
    let of = |line: &str| {
        let (number, times) = line.strip_prefix("cpu")?.split_once(' ')?;
        let number: u32 = number.parse().ok()?;
        let mut ticks = times.split_whitespace().skip(3).map(|word| word.parse::<u64>().ok());
        ours.contains(&number).then_some(Duration::from_millis(ticks.next()??.saturating_add(ticks.next()??).saturating_mul(TICK)))
    };
    let each: Vec<Duration> = stat.lines().filter_map(of).collect();
    (!each.is_empty()).then(|| each.iter().sum())
}

/// `usage_usec N` of `cpu.stat`.
fn used(text: &str) -> Option<Duration> {
    text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok().map(Duration::from_micros)
}

/// `QUOTA PERIOD` of `cpu.max`, in microseconds; "max" is none.
fn quota(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    quota.parse::<u64>().ok()?.checked_mul(1000)?.checked_div(period.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        let stat = "cpu  1 2 3 400 5 0 0\ncpu0 1 2 3 100 5 0 0 0 0 0\ncpu1 1 2 3 200 7 0\ncpu2 9 9 9 900 0\nintr 5\n";
        assert_eq!(idle(stat, &[0, 1]), Some(Duration::from_millis(TICK * 312)));
        assert_eq!(idle(stat, &[7]), None);
        assert_eq!(idle("", &[0]), None);
        assert_eq!(listed("\t0-2,5,9-8,x"), [0, 1, 2, 5]);
        assert_eq!((quota("150000 100000\n"), quota("max 100000\n"), quota("1 0")), (Some(1500), None, None));
        assert_eq!(used("usage_usec 2500000\nuser_usec 1\n"), Some(Duration::from_millis(2500)));
    }

    #[test]
    fn the_least_of_what_is_left_counts() {
        let at = Instant::now();
        let reading = |millis: u64, idle: u64, used: [Option<(u64, u64)>; 2]| Reading {
            at: at + Duration::from_millis(millis),
            idle: Some(Duration::from_millis(idle)),
            groups: used.map(|used| used.map(|(millis, quota)| (Duration::from_millis(millis), quota))).to_vec(),
        };
        let (before, after) = (reading(0, 500, [Some((100, 2000)), None]), reading(2000, 2500, [Some((2100, 2000)), None]));
        assert_eq!(left(&before, &after), Some(1000), "2 s of 2 s on one processor are used, of two");
        assert_eq!(left(&reading(0, 0, [None, None]), &reading(2000, 500, [None, None])), Some(250));
        assert_eq!(left(&Reading { idle: None, ..before }, &after), None);
        let folders = |text: &str| groups(text).iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>();
        assert_eq!(folders("0::/a/b\n"), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
        assert_eq!(folders("5:memory:/x\n4:cpu,cpuacct:/\nx"), ["/sys/fs/cgroup/cpu,cpuacct"]);
        assert_eq!(limited(Path::new("/no/such/group")), None);
    }

    #[test]
    fn this_machine_says_how_idle_it_is() {
        let idle = Idle::new();
        assert!(idle.is_told() || !Path::new("/proc/stat").exists());
    }
}
