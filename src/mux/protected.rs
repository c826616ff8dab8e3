//! What goes out in the place of clear bytes where a track is protected: encrypted, and read back, as a check of the output would read it.

use super::{MuxError, TrackSpec};
use crate::inspect::{self, Code, InitFacts, SegmentFacts};
use crate::protect::{Form, Guard, ProtectError};
use crate::time::GopId;
use std::sync::Arc;

/// A protected track.
pub(super) struct Protected {
    guard: Guard,
    /// Its encrypted initialisation segment.
    init: InitFacts,
}

impl Protected {
    /// A track whose clear initialisation segment is `clear`, which reads as `init`; and the encrypted one.
    pub fn new(form: &Arc<Form>, spec: &TrackSpec, clear: &[u8], init: &InitFacts) -> Result<(Protected, Vec<u8>), MuxError> {
        let guard = form.guard(spec, init)?;
        let bytes = guard.init(clear)?;
        let init = inspect::init(&bytes).map_err(|source| MuxError::Init { track: spec.name.clone(), source })?;
        Ok((Protected { guard, init }, bytes))
    }

    /// What says which key it is.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// A segment of `gop`, or chunk `chunk` of it, encrypted, and what is in it. Chunks come in order, from 0; one behind the other they are the segment.
    ///
    /// # Errors
    /// There is no key, or a sample is not understood, or what became of it does not read back.
    pub fn media(&mut self, gop: GopId, chunk: Option<u32>, clear: &[u8]) -> Result<(Vec<u8>, SegmentFacts), ProtectError> {
        let bytes = self.guard.media(gop, chunk, clear)?;
        let layout = |why: String| {
            self.guard.refused();
            ProtectError::Layout { track: self.guard.track().to_owned(), why }
        };
        let facts = match chunk {
            None => inspect::segment(&bytes, Some(&self.init)),
            Some(index) => inspect::chunk(&bytes, Some(&self.init), index == 0),
        };
        let facts = facts.map_err(|e| layout(format!("encrypted, it does not read back: {e}")))?;
        match facts.findings.iter().find(|f| f.undecodable() || f.code == Code::Encryption) {
            Some(worst) => Err(layout(format!("encrypted, it cannot be decoded: {}", worst.text))),
            None => Ok((bytes, facts)),
        }
    }
}
