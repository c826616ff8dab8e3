//! Follows streams that move to other PIDs in mid-feed, as when a multiplexer is configured anew, and finds sounds that come later.

use super::Kind;
use super::offer::said_language;
use crate::ffmpeg::{Program, programs};
use crate::job::Pick;
use crate::language;
use ffmpeg_next::Stream;
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
    /// It is a sound that was waited for.
    Awaited(Kind),
    /// It stands in the chosen stream's place, with something else.
    Another(Kind),
}

/// What is known of a chosen stream.
struct Chosen {
    index: usize,
    codec: Id,
    time_base: (i32, i32),
    language: Option<String>,
    /// Its place among the streams of its kind in its programme, once a packet of it has come.
    rank: Option<usize>,
    /// Packets of newcomers since its last.
    starved: u32,
}

/// A sound that was asked for.
struct Sound {
    pick: Pick,
    /// Absent while it is waited for.
    chosen: Option<Chosen>,
}

/// Watches for streams that were not there at the start.
pub struct Follow {
    /// How many streams there were.
    known: usize,
    /// The programme of the chosen streams.
    home: Option<i32>,
    video: Option<Chosen>,
    sounds: Vec<Sound>,
}

impl Follow {
    /// For the chosen streams of an input that has just been opened. Of each sound its stream, where it is there already, and how it was asked for.
    pub fn new(input: &Input, video: usize, sounds: Vec<(Option<usize>, Pick)>) -> Follow {
        let chosen = |index: usize| input.stream(index).map(|stream| Chosen::new(&stream));
        let sounds = sounds.into_iter().map(|(index, pick)| Sound { pick, chosen: index.and_then(chosen) }).collect();
        Follow { known: input.streams().len(), home: None, video: chosen(video), sounds }
    }

    /// Which of the chosen streams this is; a packet of it has come.
    pub fn kind(&mut self, input: &Input, index: usize) -> Option<Kind> {
        let sounds = self.sounds.iter_mut().enumerate().map(|(n, sound)| (Kind::Audio(n), &mut sound.chosen));
        for (kind, chosen) in std::iter::once((Kind::Video, &mut self.video)).chain(sounds) {
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

    /// Judges a packet's stream that is none of the chosen ones. An heir is chosen from then on, and so is a sound that was waited for.
    pub fn judge(&mut self, input: &Input, index: usize) -> Newcomer {
        let Some(stream) = input.stream(index) else { return Newcomer::Other };
        let programs = programs(input);
        let home = programs.iter().find(|p| Some(p.id) == self.home);
        let stray = home.is_some_and(|home| !home.streams.contains(&index));
        match stream.parameters().medium() {
            Type::Video if stray => Newcomer::Other,
            Type::Video => match &mut self.video {
                Some(chosen) => {
                    let gone = home.filter(|home| !home.streams.contains(&chosen.index));
                    let heir = gone.map(|home| {
                        let peers = peers(input, home, Kind::Video);
                        peers.get(chosen.rank.unwrap_or(0)).or(peers.last()).copied()
                    });
                    chosen.judge(&stream, Kind::Video, heir, self.known)
                }
                None => Newcomer::Other,
            },
            Type::Audio => self.judge_sound(input, &stream, home, programs.is_empty()),
            _ => Newcomer::Other,
        }
    }

    fn judge_sound(&mut self, input: &Input, stream: &Stream<'_>, home: Option<&Program>, alone: bool) -> Newcomer {
        let stray = home.is_some_and(|home| !home.streams.contains(&stream.index()));
        // Before the first picture nobody knows which programme is ours.
        let ours = if alone { true } else { home.is_some() && !stray };
        let language = said_language(stream.metadata().get("language"));
        let awaited = |sound: &Sound| {
            let named = match &sound.pick {
                Pick::Pid(pid) => stream.id() == *pid,
                Pick::Index(wanted) => stream.index() == *wanted,
                Pick::Language(wanted) => ours && language.as_deref().is_some_and(|said| language::same(said, wanted)),
                Pick::Auto => ours,
            };
            sound.chosen.is_none() && named && decoder::find(stream.parameters().id()).is_some()
        };
        if let Some(n) = self.sounds.iter().position(awaited) {
            tracing::info!(stream = stream.index(), pid = stream.id(), "audio {} has come", self.sounds[n].pick);
            self.sounds[n].chosen = Some(Chosen::new(stream));
            return Newcomer::Awaited(Kind::Audio(n));
        }
        if stray {
            return Newcomer::Other;
        }
        let heirs: Vec<Option<Option<usize>>> = (0..self.sounds.len()).map(|n| self.heir(input, home, n)).collect();
        let mut waiting = false;
        for (n, (sound, heir)) in self.sounds.iter_mut().zip(heirs).enumerate() {
            // A track in one language does not go on in another, unless it is simply the sound of the programme.
            let other = |chosen: &Chosen| sound.pick != Pick::Auto && chosen.language.is_some() && language.is_some() && !chosen.speaks(language.as_deref());
            let Some(chosen) = sound.chosen.as_mut().filter(|chosen| !other(chosen)) else { continue };
            match chosen.judge(stream, Kind::Audio(n), heir, self.known) {
                Newcomer::Other => {}
                Newcomer::Waiting => waiting = true,
                found => return found,
            }
        }
        if waiting { Newcomer::Waiting } else { Newcomer::Other }
    }

    /// Where sound `n` has left the map of its programme: the stream that takes its place, if there is one. It is one of its language, or else that of its rank, and none that another sound has.
    fn heir(&self, input: &Input, home: Option<&Program>, n: usize) -> Option<Option<usize>> {
        let chosen = self.sounds.get(n)?.chosen.as_ref()?;
        let home = home.filter(|home| !home.streams.contains(&chosen.index))?;
        let gone = |sound: &Sound| sound.chosen.as_ref().is_some_and(|c| !home.streams.contains(&c.index));
        let peers = peers(input, home, Kind::Audio(n));
        let taken = |peer: usize| self.sounds.iter().any(|s| s.chosen.as_ref().is_some_and(|c| c.index == peer));
        let language = |peer: usize| input.stream(peer).and_then(|s| said_language(s.metadata().get("language")));
        let alike: Vec<usize> = peers.iter().copied().filter(|&peer| !taken(peer) && chosen.speaks(language(peer).as_deref())).collect();
        if !alike.is_empty() {
            let before = self.sounds.iter().take(n).filter(|s| gone(s) && s.chosen.as_ref().is_some_and(|c| c.speaks(chosen.language.as_deref()))).count();
            return Some(alike.get(before).copied());
        }
        let by_rank = peers.get(chosen.rank.unwrap_or(0)).or(peers.last()).copied();
        Some(by_rank.filter(|&peer| !taken(peer)))
    }
}

impl Chosen {
    fn new(stream: &Stream<'_>) -> Chosen {
        let language = said_language(stream.metadata().get("language"));
        Chosen { index: stream.index(), codec: stream.parameters().id(), time_base: base(stream), language, rank: None, starved: 0 }
    }

    fn speaks(&self, other: Option<&str>) -> bool {
        self.language.as_deref().zip(other).is_some_and(|(own, other)| language::same(own, other))
    }

    /// Whether `stream` goes on with what this one carried. `heir`: this one has left the map, and that one has its place. `known`: streams there were at the start.
    fn judge(&mut self, stream: &Stream<'_>, kind: Kind, heir: Option<Option<usize>>, known: usize) -> Newcomer {
        let index = stream.index();
        match heir {
            Some(None) => return Newcomer::Other,
            Some(Some(heir)) if heir != index => return Newcomer::Waiting,
            Some(Some(_)) => {}
            // Another language, say, which was there all along.
            None if index < known => return Newcomer::Other,
            None => {
                self.starved = self.starved.saturating_add(1);
                if self.starved < STARVED {
                    return Newcomer::Waiting;
                }
            }
        }
        let (was, is) = ((self.codec, self.time_base), (stream.parameters().id(), base(stream)));
        let (from, pid) = (std::mem::replace(&mut self.index, index), stream.id());
        (self.codec, self.time_base) = is;
        self.starved = 0;
        if is != was {
            tracing::warn!(from, to = index, pid, "the feed's {kind:?} changed from {} to {}, and is followed", was.0.name(), is.0.name());
            return Newcomer::Another(kind);
        }
        tracing::warn!(from, to = index, pid, "the feed's {kind:?} moved to another stream of its programme, and is followed");
        Newcomer::Heir(kind)
    }
}

fn base(stream: &Stream<'_>) -> (i32, i32) {
    let base = stream.time_base();
    (base.numerator(), base.denominator())
}

fn peers(input: &Input, home: &Program, kind: Kind) -> Vec<usize> {
    let medium = if kind == Kind::Video { Type::Video } else { Type::Audio };
    home.streams.iter().copied().filter(|&index| input.stream(index).is_some_and(|s| s.parameters().medium() == medium)).collect()
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
