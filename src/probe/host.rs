//! Processor and memory.

use crate::govern::machine::groups;
use hwaccel::isa::Isa;
use serde::Serialize;
use std::path::Path;

/// The machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct HostReport {
    /// Architecture.
    pub architecture: String,
    /// What the processor calls itself.
    pub processor: Option<String>,
    /// Instruction-set level that x264 and zimg are pinned to.
    pub pinned: String,
    /// Processors that this process may use at once: affinity and control group count.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory that the control group allows, where that is less.
    pub memory_limit: Option<u64>,
}

/// Bytes of memory that this process may take of its machine; `None` where the machine does not say.
pub fn memory() -> Option<u64> {
    let host = look(Path::new("/"));
    // And of the group that this process is in, and those above it, where they can be seen.
    let groups = groups(&std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default());
    let limits = groups.iter().filter_map(|group| std::fs::read_to_string(group.join("memory.max")).ok()?.trim().parse().ok());
    limits.chain(host.memory_limit).chain(host.memory).min()
}

/// Looks at the machine whose `/proc` and `/sys` are below `root`.
pub(super) fn look(root: &Path) -> HostReport {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let memory = read("proc/meminfo").and_then(|text| field(&text, "MemTotal")).and_then(|value| kibibytes(&value));
    // Version 2 of control groups, then version 1. A group without a limit says "max", or a number beyond all memory.
    let limits = ["sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().find_map(|path| read(path)?.trim().parse::<u64>().ok());
    HostReport {
        architecture: std::env::consts::ARCH.to_owned(),
        processor: read("proc/cpuinfo").and_then(|text| field(&text, "model name")),
        pinned: Isa::pinned().name().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory,
        memory_limit: limit.filter(|limit| memory.is_none_or(|memory| *limit < memory)),
    }
}

/// The value of the first line "name : value".
fn field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name))?.1.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_its_files() {
        let root = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        let bare = look(root.path());
        assert_eq!((bare.processor.as_deref(), bare.memory, bare.memory_limit), (None, None, None));
        put("proc/cpuinfo", "processor\t: 0\nmodel name\t: A Processor @ 2 GHz\n\nprocessor\t: 1\nmodel name\t: Another\n");
        put("proc/meminfo", "MemFree:  1 kB\nMemTotal:       4096 kB\n");
        put("sys/fs/cgroup/memory.max", "max\n");
        let free = look(root.path());
        assert_eq!((free.processor.as_deref(), free.memory, free.memory_limit), (Some("A Processor @ 2 GHz"), Some(4 << 20), None));
        put("sys/fs/cgroup/memory.max", "1048576\n");
        assert_eq!(look(root.path()).memory_limit, Some(1 << 20));
        put("sys/fs/cgroup/memory.max", "9223372036854771712\n");
        assert_eq!(look(root.path()).memory_limit, None);
        assert!(look(root.path()).cores >= 1);
    }
}
