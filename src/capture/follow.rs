//! Follows streams that move to other PIDs in mid-feed, as when a multiplexer is configured anew.

use super::Kind;
use crate::ffmpeg::{Program, programs};
use ffmpeg_next::codec::Id;
use ffmpeg_next::decoder;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::media::Type;

/// Packets that a newcomer brings while the chosen stream is still named but brings none, before it counts as its heir.
const STARVED: u32 = 50;

/// What a stream that appeared in mid-feed is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Newcomer {
    /// None of ours.
    Other,
    /// It may come to be ours.
    Waiting,
    /// It carries on what the chosen stream carried.
    Heir(Kind),
    /// It stands in the chosen stream's place, with something else, or where there was none.
    Another(Kind),
}

/// What is known of a chosen stream.
struct Chosen {
    index: usize,
    codec: Id,
    time_base: (i32, i32),
    /// Its place among the streams of its kind in its programme, once a packet of it has come.
    rank: Option<usize>,
    /// Packets of newcomers since its last.
    starved: u32,
}

/// Watches for streams that were not there at the start.
pub struct Follow {
    /// How many streams there were.
    known: usize,
    /// The programme of the chosen streams.
    home: Option<i32>,
    video: Option<Chosen>,
    audio: Option<Chosen>,
    /// Sound is wanted, also where there was none.
    sound: bool,
}

impl Follow {
    /// For the chosen streams of an input that has just been opened. `sound`: where none was chosen, the first that comes is.
    pub fn new(input: &Input, video: usize, audio: Option<usize>, sound: bool) -> Follow {
        let chosen = |index: usize| {
            let stream = input.stream(index)?;
            let base = stream.time_base();
            Some(Chosen { index, codec: stream.parameters().id(), time_base: (base.numerator(), base.denominator()), rank: None, starved: 0 })
        };
        Follow { known: input.streams().len(), home: None, video: chosen(video), audio: audio.and_then(chosen), sound }
    }

    /// Which of the chosen streams this is; a packet of it has come.
    pub fn kind(&mut self, input: &Input, index: usize) -> Option<Kind> {
        for (kind, chosen) in [(Kind::Video, &mut self.video), (Kind::Audio, &mut self.audio)] {
            let Some(chosen) = chosen.as_mut().filter(|c| c.index == index) else { continue };
            chosen.starved = 0;
            if chosen.rank.is_none() {
                // Not when it was opened: libav has looked at a file's end by then, whose map may be another.
                let programs = programs(input);
                let home = programs.iter().find(|p| p.streams.contains(&index));
                self.home = self.home.or(home.map(|home| home.id));
                let peers = home.map(|home| peers(input, home, kind)).unwrap_or_default();
                chosen.rank = Some(peers.iter().position(|&peer| peer == index).unwrap_or(0));
            }
            return Some(kind);
        }
        None
    }

    /// Judges a packet's stream that is none of the chosen ones. An heir is chosen from then on.
    pub fn judge(&mut self, input: &Input, index: usize) -> Newcomer {
        let Some(stream) = input.stream(index) else { return Newcomer::Other };
        let (parameters, base) = (stream.parameters(), stream.time_base());
        let (kind, chosen) = match parameters.medium() {
            Type::Video => (Kind::Video, &mut self.video),
            Type::Audio => (Kind::Audio, &mut self.audio),
            _ => return Newcomer::Other,
        };
        let programs = programs(input);
        let home = programs.iter().find(|p| Some(p.id) == self.home);
        if home.is_some_and(|home| !home.streams.contains(&index)) {
            return Newcomer::Other;
        }
        let Some(chosen) = chosen else {
            // Of a programme, whatever its map names now.
            let ours = home.is_some() || (programs.is_empty() && index >= self.known);
            let adopted = kind == Kind::Audio && self.sound && ours && decoder::find(parameters.id()).is_some();
            if !adopted {
                return Newcomer::Other;
            }
            tracing::warn!(stream = index, pid = stream.id(), "the feed has sound now ({}), which is taken", parameters.id().name());
            self.audio = Some(Chosen { index, codec: parameters.id(), time_base: (base.numerator(), base.denominator()), rank: None, starved: 0 });
            return Newcomer::Another(kind);
        };
        match home.filter(|home| !home.streams.contains(&chosen.index)) {
            Some(home) => {
                let peers = peers(input, home, kind);
                if peers.get(chosen.rank.unwrap_or(0)).or(peers.last()) != Some(&index) {
                    return Newcomer::Waiting;
                }
            }
            // Another language, say, which was there all along.
            None if index < self.known => return Newcomer::Other,
            None => {
                chosen.starved = chosen.starved.saturating_add(1);
                if chosen.starved < STARVED {
                    return Newcomer::Waiting;
                }
            }
        }
        let (was, is) = ((chosen.codec, chosen.time_base), (parameters.id(), (base.numerator(), base.denominator())));
        let (from, pid) = (std::mem::replace(&mut chosen.index, index), stream.id());
        (chosen.codec, chosen.time_base) = is;
        chosen.starved = 0;
        if is != was {
            tracing::warn!(from, to = index, pid, "the feed's {kind:?} changed from {} to {}, and is followed", was.0.name(), is.0.name());
            return Newcomer::Another(kind);
        }
        tracing::warn!(from, to = index, pid, "the feed's {kind:?} moved to another stream of its programme, and is followed");
        Newcomer::Heir(kind)
    }
}

fn peers(input: &Input, home: &Program, kind: Kind) -> Vec<usize> {
    let medium = if kind == Kind::Video { Type::Video } else { Type::Audio };
    home.streams.iter().copied().filter(|&index| input.stream(index).is_some_and(|s| s.parameters().medium() == medium)).collect()
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
