//! Protection: common encryption (ISO/IEC 23001-7) of what the muxer made, and what players are told of it.
//!
//! It comes after everything else: a clear initialisation segment, chunk or segment goes in, an encrypted one comes out, so one encode feeds clear and encrypted
//! outputs alike, and a chunk encrypted alone is the same as within its segment. Nothing in it is random: see [`iv`] for why that is safe.
//!
//! - `form`: what an output carries, and for each track the [`Guard`] that makes it; `ring`: the key of each crypto period; `key`: key ids and keys
//! - `init`, `segment`: clear bytes to encrypted ones; `ranges` (`nal`, `av1`): which bytes of a sample; `cipher`, `iv`: how; `boxes`: what says so
//! - `systems`, `playready`: what each DRM wants to be told; `signal`: that, as HLS and DASH have it
//! - `cpix`: key servers' documents; `fetch`: asking for them in time
//! - `counts`: what happened

mod av1;
mod boxes;
pub mod cipher;
mod counts;
pub mod cpix;
mod fetch;
pub mod form;
mod init;
pub mod iv;
pub mod key;
mod nal;
mod playready;
mod ranges;
mod ring;
mod segment;
mod signal;
pub mod systems;

#[cfg(test)]
mod cpix_tests;
#[cfg(test)]
mod segment_tests;

pub use counts::{Counts, CountsSnapshot};
pub use fetch::Fetcher;
pub use form::{Form, Guard};
pub use key::{Key, KeyId};
pub use ranges::Subsample;
pub use ring::{KeyRing, KeySet};
pub use signal::Signal;

/// Why something could not be protected. It is not published then: nothing goes out clear where it should be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum ProtectError {
    /// There is no key.
    #[error("crypto period {period} has no key for {class} tracks: {why}")]
    NoKey {
        /// Nothing is in real time, so nothing may be left out.
        last: bool,
        /// The crypto period.
        period: u64,
        /// Which tracks.
        class: &'static str,
        /// What is missing.
        why: String,
    },
    /// A sample of which it is not known what to leave clear.
    #[error("{track}: sample {sample}: {why}")]
    Sample {
        /// Track name.
        track: String,
        /// Its place in the fragment.
        sample: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Bytes that the muxer never makes.
    #[error("{track}: {why}")]
    Layout {
        /// Track name.
        track: String,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// More tracks than initialisation vectors tell apart.
    #[error("{0} tracks under protection; at most {most} are accepted", most = iv::MAX_TRACKS)]
    Tracks(usize),
    /// A document of keys.
    #[error(transparent)]
    Cpix(#[from] cpix::CpixError),
    /// The key server.
    #[error(transparent)]
    Fetch(#[from] fetch::FetchError),
}

impl ProtectError {
    /// Whether the job cannot go on. Else a segment is left out, as a gap.
    pub fn is_final(&self) -> bool {
        matches!(self, ProtectError::NoKey { last: true, .. })
    }
}
