//! RTP (RFC 3550) around MPEG-TS (RFC 2250): the fixed header, and what sequence numbers say of a path.

/// What numbers a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number {
    /// Who numbers (synchronisation source).
    pub source: u32,
    /// 16 bits that wrap.
    pub sequence: u16,
}

/// A datagram taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rtp<'a> {
    /// Its number.
    pub number: Number,
    /// What its payload is said to be; 33 is MPEG-TS.
    pub kind: u8,
    /// Without header, contributing sources, extension and padding.
    pub payload: &'a [u8],
}

/// Whether a datagram claims to be RTP: version 2 in the upper two bits, which a transport packet's sync byte never has.
pub fn claims(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first >> 6 == 2)
}

/// Takes a datagram apart; `None` where its lengths contradict each other.
pub fn parse(datagram: &[u8]) -> Option<Rtp<'_>> {
    let head: &[u8; 12] = datagram.first_chunk()?;
    if head[0] >> 6 != 2 {
        return None;
    }
    let mut from = 12 + 4 * usize::from(head[0] & 0x0f);
    if head[0] & 0x10 != 0 {
        let extension: &[u8; 4] = datagram.get(from..)?.first_chunk()?;
        from += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
    }
    let padding = if head[0] & 0x20 != 0 { usize::from(*datagram.last()?).max(1) } else { 0 };
    let payload = datagram.get(from..datagram.len().checked_sub(padding)?)?;
    let number = Number { source: u32::from_be_bytes([head[8], head[9], head[10], head[11]]), sequence: u16::from_be_bytes([head[2], head[3]]) };
    Some(Rtp { number, kind: head[1] & 0x7f, payload })
}

/// What the numbers of one path say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The first of its source.
    First,
    /// The next one, after so many that are missing so far.
    After(u64),
    /// One that was missing.
    Late,
    /// One that has come already, or is too old to tell.
    Again,
}

/// How many numbers are remembered.
const MEMORY: usize = 1024;

/// Watches the numbers of one path.
#[derive(Default)]
pub struct Watch {
    source: Option<u32>,
    newest: u16,
    /// Whether each of the last numbers has come, by number modulo their count.
    came: Vec<bool>,
}

impl Watch {
    /// Takes the next number of the path.
    pub fn take(&mut self, number: Number) -> Order {
        let step = number.sequence.wrapping_sub(self.newest) as i16;
        if self.source != Some(number.source) || step.unsigned_abs() as usize >= MEMORY {
            // Another source, or one that began anew.
            *self = Watch { source: Some(number.source), newest: number.sequence, came: vec![true; MEMORY] };
            return Order::First;
        }
        let slot = usize::from(number.sequence) % MEMORY;
        if step > 0 {
            for missing in 1..step.unsigned_abs() {
                self.came[usize::from(self.newest.wrapping_add(missing)) % MEMORY] = false;
            }
            self.newest = number.sequence;
            self.came[slot] = true;
            return Order::After(u64::from(step.unsigned_abs() - 1));
        }
        if std::mem::replace(&mut self.came[slot], true) { Order::Again } else { Order::Late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(sequence: u16) -> Number {
        Number { source: 7, sequence }
    }

    #[test]
    fn header_extension_sources_and_padding_are_not_payload() {
        let mut datagram = vec![0b1011_0010, 0x80 | 33, 0xff, 0xfe, 0, 0, 0, 0, 1, 2, 3, 4];
        datagram.extend([9; 8]);
        datagram.extend([0xbe, 0xde, 0, 1, 5, 5, 5, 5]);
        datagram.extend([0x47, 1, 2]);
        datagram.extend([0, 0, 3]);
        let rtp = parse(&datagram).expect("it is RTP");
        assert_eq!((rtp.number, rtp.kind, rtp.payload), (Number { source: 0x0102_0304, sequence: 0xfffe }, 33, &[0x47, 1, 2][..]));
        for length in 0..12 + 8 + 8 {
            assert_eq!(parse(&datagram[..length]).filter(|rtp| !rtp.payload.is_empty()), None, "{length}");
        }
        datagram[0] = 0x47;
        assert!(!claims(&datagram) && parse(&datagram).is_none());
    }

    #[test]
    fn loss_reordering_and_repetition_are_told_apart_across_the_wrap() {
        let mut watch = Watch::default();
        let seen: Vec<Order> = [65534, 65535, 1, 0, 1, 4, 2, 2].map(|n| watch.take(number(n))).to_vec();
        use Order::{After, Again, First, Late};
        assert_eq!(seen, [First, After(0), After(1), Late, Again, After(2), Late, Again]);
        assert_eq!(watch.take(number(30_000)), First, "it began anew");
        assert_eq!(watch.take(Number { source: 8, sequence: 30_001 }), First);
    }

    proptest! {
        #[test]
        fn any_bytes_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(rtp) = parse(&bytes) {
                prop_assert!(rtp.payload.len() + 12 <= bytes.len());
            }
        }

        /// Every number of a shuffled and thinned run is counted once: what came, and what is missing, is all there is.
        #[test]
        fn counts_add_up(start: u16, steps in prop::collection::vec(0u16..3, 1..500)) {
            let (mut watch, mut at) = (Watch::default(), start);
            watch.take(number(start));
            let (mut came, mut missing) = (1u64, 0u64);
            for step in steps {
                at = at.wrapping_add(step);
                match watch.take(number(at)) {
                    Order::After(n) => { came += 1; missing += n; }
                    Order::Late => { came += 1; missing -= 1; }
                    Order::Again => prop_assert_eq!(step, 0),
                    Order::First => prop_assert!(false, "one source"),
                }
            }
            prop_assert_eq!(came + missing, u64::from(at.wrapping_sub(start)) + 1);
        }
    }
}
