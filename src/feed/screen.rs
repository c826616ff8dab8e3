//! What the pattern's encoder is shown: the pattern of the slot, and what faults make of it.

use super::faults::{FaultKind, Format, Look};
use super::options::FeedOptions;
use crate::pattern::Size;
use crate::pattern::picture::Pattern;
use crate::time::{Rate, Slot};

/// Draws pictures. A pattern costs as much as a hundred pictures, so each is made once.
pub(super) struct Screen {
    patterns: Vec<Pattern>,
    /// What is on it, and whether it is of the pattern.
    picture: Vec<u8>,
    fields: [Vec<u8>; 2],
    shown: Option<Format>,
}

impl Screen {
    /// A screen for all that faults will make of the feed, so that it need not stop for it.
    pub fn new(options: &FeedOptions) -> Screen {
        let (mut sizes, mut rates, mut interlaced) = (vec![options.size], vec![options.rate], false);
        for fault in &options.faults {
            match fault.kind {
                FaultKind::Size(size) => sizes.push(size),
                FaultKind::Rate(rate) => rates.push(rate),
                FaultKind::Interlaced => interlaced = true,
                _ => {}
            }
        }
        if interlaced {
            rates.extend(rates.clone().into_iter().filter_map(doubled));
        }
        let mut patterns = Vec::new();
        for size in &sizes {
            rates.iter().for_each(|rate| {
                pattern(&mut patterns, *size, *rate);
            });
        }
        Screen { patterns, picture: Vec::new(), fields: [Vec::new(), Vec::new()], shown: None }
    }

    /// The picture of `slot`: yuv420p without padding, as [`Pattern::draw`] has it.
    pub fn show(&mut self, slot: Slot, look: Look) -> &[u8] {
        let format = look.format;
        if look.black {
            black(format.size, &mut self.picture);
            self.shown = None;
        } else if !look.frozen || self.shown != Some(format) {
            self.draw(slot, format);
            self.shown = Some(format);
        }
        &self.picture
    }

    fn draw(&mut self, slot: Slot, format: Format) {
        let size = format.size;
        self.picture.resize(size.bytes(), 0);
        // Fields come at twice the rate of the pictures, where the pattern can be drawn at it.
        let fast = doubled(format.rate).filter(|_| format.interlaced);
        let pattern = pattern(&mut self.patterns, size, fast.unwrap_or(format.rate));
        let Some(_) = fast else { return pattern.draw(slot, &mut self.picture) };
        for (n, field) in (0..).zip(&mut self.fields) {
            field.resize(size.bytes(), 0);
            pattern.draw(Slot(slot.0 * 2 + n), field);
        }
        let [first, second] = &self.fields;
        weave(size, first, second, &mut self.picture);
    }
}

fn doubled(rate: Rate) -> Option<Rate> {
    Rate::new(rate.num().checked_mul(2)?, rate.den())
}

fn pattern(patterns: &mut Vec<Pattern>, size: Size, rate: Rate) -> &Pattern {
    let place = patterns.iter().position(|p| p.size() == size && p.rate() == rate).unwrap_or_else(|| {
        patterns.push(Pattern::new(size, rate));
        patterns.len() - 1
    });
    &patterns[place]
}

/// Odd rows (the bottom field) of the first, even rows of the second.
fn weave(size: Size, first: &[u8], second: &[u8], out: &mut [u8]) {
    let (width, height) = (size.width() as usize, size.height() as usize);
    let mut at = 0;
    for (width, height) in [(width, height), (width / 2, height / 2), (width / 2, height / 2)] {
        for row in 0..height {
            let from = if row % 2 == 1 { first } else { second };
            out[at..at + width].copy_from_slice(&from[at..at + width]);
            at += width;
        }
    }
}

fn black(size: Size, out: &mut Vec<u8>) {
    let luma = size.width() as usize * size.height() as usize;
    out.clear();
    out.resize(luma, 16);
    out.resize(size.bytes(), 128);
}
