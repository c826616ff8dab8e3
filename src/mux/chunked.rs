//! Chunks that leave before their segment is complete. What is out is out: a segment that cannot be completed is given up, and becomes a gap.

use super::chunking::Cuts;
use super::making::{Making, Piece};
use super::parts::Part;
use super::publish::Publisher;
use super::{Marks, MuxError, TrackSpec};
use crate::encode::{Packet, Told};
use crate::inspect;
use crate::sink::Publish;
use crate::time::{GopId, Seconds};
use bytes::Bytes;
use std::sync::atomic::Ordering::Relaxed;

impl Publisher {
    /// The next part of the segment that comes.
    pub(super) fn part(&mut self, index: usize, gop: GopId, told: Vec<(i64, Told)>, fallback: Option<u8>, packets: Vec<Packet>) -> Result<(), MuxError> {
        if !self.makes(index, gop)? {
            return Ok(());
        }
        if let Some(making) = &mut self.tracks[index].making {
            making.tell(told);
            fallback.into_iter().for_each(|fallback| making.made_by(fallback));
            making.push(packets);
        }
        self.pieces(index)
    }

    /// What holds of the segment that comes is only the first `from` packets.
    pub(super) fn cut(&mut self, index: usize, gop: GopId, from: usize) -> Result<(), MuxError> {
        let Some(making) = self.tracks[index].making.as_mut().filter(|making| making.gop == gop) else { return Ok(()) };
        if making.truncate(from) { Ok(()) } else { self.abort(index, "its encoder took back what is out") }
    }

    /// The rest of a segment, which has these marks. False: there is none to publish.
    pub(super) fn rest(&mut self, index: usize, gop: GopId, packets: Vec<Packet>, marks: &Marks, last: bool) -> Result<bool, MuxError> {
        if !self.makes(index, gop)? {
            return Ok(false);
        }
        if let Some(making) = &mut self.tracks[index].making {
            making.push(packets);
        }
        self.pieces(index)?;
        let track = &mut self.tracks[index];
        let Some(making) = &mut track.making else { return Ok(false) };
        let out = making.pieces().len();
        if let Err(error) = making.finish(&track.described.spec, marks, last) {
            return self.refuse(index, error).map(|()| false);
        }
        let pieces: Vec<Piece> = making.pieces().get(out..).unwrap_or_default().to_vec();
        for (place, piece) in pieces.iter().enumerate() {
            if !self.publish_piece(index, piece, place + 1 == pieces.len())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives up every segment that is not complete: nothing more will come.
    pub(super) fn abort_all(&mut self) -> Result<(), MuxError> {
        (0..self.tracks.len()).try_for_each(|index| self.abort(index, "the encoders went away"))
    }

    /// Gives up the segment that comes, if one does.
    pub(super) fn abort(&mut self, index: usize, why: &str) -> Result<(), MuxError> {
        let track = &mut self.tracks[index];
        let Some(making) = track.making.take() else { return Ok(()) };
        let (gop, out) = (making.gop, making.pieces().len());
        track.broken = Some(gop);
        if out == 0 {
            return Ok(());
        }
        let spec = &track.described.spec;
        tracing::error!(track = spec.name, segment = gop.0, chunks = out, "given up with chunks of it out: {why}");
        self.settings.counts.aborted.fetch_add(1, Relaxed);
        let (name, path) = (spec.name.clone(), spec.segment_path(gop));
        if self.part_target.is_some() {
            track.parts.abort(spec, gop, Cuts::of(spec, self.settings.chunking));
        }
        self.send(Publish::Abort { track: name, number: gop, path })?;
        self.live_playlist(index, false)
    }

    /// Whether `gop` is the segment that comes, or can be. One before it that is not complete will not be.
    fn makes(&mut self, index: usize, gop: GopId) -> Result<bool, MuxError> {
        if self.tracks[index].broken == Some(gop) {
            return Ok(false);
        }
        if self.tracks[index].making.as_ref().is_some_and(|making| making.gop != gop) {
            self.abort(index, "another follows")?;
        }
        let (track, settings) = (&mut self.tracks[index], &self.settings);
        let new = || Making::new(&track.described.spec, gop, &settings.class, settings.chunking);
        track.making.get_or_insert_with(new);
        Ok(true)
    }

    /// Publishes every chunk that is complete.
    fn pieces(&mut self, index: usize) -> Result<(), MuxError> {
        loop {
            let track = &mut self.tracks[index];
            let Some(making) = &mut track.making else { return Ok(()) };
            match making.next(&track.described.spec) {
                Ok(None) => return Ok(()),
                Ok(Some(piece)) => {
                    if !self.publish_piece(index, &piece, false)? {
                        return Ok(());
                    }
                }
                Err(error) => return self.refuse(index, error),
            }
        }
    }

    /// The packets are not what they should be.
    fn refuse(&mut self, index: usize, error: MuxError) -> Result<(), MuxError> {
        match error {
            MuxError::Packets { .. } | MuxError::Number { .. } => {
                self.settings.counts.undecodable.fetch_add(1, Relaxed);
                tracing::error!("{error}: not published");
                self.abort(index, "its packets are not one GOP")
            }
            error => Err(error),
        }
    }

    /// Inspects a chunk and publishes it, with the playlist, unless it is the `last` of its segment. False: it cannot be decoded, and its segment was given up.
    fn publish_piece(&mut self, index: usize, piece: &Piece, last: bool) -> Result<bool, MuxError> {
        let track = &mut self.tracks[index];
        let spec = &track.described.spec;
        let Some(making) = &track.making else { return Ok(false) };
        let (gop, clear) = (making.gop, making.bytes().get(piece.bytes.clone()).unwrap_or_default());
        let worst = match inspect::chunk(clear, Some(&track.init), piece.index == 0) {
            Ok(facts) => facts.findings.into_iter().find(|f| f.undecodable()).map(|f| f.text),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = worst {
            return self.withhold(index, piece, format!("it cannot be decoded: {why}"));
        }
        let bytes = match &mut track.protected {
            None => Bytes::copy_from_slice(clear),
            Some(protected) => match protected.media(gop, Some(piece.index), clear) {
                Ok((bytes, _)) => Bytes::from(bytes),
                Err(error) if error.is_final() => return Err(error.into()),
                Err(error) => return self.withhold(index, piece, error.to_string()),
            },
        };
        let (start, duration) = times(spec, gop, piece);
        let (name, path) = (spec.name.clone(), spec.segment_path(gop));
        self.settings.counts.chunks.fetch_add(1, Relaxed);
        let (index_in, independent) = (piece.index, piece.independent);
        self.send(Publish::Chunk { track: name, number: gop, index: index_in, path, bytes, start, duration, independent })?;
        if self.part_target.is_some() {
            self.tracks[index].parts.push(gop, Part { duration, independent, gap: false });
        }
        // That of a segment's last chunk lists the segment, too.
        if !last { self.live_playlist(index, false).map(|()| true) } else { Ok(true) }
    }

    /// A chunk that may not go out: neither does what follows it. Returns that.
    fn withhold(&mut self, index: usize, piece: &Piece, why: String) -> Result<bool, MuxError> {
        self.settings.counts.undecodable.fetch_add(1, Relaxed);
        // One that is not out was never begun.
        if let Some(making) = &mut self.tracks[index].making {
            making.take_back(piece.index);
        }
        tracing::error!(track = self.tracks[index].described.spec.name, chunk = piece.index, "a chunk is not published: {why}");
        self.abort(index, &why).map(|()| false)
    }
}

/// When a chunk starts, and how long it lasts.
fn times(spec: &TrackSpec, gop: GopId, piece: &Piece) -> (Seconds, Seconds) {
    let units = u32::try_from(piece.packets.len()).unwrap_or(u32::MAX);
    (spec.time(spec.first_unit(gop) + piece.packets.start as i64), spec.span(units))
}
