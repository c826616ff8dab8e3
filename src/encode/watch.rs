//! What an encoder hands out is believed only as far as it is what was asked for: the pictures of this GOP, each once, an IDR where one belongs and nowhere else.

use super::{Packet, Recipe};

/// Watches the packets of one attempt at a GOP.
pub struct Watch {
    /// First slot of the GOP.
    first: i64,
    /// Slots that were fed so far.
    fed: u32,
    /// Slots beside the first where an IDR was asked for.
    idrs: Vec<u32>,
    seen: Vec<bool>,
    packets: u32,
    /// The slot that its first packet is to be, from 0.
    begins: u32,
}

impl Watch {
    /// For a GOP that opens at slot `first`.
    pub fn new(first: i64, slots: u32) -> Watch {
        Watch { first, fed: 0, idrs: Vec::new(), seen: vec![false; slots as usize], packets: 0, begins: 0 }
    }

    /// For the rest of that GOP, from slot `from` of it on, which is an IDR.
    pub fn behind(first: i64, slots: u32, from: u32) -> Watch {
        let seen = (0..slots).map(|slot| slot < from).collect();
        Watch { first, fed: from, idrs: vec![from], seen, packets: from, begins: from }
    }

    /// The next slot was fed; `idr`: it is to be one.
    pub fn fed(&mut self, idr: bool) {
        if idr && self.fed > 0 {
            self.idrs.push(self.fed);
        }
        self.fed += 1;
    }

    /// Packets so far, those that it goes on behind included.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Takes the next packet in decoding order.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn take(&mut self, packet: &Packet) -> Result<(), String> {
        let index = packet.time.checked_sub(self.first).and_then(|index| u32::try_from(index).ok()).filter(|index| *index < self.fed);
        let Some(index) = index else {
            return Err(format!("garbage: a picture for slot {}, which it was not given", packet.time));
        };
        let wanted = index == 0 || self.idrs.contains(&index);
        match self.seen.get_mut(index as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(format!("garbage: slot {} twice", packet.time)),
        }
        if self.packets == self.begins && index != self.begins {
            return Err(format!("garbage: it begins with slot {}, not with the first that it was given", packet.time));
        }
        if packet.idr != wanted {
            let (is, should) = if wanted { ("is none", "is to be one") } else { ("is one", "was not asked for") };
            return Err(format!("garbage: the IDR of slot {} {should} and {is}", packet.time));
        }
        if packet.data.is_empty() {
            return Err(format!("garbage: slot {} is empty", packet.time));
        }
        self.packets += 1;
        Ok(())
    }
}

/// Whether a recipe and a frame ask for an IDR at `index` of a GOP of `slots`. Two IDRs in a row would need different `idr_pic_id`, and the next GOP begins with one.
pub fn forces_idr(recipe: &Recipe, asked: bool, index: u32, slots: u32) -> bool {
    (asked || recipe.idr_at.contains(&index)) && index > 0 && index + 1 < slots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(time: i64, idr: bool) -> Packet {
        Packet { time, idr, data: vec![1] }
    }

    fn watch() -> Watch {
        let mut watch = Watch::new(100, 4);
        [true, false, true].into_iter().for_each(|idr| watch.fed(idr));
        watch
    }

    #[test]
    fn what_was_asked_for_passes_in_any_order_of_decoding() {
        let mut watch = watch();
        for (time, idr) in [(100, true), (102, true), (101, false)] {
            watch.take(&packet(time, idr)).expect("as asked");
        }
        assert_eq!(watch.packets(), 3);
    }

    #[test]
    fn garbage_is_named() {
        let wrong = |packets: &[(i64, bool)]| {
            let mut watch = watch();
            packets.iter().find_map(|(time, idr)| watch.take(&packet(*time, *idr)).err()).unwrap_or_default()
        };
        assert!(wrong(&[(100, false)]).contains("slot 100 is to be one and is none"));
        assert!(wrong(&[(100, true), (101, true)]).contains("slot 101 was not asked for and is one"));
        assert!(wrong(&[(101, false)]).contains("begins with slot 101"));
        assert!(wrong(&[(100, true), (100, true)]).contains("slot 100 twice"));
        assert!(wrong(&[(100, true), (103, false)]).contains("slot 103, which it was not given"));
        assert!(wrong(&[(i64::MIN, true)]).contains("not given"));
        assert!(watch().take(&Packet { data: Vec::new(), ..packet(100, true) }).expect_err("empty").contains("empty"));
    }
}
