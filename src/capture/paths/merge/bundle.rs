//! Packets that pass are handed on in pieces.

use super::Out;
use crate::capture::paths::packets::{Packet, SIZE};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of one piece.
const PIECE: usize = 32 * SIZE;

/// Gathers packets that pass at once.
pub struct Bundle<'a> {
    /// Where they go.
    pub out: &'a mut VecDeque<Out>,
    /// When they pass.
    pub now: Duration,
}

impl Bundle<'_> {
    /// One that came at `at`.
    pub fn add(&mut self, packet: &Packet, at: Duration) {
        let waited = self.now.saturating_sub(at);
        match self.out.back_mut().filter(|out| out.packets.len() < PIECE && out.lost == 0 && out.at == at) {
            Some(out) => out.packets.extend_from_slice(packet),
            None => self.out.push_back(Out { packets: packet.to_vec(), lost: 0, waited, at }),
        }
    }
}
