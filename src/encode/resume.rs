//! Where another encoder may go on with a GOP of which chunks are out.

/// The packets of a GOP that stay, when another encoder goes on behind them: 0 where none can be out, so that the GOP is made anew. `None`: it cannot be saved.
///
/// `slots`: of every packet sent so far, in decoding order, its slot, from 0. Chunks have `chunk` packets; those that are complete are out. What stays must be exactly the first
/// slots, for the new encoder begins with an IDR, and knows no picture before it. That IDR follows one that is not, and the next GOP's does not follow it at once: two in a row of
/// equal `idr_pic_id` would be one picture to a decoder of AVC (ITU-T H.264, 7.4.3).
pub fn place(slots: impl Iterator<Item = u32>, chunk: u32, gop_slots: u32) -> Option<u32> {
    let (mut sent, mut highest, mut place) = (0u32, 0u32, None);
    let slots: Vec<u32> = slots.collect();
    let out = slots.len() as u32 / chunk.max(1) * chunk;
    if out == 0 {
        return Some(0);
    }
    for slot in slots {
        sent += 1;
        highest = highest.max(slot);
        // Each slot comes once: so many with none beyond are the first ones.
        if highest < sent && sent >= out.max(2) && sent + 1 < gop_slots {
            place = Some(sent);
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn it_goes_on_behind_all_that_is_shown_in_a_row() {
        let of = |slots: &[u32], chunk| place(slots.iter().copied(), chunk, 50);
        assert_eq!(of(&[], 5), Some(0));
        assert_eq!(of(&[0, 1, 2, 3], 5), Some(0), "no chunk is complete");
        assert_eq!(of(&[0, 1, 2, 3, 4], 5), Some(5));
        assert_eq!(of(&[0, 1, 2, 3, 4, 5, 6], 5), Some(7));
        // With B pictures: I0 P4 B2 B1 B3 P8 B6 B5 B7.
        let b = [0, 4, 2, 1, 3, 8, 6, 5, 7];
        assert_eq!(of(&b, 5), Some(9));
        assert_eq!(of(&b[..8], 5), Some(5), "the last pictures are not out");
        assert_eq!(of(&b[..8], 6), None, "slot 8 is out, and slot 7 is not there");
        // Two IDRs in a row.
        assert_eq!(of(&[0], 1), None);
        assert_eq!(of(&[0, 1], 1), Some(2));
        assert_eq!(place(0..49, 7, 50), None, "all but one");
        assert_eq!(place(0..48, 7, 50), Some(48));
        assert_eq!(place(0..50, 7, 50), None, "49 are out");
        assert_eq!(place(0..50, 8, 50), Some(48));
    }
}
