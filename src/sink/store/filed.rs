//! Segments that memory has no room for, and that a destination keeps as files.

use super::entry::tag_of;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// What is known of a segment on the disk without looking there.
#[derive(Clone, Default, Debug)]
pub(super) struct Facts {
    pub etag: Option<String>,
    pub size: Option<u64>,
}

/// A segment on the disk, not opened yet.
#[derive(Clone, Debug)]
pub struct Filed {
    /// Media type.
    pub content_type: &'static str,
    pub(super) path: PathBuf,
    pub(super) facts: Facts,
}

/// It, open.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Bytes that it has.
    pub size: u64,
    /// As [`super::Entry::etag`].
    pub etag: String,
}

/// Bytes that are hashed at once.
const BLOCK: usize = 128 << 10;

impl Filed {
    /// Opens it; the entity tag of one that an earlier run wrote takes reading it once. Blocks as long as the disk does.
    ///
    /// # Errors
    /// Of the system; and where the file is not the segment that was published: another worker's, say, or one that was cut short.
    pub fn open(&self) -> io::Result<Opened> {
        let file = File::open(&self.path)?;
        let about = file.metadata()?;
        let size = about.len();
        if !about.is_file() || size == 0 || self.facts.size.is_some_and(|s| s != size) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not the segment that was published"));
        }
        let etag = match &self.facts.etag {
            Some(etag) => etag.clone(),
            None => hash(&file, size)?,
        };
        Ok(Opened { file, size, etag })
    }
}

fn hash(file: &File, size: u64) -> io::Result<String> {
    let (mut hash, mut block, mut at) = (Sha256::new(), vec![0; BLOCK], 0);
    while at < size {
        let take = usize::try_from(size - at).unwrap_or(BLOCK).min(BLOCK);
        file.read_exact_at(&mut block[..take], at)?;
        hash.update(&block[..take]);
        at += take as u64;
    }
    Ok(tag_of(&hash.finalize().into()))
}
