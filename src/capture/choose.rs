//! Which streams of an input are used.

use crate::ffmpeg::{codec_facts, programs};
use crate::job::Select;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use std::cmp::Reverse;

/// A stream, as far as the choice depends on it.
struct Candidate {
    index: usize,
    kind: Type,
    /// A decoder is there and the parameters are complete.
    decodable: bool,
    /// Pixels of a picture.
    area: i64,
    default: bool,
    /// For the impaired, commentary and the like: never chosen unasked.
    special: bool,
    still: bool,
    words: String,
}

/// The chosen (video, audio) stream indices, or why there are none, with what the input has.
pub fn choose(input: &Input, select: &Select) -> Result<(usize, Option<usize>), String> {
    let all: Vec<Candidate> = input.streams().map(|s| describe(&s)).collect();
    let video = match select.video {
        Some(index) => picked(&all, index, Type::Video)?,
        None => best_video(&all)?,
    };
    if select.no_audio {
        return Ok((video, None));
    }
    let audio = match select.audio {
        Some(index) => Some(picked(&all, index, Type::Audio)?),
        None => best_audio(&all, video, &programs(input).into_iter().map(|p| p.streams).collect::<Vec<_>>()),
    };
    if audio.is_none() && all.iter().any(|c| c.kind == Type::Audio) {
        tracing::warn!("there is sound, but none of the picture's programme that can be decoded; streams: {}", listing(&all));
    }
    Ok((video, audio))
}

fn describe(stream: &ffmpeg::Stream<'_>) -> Candidate {
    let parameters = stream.parameters();
    let facts = codec_facts(&parameters);
    let kind = parameters.medium();
    let name = parameters.id().name();
    let complete = match kind {
        Type::Video => facts.width > 0 && facts.height > 0,
        Type::Audio => facts.sample_rate > 0,
        _ => false,
    };
    let language = stream.metadata().get("language").map(|l| format!(" {l}")).unwrap_or_default();
    let words = match kind {
        Type::Video => format!("{} video {name} {}x{}", stream.index(), facts.width, facts.height),
        Type::Audio => format!("{} audio {name} {} Hz{language}", stream.index(), facts.sample_rate),
        _ => format!("{} {name}{language}", stream.index()),
    };
    let disposition = stream.disposition();
    Candidate {
        index: stream.index(),
        kind,
        decodable: complete && ffmpeg::decoder::find(parameters.id()).is_some(),
        area: i64::from(facts.width) * i64::from(facts.height),
        default: disposition.contains(Disposition::DEFAULT),
        special: disposition
            .intersects(Disposition::COMMENT | Disposition::DESCRIPTIONS | Disposition::HEARING_IMPAIRED | Disposition::VISUAL_IMPAIRED | Disposition::KARAOKE),
        still: disposition.contains(Disposition::ATTACHED_PIC),
        words,
    }
}

fn listing(all: &[Candidate]) -> String {
    let words: Vec<&str> = all.iter().map(|c| c.words.as_str()).take(64).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn picked(all: &[Candidate], index: usize, kind: Type) -> Result<usize, String> {
    let what = if kind == Type::Video { "video" } else { "audio" };
    match all.iter().find(|c| c.index == index) {
        Some(c) if c.kind == kind && c.decodable => Ok(index),
        Some(c) if c.kind == kind => Err(format!("stream {index} was asked for as {what}, but cannot be decoded; streams: {}", listing(all))),
        Some(_) => Err(format!("stream {index} was asked for as {what}, but is none; streams: {}", listing(all))),
        None => Err(format!("stream {index} was asked for as {what}, but does not exist; streams: {}", listing(all))),
    }
}

fn best_video(all: &[Candidate]) -> Result<usize, String> {
    let videos = || all.iter().filter(|c| c.kind == Type::Video && !c.still);
    let best = videos().filter(|c| c.decodable).max_by_key(|c| (c.area, c.default, Reverse(c.index)));
    match best {
        Some(best) => Ok(best.index),
        None if videos().next().is_some() => {
            Err(format!("no video stream has a picture that can be decoded; one with a known size is needed; streams: {}", listing(all)))
        }
        None => Err(format!("there is no video stream; one is needed; streams: {}", listing(all))),
    }
}

fn best_audio(all: &[Candidate], video: usize, programs: &[Vec<usize>]) -> Option<usize> {
    let program = programs.iter().find(|p| p.contains(&video));
    let together = |c: &Candidate| program.is_some_and(|p| p.contains(&c.index));
    // In a transport stream of several programmes, another programme's sound is never the right one.
    let other = |c: &Candidate| !together(c) && programs.iter().any(|p| p.contains(&c.index)) && program.is_some();
    let sound = all.iter().filter(|c| c.kind == Type::Audio && c.decodable && !other(c));
    sound.max_by_key(|c| (together(c), !c.special, c.default, Reverse(c.index))).map(|c| c.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(index: usize, kind: Type, area: i64) -> Candidate {
        let decodable = kind == Type::Audio || area > 0;
        Candidate { index, kind, decodable, area, default: false, special: false, still: false, words: format!("{index} {kind:?}") }
    }

    #[test]
    fn the_largest_picture_and_its_programmes_sound() {
        let all = vec![
            candidate(0, Type::Audio, 0),
            candidate(1, Type::Video, 100),
            candidate(2, Type::Video, 200),
            candidate(3, Type::Audio, 0),
            candidate(4, Type::Video, 200),
        ];
        assert_eq!(best_video(&all), Ok(2));
        assert_eq!(best_audio(&all, 2, &[]), Some(0));
        assert_eq!(best_audio(&all, 2, &[vec![0, 1], vec![2, 3]]), Some(3));
        assert_eq!(best_audio(&all, 4, &[vec![0, 1], vec![2, 3], vec![4]]), None);
    }

    #[test]
    fn cover_art_is_not_video() {
        let mut all = vec![candidate(0, Type::Video, 1000), candidate(1, Type::Audio, 0)];
        all[0].still = true;
        assert!(best_video(&all).expect_err("only a still").contains("no video stream"));
    }

    #[test]
    fn a_wrong_index_lists_the_streams() {
        let all = vec![candidate(0, Type::Video, 1000), candidate(1, Type::Audio, 0)];
        assert_eq!(picked(&all, 1, Type::Audio), Ok(1));
        assert!(picked(&all, 7, Type::Audio).expect_err("no such stream").contains("streams: 0 Video, 1 Audio"));
        assert!(picked(&all, 1, Type::Video).is_err());
    }
}
