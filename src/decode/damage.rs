//! How far damage reaches: a damaged picture is referred to by those behind it, until a clean key picture.

/// What is known to be damaged, by number in decoding order.
pub struct Damage {
    /// How many packets late libav tells of an error: one for each thread.
    late: i64,
    /// First and last damaged packet since the last clean key picture.
    span: Option<(i64, i64)>,
    /// Which of the last eight packets the demuxer flagged, the last one in the lowest bit.
    flags: u8,
}

impl Damage {
    /// Nothing is damaged yet. `threads` decode.
    pub fn new(threads: usize) -> Damage {
        Damage { late: i64::try_from(threads).unwrap_or(i64::MAX), span: None, flags: u8::MAX }
    }

    /// Whether the next packet is damaged, which the demuxer may have flagged. libav flags every packet of some multiplexers, whose PES lengths are a byte off:
    /// where half of the last eight are flagged, and at the start, a flag says nothing.
    pub fn flagged(&mut self, flagged: bool) -> bool {
        let usual = self.flags.count_ones() >= 4;
        self.flags = self.flags << 1 | u8::from(flagged);
        flagged && !usual
    }

    /// The decoder told of an error when packet `number` was in: it is in that packet, or in one of the few before it.
    pub fn near(&mut self, number: i64) {
        self.add(number.saturating_sub(self.late), number);
    }

    /// Whether the picture of packet `number`, the next in presentation order, may show damage. `key`: it opens a random-access period. `own`: it is damaged itself.
    pub fn reaches(&mut self, number: i64, key: bool, own: bool) -> bool {
        if own {
            self.add(number, number);
        } else if key && self.span.is_some_and(|(_, to)| to < number) {
            self.span = None;
        }
        self.span.is_some_and(|(from, _)| from <= number)
    }

    fn add(&mut self, from: i64, to: i64) {
        self.span = Some(self.span.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packet numbers in presentation order, two B pictures before each P, a key picture with leading pictures at 6; packet 2 is damaged.
    #[test]
    fn it_reaches_from_the_damaged_packet_to_the_next_clean_key_picture() {
        let mut damage = Damage::new(4);
        let seen: Vec<bool> = [0, 2, 3, 1, 5, 4, 7, 8, 6, 10, 9].map(|number| damage.reaches(number, [0, 6].contains(&number), number == 2)).to_vec();
        assert_eq!(seen, [false, true, true, false, true, true, true, true, false, false, false]);
    }

    #[test]
    fn a_damaged_key_picture_ends_nothing() {
        let mut damage = Damage::new(4);
        assert!(damage.reaches(3, false, true));
        assert!(damage.reaches(4, true, true));
        assert!(damage.reaches(5, false, false));
        assert!(!damage.reaches(6, true, false));
    }

    #[test]
    fn flags_on_everything_say_nothing() {
        let mut damage = Damage::new(4);
        let hurt = (0..100).filter(|n| damage.flagged(n % 40 != 39)).count();
        assert_eq!(hurt, 0);
        let mut damage = Damage::new(4);
        let hurt = (0..100).filter(|n| damage.flagged(n % 10 > 7)).count();
        assert_eq!(hurt, 20);
    }

    /// The error may be in any of the packets that the decoder's threads had.
    #[test]
    fn an_error_told_late_reaches_back() {
        let mut damage = Damage::new(4);
        damage.near(20);
        let seen = [15, 16, 20, 21].map(|number| damage.reaches(number, false, false));
        assert_eq!(seen, [false, true, true, true]);
    }
}
