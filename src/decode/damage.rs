//! How far damage reaches: a damaged picture is referred to by those behind it, until a clean key picture; and a decoder that has seen damage may get the key picture wrong, too.

/// Ranges of damaged packets that are kept apart; more of them are taken for one.
const RANGES: usize = 64;

/// What the first decoder was opened with: a time so long ago that any key picture may be the first of another.
const FIRST: i64 = i64::MIN / 2;

/// What is known to be damaged, by number in decoding order.
pub struct Damage {
    /// How many packets late libav tells of an error: one for each thread.
    late: i64,
    /// The first packet of the present decoder; `None` where decoders keep nothing of what went wrong (those of devices).
    opened: Option<i64>,
    /// The last damaged packet.
    last: Option<i64>,
    /// First and last damaged packets, each until a clean key picture behind it is shown, in the order in which they were told.
    ranges: Vec<(i64, i64)>,
    /// Which of the last eight packets the demuxer flagged, the last one in the lowest bit.
    flags: u8,
}

impl Damage {
    /// Nothing is damaged yet. `threads` decode.
    pub fn new(threads: usize) -> Damage {
        Damage { late: i64::try_from(threads).unwrap_or(i64::MAX), opened: Some(FIRST), last: None, ranges: Vec::new(), flags: u8::MAX }
    }

    /// Whether the next packet is damaged, which the demuxer may have flagged. libav flags every packet of some multiplexers, whose PES lengths are a byte off:
    /// where half of the last eight are flagged, and at the start, a flag says nothing.
    pub fn flagged(&mut self, flagged: bool) -> bool {
        let usual = self.flags.count_ones() >= 4;
        self.flags = self.flags << 1 | u8::from(flagged);
        flagged && !usual
    }

    /// Packet `number` is damaged. Told when it goes in, it reaches those that refer to it and are shown before it, too.
    pub fn at(&mut self, number: i64) {
        self.add(number, number);
    }

    /// Packet `number` is damaged, and may be the second field of a picture, which has the number of the packet before.
    pub fn at_field(&mut self, number: i64) {
        self.add(number.saturating_sub(1), number);
    }

    /// The decoder told of an error when packet `number` was in: it is in that packet, or in one of the few before it.
    pub fn near(&mut self, number: i64) {
        self.add(number.saturating_sub(self.late), number);
    }

    /// A new decoder begins with packet `number`.
    pub fn renewed(&mut self, number: i64) {
        self.opened = Some(number);
    }

    /// From here on it is a device that decodes.
    pub fn on_device(&mut self) {
        self.opened = None;
    }

    /// Whether the present decoder may get clean packets wrong, from `number` on, unless it is newer than `apart` packets.
    pub fn outlives(&self, number: i64, apart: i64) -> bool {
        self.opened.is_some_and(|opened| self.last.is_some_and(|last| (opened..number).contains(&last)) && number - opened >= apart)
    }

    /// Whether any packet from `number` on was damaged.
    pub fn since(&self, number: i64) -> bool {
        self.last.is_some_and(|last| last >= number)
    }

    /// Whether the picture of packet `number`, the next in presentation order, may show damage. `key`: it opens a random-access period.
    pub fn reaches(&mut self, number: i64, key: bool) -> bool {
        let opened = self.opened.unwrap_or(i64::MAX);
        if key && !self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)) {
            self.ranges.retain(|(_, to)| *to >= number.min(opened));
        }
        self.ranges.iter().any(|(from, _)| *from <= number)
    }

    fn add(&mut self, from: i64, to: i64) {
        self.last = self.last.max(Some(to));
        let full = self.ranges.len() == RANGES;
        match self.ranges.last_mut() {
            Some((first, end)) if full || (from <= *end && to >= *end) => (*first, *end) = (from.min(*first), to.max(*end)),
            _ => self.ranges.push((from, to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packet numbers in presentation order, two B pictures before each P, a key picture with leading pictures at 6; packet 2 is damaged.
    #[test]
    fn it_reaches_from_the_damaged_packet_to_the_next_clean_key_picture() {
        for renewed in [true, false] {
            let mut damage = Damage::new(4);
            damage.at(2);
            let outlives = [2, 3, 6].map(|number| damage.outlives(number, 4));
            assert_eq!(outlives, [false, true, true], "not before it, whatever a worker has had");
            assert!(damage.since(2) && !damage.since(3));
            if renewed {
                damage.renewed(6);
                assert!(!damage.outlives(12, 4));
            }
            let seen: Vec<bool> = [0, 2, 3, 1, 5, 4, 7, 8, 6, 10, 9].map(|number| damage.reaches(number, [0, 6].contains(&number))).to_vec();
            let behind = !renewed;
            assert_eq!(seen, [false, true, true, false, true, true, true, true, behind, behind, behind]);
        }
    }

    #[test]
    fn those_that_refer_to_a_damaged_packet_and_are_shown_before_it_are_reached() {
        let mut damage = Damage::new(4);
        damage.at(4);
        let seen = [0, 2, 3, 1, 5, 6, 4].map(|number| damage.reaches(number, number == 0));
        assert_eq!(seen, [false, false, false, false, true, true, true]);
    }

    #[test]
    fn a_second_field_has_the_number_of_the_first() {
        let mut damage = Damage::new(4);
        damage.at_field(5);
        let seen = [2, 4, 6].map(|number| damage.reaches(number, false));
        assert_eq!(seen, [false, true, true]);
    }

    #[test]
    fn a_key_picture_ends_what_was_before_it_and_not_what_comes() {
        let mut damage = Damage::new(4);
        damage.at(2);
        damage.renewed(6);
        damage.at(9);
        let seen = [3, 5, 6, 8, 10, 9].map(|number| damage.reaches(number, number == 6));
        assert_eq!(seen, [true, true, false, false, true, true]);
        let outlives = [9, 12, 18].map(|number| damage.outlives(number, 12));
        assert_eq!(outlives, [false, false, true], "not before it, and not too soon");
    }

    #[test]
    fn a_device_keeps_nothing() {
        let mut damage = Damage::new(4);
        damage.on_device();
        damage.at(2);
        assert!(damage.reaches(2, false) && !damage.outlives(6, 0));
        assert!(!damage.reaches(6, true));
    }

    #[test]
    fn a_damaged_key_picture_ends_nothing() {
        let mut damage = Damage::new(4);
        damage.at(3);
        damage.at(4);
        assert!(damage.reaches(3, false) && damage.reaches(4, true) && damage.reaches(5, false));
        damage.renewed(6);
        assert!(!damage.reaches(6, true));
    }

    #[test]
    fn ranges_are_bounded() {
        let mut damage = Damage::new(1);
        (0..1000).for_each(|number| damage.at(2 * number));
        assert_eq!((damage.ranges.len(), damage.ranges.last()), (RANGES, Some(&(126, 1998))));
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
        let seen = [15, 16, 20, 21].map(|number| damage.reaches(number, false));
        assert_eq!(seen, [false, true, true, true]);
    }
}
