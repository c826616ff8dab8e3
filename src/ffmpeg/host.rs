//! The host: the pinned instruction set, and what files this process may use.

use ffmpeg_next as ffmpeg;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// Pins libav to one instruction-set level, so that its output is the same on every machine that has it. Returns the level's name.
///
/// Called once before anything of libav is opened; later calls only return the name.
/// On x86 the level is x86-64-v3 (AVX2, FMA3, BMI2) where the processor has all of it, else x86-64-v2 or x86-64;
/// hints about a processor model ("slow gather", …) are dropped too, since they choose between routines. Other architectures are not pinned.
pub fn pin_cpu() -> &'static str {
    static LEVEL: OnceLock<&str> = OnceLock::new();
    LEVEL.get_or_init(|| {
        // SAFETY: takes nothing, returns a word of flags that libav computes once from CPUID.
        let found = unsafe { ffmpeg::ffi::av_get_cpu_flags() };
        let (name, flags) = level(found);
        if let Some(flags) = flags {
            // SAFETY: only stores the word; every flag in it is one that the processor was just found to have.
            unsafe { ffmpeg::ffi::av_force_cpu_flags(flags) };
        }
        name
    })
}

/// The highest pinned level that `found` holds in full, and its flags; none where nothing is to be forced.
#[cfg(target_arch = "x86_64")]
fn level(found: i32) -> (&'static str, Option<i32>) {
    use ffmpeg::ffi::*;
    let v1 = AV_CPU_FLAG_CMOV | AV_CPU_FLAG_MMX | AV_CPU_FLAG_MMXEXT | AV_CPU_FLAG_SSE | AV_CPU_FLAG_SSE2;
    let v2 = v1 | AV_CPU_FLAG_SSE3 | AV_CPU_FLAG_SSSE3 | AV_CPU_FLAG_SSE4 | AV_CPU_FLAG_SSE42;
    let v3 = v2 | AV_CPU_FLAG_AVX | AV_CPU_FLAG_AVX2 | AV_CPU_FLAG_FMA3 | AV_CPU_FLAG_BMI1 | AV_CPU_FLAG_BMI2;
    let levels = [("x86-64-v3", v3), ("x86-64-v2", v2), ("x86-64", v1)];
    levels.into_iter().find(|(_, flags)| found & flags == *flags).map_or(("x86-64-unknown", None), |(name, flags)| (name, Some(flags)))
}

#[cfg(not(target_arch = "x86_64"))]
fn level(_found: i32) -> (&'static str, Option<i32>) {
    (std::env::consts::ARCH, None)
}

/// Keeps this thread, and those that it starts from here on, from real-time scheduling: SVT-AV1 puts itself and its caller under `SCHED_FIFO` at the highest priority
/// where it runs as root, and a machine of busy cores then runs nothing else. Takes CAP_SYS_NICE from what the thread may use, as containers do. Nothing elsewhere than
/// on Linux.
pub fn no_real_time() {
    #[cfg(target_os = "linux")]
    {
        #[repr(C)]
        struct Header {
            version: u32,
            pid: libc::c_int,
        }
        #[repr(C)]
        #[derive(Clone, Copy)]
        struct Data {
            effective: u32,
            permitted: u32,
            inheritable: u32,
        }
        const VERSION_3: u32 = 0x2008_0522;
        const SYS_NICE: u32 = 1 << 23;
        let mut header = Header { version: VERSION_3, pid: 0 };
        let mut data = [Data { effective: 0, permitted: 0, inheritable: 0 }; 2];
        // SAFETY: version 3 reads the header and writes two of `Data`, as linux/capability.h has them; both are ours. Pid 0 is this thread.
        if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) } != 0 {
            return;
        }
        data[0].effective &= !SYS_NICE;
        // SAFETY: likewise, read only. A thread may always give up a capability.
        unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    }
}

/// Lets other threads of this machine go before the calling one, by `level` steps of niceness (0 to 19). A system that refuses changes nothing.
pub fn give_way(level: u8) {
    // SAFETY: takes an integer; on Linux only the calling thread's own niceness changes, counted from what it has been given.
    let _ = unsafe { libc::nice(i32::from(level.min(19))) };
}

/// Has SVT-AV1 write errors only: it would tell the settings of every encoder on standard error. An own wish in the environment stays.
///
/// Called first of all in `main`, while there is one thread.
pub fn quiet_codecs() {
    if std::env::var_os("SVT_LOG").is_none() {
        // SAFETY: the process has one thread yet, as is asked for above, so nobody reads the environment meanwhile.
        unsafe { std::env::set_var("SVT_LOG", "1") }
    }
}

/// Blocks of memory from this size on go back to the system as soon as they are freed. glibc would raise its limit up to 32 MB with the first large block that is freed,
/// and keep what every GOP's encoders leave behind: 62 MB of 557 with the six-rung ladder, for no time saved.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const RETURNED: libc::c_int = 256 << 10;

/// Has freed pictures and encoders given back to the system at once. Called at the start; where the system has no such setting, nothing happens.
pub fn return_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: stores an integer in the allocator's settings; a value that it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, RETURNED);
    }
}

/// Ends the process as it stands, without what libraries have registered for its end. What was written to standard output must have been flushed.
pub fn leave_at_once(code: i32) -> ! {
    // SAFETY: takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// What [`access`] asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// May the file be read?
    Read,
    /// May files be made in this directory?
    WriteInto,
}

/// Asks the system whether this process may use `path` so, without opening it. The error is the system's.
pub fn access(path: &Path, access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Read => libc::R_OK,
        Access::WriteInto => libc::W_OK | libc::X_OK,
    };
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `path` is a C string that outlives the call; the call only reads it.
    if unsafe { libc::access(path.as_ptr(), mode) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_the_pinned_level_stays_on() {
        let name = pin_cpu();
        // SAFETY: takes nothing, returns a word.
        let now = unsafe { ffmpeg::ffi::av_get_cpu_flags() };
        assert_eq!(level(now), (name, Some(now)), "what libav now uses is exactly the level");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(now & (ffmpeg::ffi::AV_CPU_FLAG_AVX512 | ffmpeg::ffi::AV_CPU_FLAG_SLOW_GATHER), 0);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_lesser_processor_gets_a_lesser_level() {
        use ffmpeg::ffi::*;
        assert_eq!(level(-1).0, "x86-64-v3");
        assert_eq!(level(!AV_CPU_FLAG_FMA3).0, "x86-64-v2");
        assert_eq!(level(!AV_CPU_FLAG_SSSE3).0, "x86-64");
        assert_eq!(level(0), ("x86-64-unknown", None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_gives_way_from_where_it_is_and_alone() {
        // proc(5): field 19 of stat, the 17th behind the name.
        let niceness = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux has it");
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(16)?.parse::<i32>().ok()).expect("a number")
        };
        let before = niceness();
        let after = std::thread::spawn(move || {
            give_way(2);
            give_way(1);
            niceness()
        });
        assert_eq!(after.join().expect("no panic"), (before + 3).min(19));
        assert_eq!(niceness(), before);
    }

    #[test]
    fn access_asks_the_system() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert!(access(dir.path(), Access::WriteInto).is_ok());
        assert_eq!(access(&dir.path().join("none"), Access::Read).map_err(|e| e.kind()), Err(io::ErrorKind::NotFound));
    }
}
