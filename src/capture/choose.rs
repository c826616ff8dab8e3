//! Which programme, video and sounds of an input are used.

use super::offer::{Medium, Offer, Offered, Programme};
use crate::job::{AudioPick, Pick, ProgramPick, Select, StreamRef};
use crate::language;
use crate::plan::SoundFacts;
use std::cmp::Reverse;

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Index of the video stream.
    pub video: usize,
    /// The sounds, as they were asked for.
    pub sounds: Vec<ChosenSound>,
}

/// A sound that was chosen, or that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenSound {
    /// Index of its stream; absent where it is not there yet.
    pub stream: Option<usize>,
    /// How it was asked for.
    pub pick: Pick,
    /// What is known of it.
    pub facts: SoundFacts,
}

/// Chooses, or says what was wrong and what the input has.
///
/// Nothing asked for: the largest picture that can be decoded (of equal ones that of the lowest programme number, then the first in its map) decides the programme; its sound is
/// the one that the container marks as the default, else the first of its map that is not for the impaired, a commentary or the like.
pub fn choose(offer: &Offer, select: &Select) -> Result<Chosen, String> {
    let asked = select.program.as_ref().map(|pick| program(offer, pick)).transpose()?;
    let video = video(offer, select, asked)?;
    let home = asked.or_else(|| offer.program_of(video));
    let choice = Choice { offer, home, only_home: asked.is_some() };
    if select.no_audio {
        return Ok(Chosen { video, sounds: Vec::new() });
    }
    if !select.audio.is_empty() {
        return Ok(Chosen { video, sounds: choice.sounds(&select.audio)? });
    }
    // What the map announces and has not sent yet is waited for.
    let best = choice.best(&[], Offered::decodable).or_else(|| choice.best(&[], |s| s.pid.is_some()));
    if let Some(silent) = best.filter(|best| !best.decodable()) {
        tracing::warn!("nothing has come of the sound yet ({silent}): its track is silent until it does");
    }
    if best.is_none() && offer.streams.iter().any(|s| s.kind == Medium::Audio) {
        tracing::warn!("there is sound, but none of the picture's programme that can be decoded; {offer}");
    }
    let pick = AudioPick::of(Pick::Auto);
    Ok(Chosen { video, sounds: best.into_iter().map(|stream| sound(Some(stream), &pick)).collect() })
}

/// The programme that is asked for, or why there is none.
pub fn program<'a>(offer: &'a Offer, pick: &ProgramPick) -> Result<&'a Programme, String> {
    let is = |p: &&Programme| match pick {
        ProgramPick::Number(number) => p.number == *number,
        ProgramPick::Name(name) => p.name.as_deref().is_some_and(|said| said.trim().to_lowercase() == name.to_lowercase()),
    };
    offer.programs.iter().find(is).ok_or_else(|| match offer.programs.is_empty() {
        true => format!("programme {pick} was asked for, but this input has no programmes; {offer}"),
        false => format!("programme {pick} was asked for, but does not exist; {offer}"),
    })
}

fn video(offer: &Offer, select: &Select, asked: Option<&Programme>) -> Result<usize, String> {
    let within = |s: &&Offered| asked.is_none_or(|program| program.streams.contains(&s.index));
    if let Some(pick) = &select.video {
        let found = named(offer, pick).ok_or_else(|| format!("video {pick} was asked for, but does not exist; {offer}"))?;
        let refuse = |why: &str| Err(format!("video {pick} was asked for, but {why}; {offer}"));
        return match found {
            s if s.kind != Medium::Video => refuse("that stream is none"),
            s if !within(&s) => refuse("that stream is not of the programme that was asked for"),
            s if !s.decodable() => refuse("that stream cannot be decoded"),
            s => Ok(s.index),
        };
    }
    let videos = || offer.streams.iter().filter(|s| s.kind == Medium::Video && !s.still).filter(within);
    let kept = select.kept_video.and_then(|kept| videos().find(|s| s.reference() == kept && s.decodable()));
    let order = |s: &Offered| (s.area(), s.default, Reverse(offer.program_of(s.index).map(|p| p.number)), Reverse(place(offer.program_of(s.index), s)));
    match kept.or_else(|| videos().filter(|s| s.decodable()).max_by_key(|s| order(s))) {
        Some(best) => Ok(best.index),
        None if videos().next().is_some() => Err(format!("no video stream has a picture that can be decoded; one with a known size is needed; {offer}")),
        None => Err(format!("there is no video stream; one is needed; {offer}")),
    }
}

/// The stream that a pick names, not by its language.
fn named<'a>(offer: &'a Offer, pick: &Pick) -> Option<&'a Offered> {
    match pick {
        Pick::Index(index) => offer.stream(*index),
        Pick::Pid(pid) => offer.streams.iter().find(|s| s.pid == Some(*pid)),
        Pick::Auto | Pick::Language(_) => None,
    }
}

/// A stream's place in the map of its programme, which two workers see alike; that among all streams where it has none.
fn place(program: Option<&Programme>, stream: &Offered) -> usize {
    program.and_then(|p| p.streams.iter().position(|&index| index == stream.index)).unwrap_or(stream.index)
}

/// A choice of sound.
struct Choice<'a> {
    offer: &'a Offer,
    home: Option<&'a Programme>,
    /// The programme was asked for: nothing of another one is taken.
    only_home: bool,
}

impl<'a> Choice<'a> {
    /// Streams that are named go first, so that no language takes them.
    fn sounds(&self, picks: &[AudioPick]) -> Result<Vec<ChosenSound>, String> {
        let mut chosen: Vec<Option<ChosenSound>> = vec![None; picks.len()];
        let rank = |pick: &AudioPick| match pick.pick {
            _ if pick.kept.is_some() => 0,
            Pick::Index(_) | Pick::Pid(_) => 1,
            Pick::Language(_) => 2,
            Pick::Auto => 3,
        };
        for turn in 0..=3 {
            for (slot, pick) in picks.iter().enumerate().filter(|(_, pick)| rank(pick) == turn) {
                let taken: Vec<usize> = chosen.iter().flatten().filter_map(|c| c.stream).collect();
                chosen[slot] = Some(self.sound(pick, &taken)?);
            }
        }
        Ok(chosen.into_iter().flatten().collect())
    }

    fn sound(&self, pick: &AudioPick, taken: &[usize]) -> Result<ChosenSound, String> {
        let (offer, shown) = (self.offer, &pick.pick);
        let free = |s: &&Offered| s.kind == Medium::Audio && s.decoder && !taken.contains(&s.index) && self.speaks(s, shown);
        if let Some(kept) = pick.kept.and_then(|kept| offer.streams.iter().filter(free).find(|s| s.reference() == kept && self.may(s))) {
            return Ok(sound(Some(kept), pick));
        }
        let refuse = |why: &str| Err(format!("audio {shown} was asked for, but {why}; {offer}"));
        let found = match shown {
            Pick::Index(_) | Pick::Pid(_) => match named(offer, shown) {
                Some(s) if s.kind != Medium::Audio => return refuse("that stream is none"),
                Some(s) if taken.contains(&s.index) => return refuse("that stream was asked for twice"),
                Some(s) if self.only_home && !self.may(s) => return refuse("that stream is not of the programme that was asked for"),
                Some(s) if !s.decoder => return refuse("there is no decoder for it"),
                found => found,
            },
            Pick::Language(_) => {
                let role = pick.role.filter(|role| !role.is_plain());
                let of_role = |s: &Offered| role.is_some() && s.role == role;
                self.best(taken, |s| of_role(s) && self.speaks(s, shown)).or_else(|| self.best(taken, |s| self.speaks(s, shown)))
            }
            Pick::Auto => self.best(taken, Offered::decodable),
        };
        if found.is_none() && !pick.optional {
            let again = matches!(shown, Pick::Language(_)) && offer.streams.iter().any(|s| taken.contains(&s.index) && self.speaks(s, shown));
            return refuse(if again { "there is no further stream of it" } else { "does not exist (with a ? behind it, its track is silent until it comes)" });
        }
        if found.is_none() {
            tracing::warn!("audio {shown} is not there: its track is silent until it comes");
        }
        Ok(sound(found, pick))
    }

    /// Whether a stream is of the language that is asked for, where one is.
    fn speaks(&self, stream: &Offered, pick: &Pick) -> bool {
        let Pick::Language(wanted) = pick else { return true };
        stream.language.as_deref().is_some_and(|said| language::same(said, wanted))
    }

    /// In a transport stream of several programmes, another programme's sound is never the right one.
    fn may(&self, stream: &Offered) -> bool {
        self.home.is_none_or(|home| home.streams.contains(&stream.index)) || self.offer.program_of(stream.index).is_none()
    }

    fn best(&self, taken: &[usize], wanted: impl Fn(&Offered) -> bool) -> Option<&'a Offered> {
        let together = |s: &Offered| self.home.is_some_and(|home| home.streams.contains(&s.index));
        let order = |s: &&Offered| (s.decodable(), together(s), s.role.is_none(), s.default, Reverse(place(self.home, s)));
        let sound = self.offer.streams.iter().filter(|s| s.kind == Medium::Audio && s.decoder && self.may(s) && !taken.contains(&s.index) && wanted(s));
        sound.max_by_key(order)
    }
}

fn sound(stream: Option<&Offered>, pick: &AudioPick) -> ChosenSound {
    // Of a sound that may be away only the job speaks.
    let speaks = stream.filter(|_| !pick.optional);
    let said = speaks.and_then(|s| s.language.clone());
    let asked = if let Pick::Language(language) = &pick.pick { Some(language.clone()) } else { None };
    // A tag says more than a container can.
    let exact = asked.clone().filter(|tag| tag.contains('-'));
    let facts = SoundFacts {
        stream: stream.map(Offered::reference),
        codec: stream.map(|s| s.codec.clone()),
        channels: stream.and_then(|s| s.channels),
        sample_rate: stream.and_then(|s| s.sample_rate),
        language: pick.language.clone().or(exact).or(said).or(asked),
        label: pick.label.clone(),
        role: pick.role.or(speaks.and_then(|s| s.role)),
        optional: pick.optional,
    };
    ChosenSound { stream: stream.map(|s| s.index), pick: pick.pick.clone(), facts }
}

/// What an earlier life of the job chose, as it is asked for again: everything may be absent by now, and the number of sounds is the same.
pub fn again(select: &Select, video: Option<StreamRef>, sounds: &[SoundFacts]) -> Select {
    let pick = |(n, facts): (usize, &SoundFacts)| {
        let asked = select.audio.get(n).cloned().unwrap_or_else(|| AudioPick::of(Pick::Auto));
        AudioPick { optional: true, kept: facts.stream.or(asked.kept), ..asked }
    };
    let audio: Vec<AudioPick> = sounds.iter().enumerate().map(pick).collect();
    Select { no_audio: audio.is_empty(), audio, kept_video: video, ..select.clone() }
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
