//! What mezzo says about a segment inside the segment: a `uuid` box of its own, before the first `moof`.
//!
//! Content, all big endian: version (8 bits, 4), flags (24 bits, 0), repeats (32), fillers (32), damaged (32), fallback (8), path (8), length of the class (8), class (UTF-8).

use super::MuxError;
use crate::encode::Stats;

/// Extended type of mezzo's box. Drawn at random once; never changes.
pub const UUID: [u8; 16] = [0x92, 0x74, 0xad, 0x31, 0xa2, 0x10, 0x42, 0x59, 0x99, 0x91, 0x8d, 0x0a, 0x09, 0x51, 0x00, 0xe1];

/// Version of the content.
pub const VERSION: u8 = 4;

/// Longest class, in bytes.
pub const MAX_CLASS: usize = 64;

/// What is said: everything by which a segment may differ from its twin, and who made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Class of the worker (short hash of the plan).
    pub class: String,
    /// Slots that repeat the picture before them, because the feed had none or had it too late.
    pub repeats: u32,
    /// Slots (or audio frames) of filler.
    pub fillers: u32,
    /// Slots whose picture shows damage of the feed, its own or inherited; of sound, packets that came damaged.
    pub damaged: u32,
    /// How many backends that the plan puts first did not make it; 0: it is as planned, 255: it was to be encoded again for its cap, and the frame budget was spent,
    /// 254: it was hurried under overload.
    pub fallback: u8,
    /// The feed that it shows: 0 the first, 1 the standby, 255 both.
    pub path: u8,
}

impl Marks {
    /// The marks of a finished GOP.
    pub fn new(class: &str, stats: &Stats) -> Marks {
        Marks { class: class.to_owned(), repeats: stats.repeats, fillers: stats.filler, damaged: stats.damaged, fallback: stats.fallback, path: stats.path }
    }

    /// Whether anything but the feed and the settings shaped the segment, so that a twin may have other bytes.
    pub fn excuse(&self) -> bool {
        self.repeats > 0 || self.fillers > 0 || self.damaged > 0 || self.fallback > 0 || self.path > 0
    }

    /// Appends the box.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), MuxError> {
        let class = self.class.as_bytes();
        let Some(length) = u8::try_from(class.len()).ok().filter(|_| class.len() <= MAX_CLASS) else {
            return Err(MuxError::Class { length: class.len() });
        };
        out.extend_from_slice(&(8 + 16 + 4 + 4 + 4 + 4 + 1 + 1 + 1 + u32::from(length)).to_be_bytes());
        out.extend_from_slice(b"uuid");
        out.extend_from_slice(&UUID);
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        out.extend_from_slice(&self.repeats.to_be_bytes());
        out.extend_from_slice(&self.fillers.to_be_bytes());
        out.extend_from_slice(&self.damaged.to_be_bytes());
        out.push(self.fallback);
        out.push(self.path);
        out.push(length);
        out.extend_from_slice(class);
        Ok(())
    }
}
