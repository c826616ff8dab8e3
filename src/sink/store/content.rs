//! Everything that is held, and the order in which it leaves.

use super::entry::{Entry, Text};
use super::filed::Facts;
use super::place::Place;
use super::track::Track;
use crate::time::GopId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Default)]
pub(super) struct Content {
    /// Init segments: as many as there are tracks.
    pub inits: HashMap<String, Entry>,
    /// Playlists and manifests: as many as there are tracks, and a few.
    pub texts: HashMap<String, watch::Sender<Arc<Text>>>,
    pub tracks: HashMap<String, Track>,
    /// Of segments, whole ones and others.
    pub bytes: u64,
    pub evicted: u64,
    pub conflicts: u64,
    pub given_up: u64,
    pub mismatches: u64,
}

impl Content {
    /// The track of this name, which publishing makes.
    pub fn track(&mut self, name: &str) -> &mut Track {
        if !self.tracks.contains_key(name) {
            self.tracks.insert(name.to_owned(), Track::default());
        }
        self.tracks.get_mut(name).expect("inserted above")
    }

    /// Ends a segment in the making, if it is one.
    pub fn give_up(&mut self, name: &str, number: GopId) {
        let track = self.track(name);
        if track.making.contains_key(&number) {
            let freed = track.give_up(number);
            self.given_up += 1;
            self.bytes = self.bytes.saturating_sub(freed);
        }
    }

    /// Drops the oldest segments of all tracks until what is left fits; one stays, however large. `filed`: they are on the disk.
    pub fn evict(&mut self, limit: u64, filed: bool) {
        let mut left: usize = self.tracks.values().map(|t| t.segments.len()).sum();
        while self.bytes > limit && left > 1 {
            let oldest = self.tracks.iter().filter_map(|(name, t)| Some((*t.segments.first_key_value()?.0, name))).min().map(|(_, name)| name.clone());
            let Some(track) = oldest.and_then(|name| self.tracks.get_mut(&name)) else { break };
            let Some((number, segment)) = track.segments.pop_first() else { break };
            let size = segment.entry.bytes.len() as u64;
            if filed {
                track.filed.insert(number, Facts { etag: Some(segment.entry.etag), size: Some(size) });
            } else {
                track.leaves(number);
            }
            self.bytes = self.bytes.saturating_sub(size);
            self.evicted += 1;
            left -= 1;
        }
    }

    pub fn remove(&mut self, path: &str) {
        match Place::of(path) {
            Some(Place { track, number, part: None }) => {
                let freed = self.track(track).remove(number);
                self.bytes = self.bytes.saturating_sub(freed);
            }
            _ => {
                self.inits.remove(path);
                self.texts.remove(path);
            }
        }
    }
}
