//! A clear segment, or a chunk of one, to an encrypted one: the samples where they are, and in each `moof` what a reader needs for them.

use super::ProtectError;
use super::boxes::{Auxiliary, Defaults, auxiliary};
use super::cipher::{self, Scheme, Vector};
use super::iv;
use super::key::Key;
use super::ranges::Ranges;
use crate::inspect::{self, Chunk};
use crate::mux::nested::{grow, inside};

/// What a fragment is encrypted with.
pub struct Lock<'a> {
    /// Track name, for errors.
    pub track: &'a str,
    /// The track's place in the plan.
    pub place: usize,
    /// Ticks of one unit.
    pub unit_ticks: u32,
    /// The key.
    pub key: &'a Key,
    /// Its id, scheme, pattern and constant vector.
    pub defaults: Defaults,
    /// Keys rotate: each fragment names its own, and carries `pssh`.
    pub rotates: bool,
    /// Whole `pssh` boxes for the fragments.
    pub pssh: &'a [u8],
}

/// Encrypts every fragment of `clear`, which are as the muxer makes them: `moof` with one `traf`, whose last box is its one `trun`; `mdat` right behind it.
pub fn protect(lock: &Lock<'_>, clear: &[u8], ranges: &mut Ranges) -> Result<Vec<u8>, ProtectError> {
    let layout = |why: String| ProtectError::Layout { track: lock.track.to_owned(), why };
    let facts = inspect::segment(clear, None).map_err(|e| layout(e.to_string()))?;
    let mut out = Vec::with_capacity(clear.len() + 1024 + facts.samples().count() * 24);
    let mut done = 0;
    for chunk in &facts.chunks {
        let (data, samples) = samples(lock, chunk, clear, ranges)?;
        out.extend_from_slice(&clear[done..chunk.moof.start]);
        let header = header(lock, &clear[chunk.moof.clone()], &samples).map_err(layout)?;
        out.extend_from_slice(&header);
        out.extend_from_slice(&clear[chunk.moof.end..chunk.mdat.start]);
        out.extend_from_slice(&data);
        done = chunk.mdat.end;
    }
    out.extend_from_slice(&clear[done..]);
    Ok(out)
}

/// The data of a fragment, encrypted, and what to say of each sample.
fn samples(lock: &Lock<'_>, chunk: &Chunk, clear: &[u8], ranges: &mut Ranges) -> Result<(Vec<u8>, Vec<Auxiliary>), ProtectError> {
    let mut data = clear[chunk.mdat.clone()].to_vec();
    let first = chunk.tfdt / u64::from(lock.unit_ticks.max(1));
    let mut told = Vec::with_capacity(chunk.samples.len());
    for (i, sample) in chunk.samples.iter().enumerate() {
        let wrong = |why: String| ProtectError::Sample { track: lock.track.to_owned(), sample: i, why };
        let begin = sample.offset.checked_sub(chunk.mdat.start).ok_or_else(|| wrong("it is outside of its mdat".to_owned()))?;
        let bytes = data.get_mut(begin..begin + sample.size as usize).ok_or_else(|| wrong("it is outside of its mdat".to_owned()))?;
        let of = ranges.of(bytes, lock.defaults.scheme).map_err(wrong)?;
        let counter = match lock.defaults.scheme {
            Scheme::Cenc => {
                let vector = iv::counter(lock.key, lock.place, first + i as u64, bytes);
                Some(vector.ok_or_else(|| wrong(format!("unit {} of track {}: initialisation vectors end before", first + i as u64, lock.place)))?)
            }
            Scheme::Cbcs => None,
        };
        let vector = counter.map_or(Vector::Constant(lock.defaults.constant, lock.defaults.pattern), Vector::Counter);
        cipher::encrypt(lock.key, vector, bytes, &of);
        told.push(Auxiliary { vector: counter, ranges: of });
    }
    Ok((data, told))
}

/// The `moof` with what is added to it.
fn header(lock: &Lock<'_>, clear: &[u8], samples: &[Auxiliary]) -> Result<Vec<u8>, String> {
    let odd = || "a moof with one traf that ends with its trun is accepted".to_owned();
    let mut moof = clear.to_vec();
    let around = inside(&moof, 0, &[b"traf", b"trun"]).ok_or_else(odd)?;
    let [_, traf, trun] = around.as_slice() else { return Err(odd()) };
    let end = |at: usize| moof.get(at..at + 4).and_then(|b| b.first_chunk()).map(|b| at + u32::from_be_bytes(*b) as usize);
    if end(*trun) != Some(moof.len()) || end(*traf) != Some(moof.len()) {
        return Err(odd());
    }
    let mut added = Vec::new();
    if lock.rotates {
        added.extend(lock.defaults.group(u32::try_from(samples.len()).unwrap_or(u32::MAX)));
    }
    added.extend(auxiliary(samples, moof.len() + added.len())?);
    let grown = i32::try_from(added.len() + lock.pssh.len()).map_err(|_| odd())?;
    // Version, flags and the number of samples come before.
    let offset = moof.get_mut(trun + 16..trun + 20).and_then(|b| b.first_chunk_mut::<4>()).ok_or_else(odd)?;
    *offset = i32::from_be_bytes(*offset).checked_add(grown).ok_or_else(odd)?.to_be_bytes();
    grow(&mut moof, &[0, *traf], &added).ok_or_else(odd)?;
    grow(&mut moof, &[0], lock.pssh).ok_or_else(odd)?;
    Ok(moof)
}
