//! The tracks of sound: every rung of the ladder for every sound of the source, each with a name, a label and a role of its own.

use super::{AAC_FRAME, AudioRendition, LeftOut, MAX_TRACKS, Plan, PlanError, SAMPLE_RATE, SoundFacts};
use crate::job::Job;
use crate::ladder::{AudioRung, MAX_NAME, legal_name};
use crate::language;
use crate::role::Role;
use crate::time::AudioGrid;

/// Adds the rungs of sound. The tracks of the first sound are named as their rungs, those of the others have the sound's own name behind it.
pub(super) fn add(plan: &mut Plan, job: &Job) -> Result<(), PlanError> {
    let sounds = if job.select.no_audio { Vec::new() } else { plan.source.sounds.clone() };
    if sounds.is_empty() {
        let why = if job.select.no_audio { "no sound was asked for" } else { "the source has no sound" };
        plan.left_out.extend(job.ladder.audio.iter().map(|rung| LeftOut { rung: rung.name.clone(), why: why.to_owned() }));
        return Ok(());
    }
    let tracks = plan.video.len() + sounds.len() * job.ladder.audio.len();
    if tracks > MAX_TRACKS {
        return Err(PlanError::Tracks { tracks, sounds: sounds.len(), rungs: job.ladder.audio.len() });
    }
    let (labels, suffixes) = (labels(&sounds), suffixes(&sounds));
    for rung in &job.ladder.audio {
        let mut too_wide = Vec::new();
        for (index, sound) in sounds.iter().enumerate() {
            let Some(channels) = channels(rung, sound, &job.ladder.audio) else {
                too_wide.push(index);
                continue;
            };
            if channels != rung.channels {
                let (have, name) = (sound.channels.unwrap_or(channels), &rung.name);
                plan.warnings.push(format!("{name} ({} channels) is made with {channels}: {} has {have}", rung.channels, labels[index]));
            }
            let name = name(plan, job, rung, index, &suffixes[index])?;
            plan.audio.push(AudioRendition {
                name,
                rung: rung.name.clone(),
                codec: rung.codec,
                bitrate: rung.bitrate.0,
                channels,
                grid: AudioGrid { video: plan.grid, sample_rate: SAMPLE_RATE, frame: AAC_FRAME },
                sound: index,
                language: language::code(tag(sound)).to_owned(),
                tag: Some(tag(sound)).filter(|tag| tag.contains('-')).map(str::to_owned),
                label: labels[index].clone(),
                role: role(index, sound),
            });
        }
        if let Some(first) = too_wide.first() {
            let which: Vec<&str> = too_wide.iter().map(|&index| labels[index].as_str()).collect();
            let which = if sounds.len() == 1 { "the sound".to_owned() } else { which.join(", ") };
            let why = format!("{} channels, and {which} has {}", rung.channels, sounds[*first].channels.unwrap_or(0));
            plan.left_out.push(LeftOut { rung: rung.name.clone(), why });
        }
    }
    Ok(())
}

/// How many channels a rung has for a sound. Of one that may come later it has all: 5.1 has silent channels where that has fewer. A rung of 5.1 is left out where the sound has fewer, unless there is no other: then the smallest of them is made with two.
fn channels(rung: &AudioRung, sound: &SoundFacts, rungs: &[AudioRung]) -> Option<u32> {
    let fits = |rung: &AudioRung| rung.channels <= 2 || sound.optional || sound.channels.is_none_or(|have| have >= rung.channels);
    let smallest = rungs.iter().min_by_key(|rung| rung.bitrate.0).is_some_and(|smallest| smallest.name == rung.name);
    match () {
        () if fits(rung) => Some(rung.channels),
        () if smallest && !rungs.iter().any(fits) => Some(2),
        () => None,
    }
}

fn tag(sound: &SoundFacts) -> &str {
    sound.language.as_deref().filter(|tag| language::is_legal(tag)).unwrap_or(language::UNKNOWN)
}

/// The first is what is heard where nobody chooses.
fn role(index: usize, sound: &SoundFacts) -> Role {
    sound.role.unwrap_or(if index == 0 { Role::Main } else { Role::Alternate })
}

/// What sounds are called: as the job says, else by their language and role; a number behind those that would be called alike.
fn labels(sounds: &[SoundFacts]) -> Vec<String> {
    let label = |sound: &SoundFacts| {
        let language = language::tag(tag(sound)).unwrap_or("main");
        let own = match sound.role.filter(|role| !role.is_plain()) {
            Some(role) => format!("{language} {role}"),
            None => language.to_owned(),
        };
        sound.label.clone().unwrap_or(own)
    };
    distinct(sounds.iter().map(label), " ")
}

/// The same for names of tracks: letters, digits and hyphens.
fn suffixes(sounds: &[SoundFacts]) -> Vec<String> {
    let suffix = |sound: &SoundFacts| {
        let own = match sound.role.filter(|role| !role.is_plain()) {
            Some(role) => format!("{}-{role}", language::code(tag(sound))),
            None => language::code(tag(sound)).to_owned(),
        };
        sound.label.as_deref().map(slug).filter(|slug| !slug.is_empty()).unwrap_or(own)
    };
    distinct(sounds.iter().map(suffix), "-")
}

fn slug(label: &str) -> String {
    let kept: String = label.to_lowercase().chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    kept.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The second that is called alike gets a 2 behind it, and so on.
fn distinct(wanted: impl Iterator<Item = String>, before: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in wanted {
        let numbered = (2..).map(|n| format!("{name}{before}{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
        names.push(free.unwrap_or(name));
    }
    names
}

/// The name of a track: that of its rung for the first sound, with the sound's own behind it for the others; none that a rung of the ladder or another track has.
fn name(plan: &Plan, job: &Job, rung: &AudioRung, index: usize, suffix: &str) -> Result<String, PlanError> {
    if index == 0 {
        return Ok(rung.name.clone());
    }
    let taken = |name: &String| {
        let ladder = job.ladder.video.iter().map(|r| &r.name).chain(job.ladder.audio.iter().map(|r| &r.name));
        ladder.chain(plan.audio.iter().map(|r| &r.name)).any(|other| other == name)
    };
    let wanted = format!("{}-{suffix}", rung.name);
    let numbered = (2..=MAX_TRACKS).map(|n| format!("{wanted}-{n}"));
    let free = std::iter::once(wanted.clone()).chain(numbered).find(|name| !taken(name)).filter(|name| legal_name(name));
    free.ok_or_else(|| PlanError::Name { rung: rung.name.clone(), name: wanted, most: MAX_NAME - 1 - suffix.len().min(MAX_NAME - 2) })
}

#[cfg(test)]
#[path = "sound_tests.rs"]
mod tests;
