//! Between two packets that both paths have lie what only the one has and what only the other has: put in order by continuity counters.

use super::lane::is_telling;
use crate::capture::paths::packets::{Counters, Head, Packet};
use std::collections::VecDeque;

/// A packet that one path alone has.
#[derive(Clone, Copy)]
pub struct Single {
    /// Its place on its path.
    pub place: u64,
    /// Its bytes.
    pub packet: Packet,
    /// What its head says.
    pub head: Head,
}

impl Single {
    /// A packet.
    pub fn new(place: u64, packet: &Packet) -> Single {
        Single { place, packet: *packet, head: Head::of(packet) }
    }
}

/// Half of what a counter counts.
const MANY: usize = 8;

/// What comes next.
pub enum Next {
    /// One of the path that passes.
    Own(Single),
    /// One of the other, which this one lost.
    Fill(Single),
    /// One of the other, which has no place here.
    Drop,
}

/// Puts them in order. `own`: of the path that passes; `other`: of the other one; `then`: what follows and both have; `counters`: of what has passed.
/// `emit` is given each in turn, and what is passed there is noted in `counters`.
pub fn zip(own: Vec<Single>, other: Vec<Single>, then: Head, counters: &mut Counters, mut emit: impl FnMut(Next)) {
    let (mut own, mut other) = (VecDeque::from(own), VecDeque::from(other));
    while let Some(&fill) = other.front() {
        let pid = fill.head.pid;
        let distance = counters.distance(fill.head);
        let successor = own.iter().map(|single| single.head).chain([then]).find(|head| head.pid == pid).map(|head| counters.distance(head));
        // Of so many in a row, counters, which come round after sixteen, say nothing but that this path has none.
        let many = own.iter().all(|single| single.head.pid != pid) && other.iter().filter(|single| single.head.pid == pid).nth(MANY - 1).is_some();
        let fits = match (distance, successor) {
            _ if many => true,
            // It follows, and so does what this path has itself: one of many that are alike gives way.
            (1, Some(1)) => is_telling(&fill.packet) && own.iter().find(|single| single.head.pid == pid).is_some_and(|single| !is_telling(&single.packet)),
            (1, _) => true,
            // Both lost something before it.
            _ if !own.is_empty() => {
                if let Some(single) = own.pop_front() {
                    counters.note(single.head);
                    emit(Next::Own(single));
                }
                continue;
            }
            (distance, Some(successor)) => distance > 0 && distance < successor,
            // Nobody can tell a late one that is alike from a new one.
            (distance, None) => distance > 0 && distance as usize <= MANY && is_telling(&fill.packet),
        };
        other.pop_front();
        if fits {
            counters.note(fill.head);
            emit(Next::Fill(fill));
        } else {
            emit(Next::Drop);
        }
    }
    for single in own {
        counters.note(single.head);
        emit(Next::Own(single));
    }
}
