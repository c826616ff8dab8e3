//! Transport packets (ISO/IEC 13818-1, 2.4.3): what their heads say, and how they are found in what a path brings.

/// Bytes of a transport packet.
pub const SIZE: usize = 188;
/// What each begins with.
pub const SYNC: u8 = 0x47;
/// The PID of packets without content.
pub const NULL: u16 = 0x1fff;

/// A transport packet.
pub type Packet = [u8; SIZE];

/// The packets of a run of whole ones.
pub fn packets(bytes: &[u8]) -> impl Iterator<Item = &Packet> {
    bytes.chunks_exact(SIZE).filter_map(|chunk| chunk.try_into().ok())
}

/// What a packet's head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Whose it is, 13 bits.
    pub pid: u16,
    /// It opens a PES packet or a section.
    pub opens: bool,
    /// It has a payload, and so a new continuity counter.
    pub payload: bool,
    /// The continuity counter, 4 bits.
    pub counter: u8,
    /// It says itself that it is damaged (transport_error_indicator).
    pub damaged: bool,
    /// It says itself that its counter begins anew (discontinuity_indicator).
    pub anew: bool,
}

impl Head {
    /// Reads it.
    pub fn of(packet: &Packet) -> Head {
        let adapted = packet[3] & 0x20 != 0 && packet[4] > 0;
        Head {
            pid: u16::from_be_bytes([packet[1] & 0x1f, packet[2]]),
            opens: packet[1] & 0x40 != 0,
            payload: packet[3] & 0x10 != 0,
            counter: packet[3] & 0x0f,
            damaged: packet[1] & 0x80 != 0,
            anew: adapted && packet[5] & 0x80 != 0,
        }
    }
}

/// The last continuity counter of every PID.
pub struct Counters {
    last: Box<[u8]>,
}

/// No packet of the PID has come.
const NONE: u8 = 0xff;

impl Default for Counters {
    fn default() -> Counters {
        Counters::new()
    }
}

impl Counters {
    /// Nothing has come.
    pub fn new() -> Counters {
        Counters { last: vec![NONE; 1 << 13].into_boxed_slice() }
    }

    /// How far behind the last packet of its PID this one is, by its counter: 1 where it follows; 0 where it is the same one; modulo 16.
    /// Also 1 for the first packet of a PID, for null packets, and where a packet without payload keeps the counter, as it should.
    pub fn distance(&self, head: Head) -> u8 {
        let last = self.last[usize::from(head.pid & NULL)];
        if last == NONE || head.pid == NULL || head.anew {
            return 1;
        }
        let distance = head.counter.wrapping_sub(last) & 0x0f;
        if head.payload { distance } else { (distance + 1) & 0x0f }
    }

    /// The packet is the last of its PID from here on.
    pub fn note(&mut self, head: Head) {
        self.last[usize::from(head.pid & NULL)] = head.counter;
    }
}

/// Finds transport packets in what comes. Datagrams bring whole ones; some senders, and streams, cut them anywhere.
#[derive(Default)]
pub struct Framer {
    /// The beginning of a packet whose end is still to come.
    rest: Vec<u8>,
    /// Packets are cut: a piece may be the beginning of one.
    cut: bool,
}

/// Packets in a row that must begin with the sync byte where a cut stream is joined.
const SURE: usize = 3;

impl Framer {
    /// For a stream, whose pieces end anywhere from the first on.
    pub fn of_stream() -> Framer {
        Framer { rest: Vec::new(), cut: true }
    }

    /// Whole packets out of one piece, and whether any of it could not be used. Of a stream, what does not fit is left out up to the next packet.
    pub fn take(&mut self, piece: &[u8]) -> (Vec<u8>, bool) {
        if piece.len() >= SIZE && piece.len().is_multiple_of(SIZE) && in_step(piece, 0) {
            let lost = !self.rest.is_empty();
            self.rest.clear();
            return (piece.to_vec(), lost);
        }
        let lead = if self.rest.is_empty() { self.cut.then_some(0) } else { Some(SIZE - self.rest.len()) };
        let (from, lost) = match lead {
            // It goes on where the last one stopped.
            Some(lead) if in_step(piece, lead) => (0, false),
            _ => {
                let torn = !self.rest.is_empty();
                self.rest.clear();
                self.cut = false;
                let least = SURE * SIZE;
                match (0..SIZE).find(|from| piece.len() >= from + least && in_step(piece, *from)) {
                    Some(from) => (from, torn || from > 0),
                    None => return (Vec::new(), true),
                }
            }
        };
        let mut whole = std::mem::take(&mut self.rest);
        whole.extend_from_slice(piece.get(from..).unwrap_or_default());
        let end = whole.len() / SIZE * SIZE;
        self.rest = whole.split_off(end);
        self.cut |= !self.rest.is_empty();
        (whole, lost)
    }
}

/// Whether every packet that begins in `bytes`, the first at `from`, begins with the sync byte.
fn in_step(bytes: &[u8], from: usize) -> bool {
    bytes.get(from..).unwrap_or_default().iter().step_by(SIZE).all(|byte| *byte == SYNC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(packets: usize) -> Vec<u8> {
        let packet = |n: usize| {
            let mut packet = [(n % 251) as u8 | 0x80; SIZE];
            packet[0] = SYNC;
            packet
        };
        (0..packets).flat_map(packet).collect()
    }

    proptest! {
        /// However a stream is cut, its packets come out, all but what lies before the first piece that is long enough to be sure of.
        #[test]
        fn pieces_of_any_size(cuts in prop::collection::vec(1usize..4000, 1..60)) {
            let all = stream(200);
            let (mut framer, mut rest, mut out, mut begun) = (Framer::of_stream(), &all[..], Vec::new(), false);
            let mut from = 0;
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                let (whole, lost) = framer.take(piece);
                if !begun && (!whole.is_empty() || !framer.rest.is_empty()) {
                    begun = true;
                    from = (all.len() - rest.len()).div_ceil(SIZE) * SIZE;
                    prop_assert!(piece.len() < SIZE || !whole.is_empty());
                } else if begun {
                    prop_assert!(!lost);
                }
                prop_assert_eq!(whole.len() % SIZE, 0);
                out.extend(whole);
                rest = behind;
            }
            prop_assert_eq!(&out[..], &all[from..][..out.len()]);
        }

        #[test]
        fn anything_is_borne(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8)) {
            let mut framer = Framer::default();
            for piece in pieces {
                let (whole, _) = framer.take(&piece);
                prop_assert!(packets(&whole).all(|p| p[0] == SYNC));
                prop_assert!(framer.rest.len() < SIZE);
            }
        }
    }

    #[test]
    fn counters_say_how_far() {
        let mut counters = Counters::new();
        let head = |counter, payload| Head { pid: 256, opens: false, payload, counter, damaged: false, anew: false };
        assert_eq!(counters.distance(head(7, true)), 1, "the first");
        counters.note(head(15, true));
        assert_eq!([head(0, true), head(15, true), head(2, true), head(14, true)].map(|h| counters.distance(h)), [1, 0, 3, 15]);
        assert_eq!([head(15, false), head(0, false)].map(|h| counters.distance(h)), [1, 2]);
        assert_eq!(counters.distance(Head { anew: true, ..head(9, true) }), 1);
    }
}
