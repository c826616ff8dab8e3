//! The picture: colour bars and a grey ramp, a moving landscape with a bouncing ball and a zone plate, the flash, and burnt-in UTC.

use super::Size;
use super::scene::Scene;
use super::sprite::{Disc, PHASES, balls, zone_plates};
use super::text::{Font, GROUND};
use super::texture::{Rgb, ycbcr};
use crate::time::{Rate, Seconds, Slot};

/// One plane of a picture, without padding.
pub(super) struct Plane<'a> {
    data: &'a mut [u8],
    /// Bytes in a row.
    pub width: usize,
}

impl Plane<'_> {
    /// Row `y`.
    pub fn row(&mut self, y: usize) -> &mut [u8] {
        &mut self.data[y * self.width..(y + 1) * self.width]
    }
}

/// The three planes of a yuv420p picture.
pub(super) struct Planes<'a> {
    pub y: Plane<'a>,
    pub u: Plane<'a>,
    pub v: Plane<'a>,
}

impl<'a> Planes<'a> {
    fn of(size: Size, data: &'a mut [u8]) -> Planes<'a> {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let (y, chroma) = data.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        let plane = |data, width| Plane { data, width };
        Planes { y: plane(y, width), u: plane(u, width / 2), v: plane(v, width / 2) }
    }

    /// Fills a rectangle whose corners are even.
    fn fill(&mut self, area: Area, [y, u, v]: [u8; 3]) {
        for row in area.top..area.bottom {
            self.y.row(row)[area.left..area.right].fill(y);
        }
        for row in area.top / 2..area.bottom / 2 {
            self.u.row(row)[area.left / 2..area.right / 2].fill(u);
            self.v.row(row)[area.left / 2..area.right / 2].fill(v);
        }
    }
}

/// When a picture is shown: slot n of the epoch grid is at n * den / num seconds.
pub(super) struct Moment {
    slot: i128,
    rate: Rate,
}

impl Moment {
    /// How far something has moved, in whole steps, that moves `speed` steps a second and is where it was after `period`.
    pub fn travel(&self, speed: i64, period: i64) -> usize {
        let way = (self.slot * i128::from(self.rate.den()) * i128::from(speed)).div_euclid(i128::from(self.rate.num()));
        way.rem_euclid(i128::from(period)) as usize
    }

    /// The part of the UTC second that is over, in 65536ths.
    fn fraction(&self) -> usize {
        self.travel(65_536, 65_536)
    }

    /// Whether this is the first picture of a whole UTC second.
    fn opens_second(&self) -> bool {
        let (num, den) = (i128::from(self.rate.num()), i128::from(self.rate.den()));
        (self.slot * den).rem_euclid(num) < den
    }
}

/// A rectangle in luma pixels, right and bottom excluded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// The column after the last.
    pub right: usize,
    /// The row after the last.
    pub bottom: usize,
}

/// 75 % colour bars (EBU Tech 3373's order), without the black one.
const BARS: [Rgb; 7] = [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191]];
const BLACK: [u8; 3] = [16, 128, 128];
const WHITE: [u8; 3] = [235, 128, 128];
const AMBER: [u8; 3] = [170, 60, 165];
const PANEL: [u8; 3] = [GROUND, 130, 127];

/// The moving picture at one size and rate. Making it costs about as much as drawing a hundred pictures; drawing is row copies.
pub struct Pattern {
    size: Size,
    rate: Rate,
    /// What never moves: the rows above and below the landscape.
    still: Vec<u8>,
    scene_top: usize,
    scene_bottom: usize,
    scene: Scene,
    flash: Area,
    ruler: Area,
    balls: Vec<Disc>,
    plates: Vec<Disc>,
    clock: Font,
    clock_at: (usize, usize),
    label: Font,
    label_at: (usize, usize),
}

impl Pattern {
    /// Prepares what can be drawn once.
    pub fn new(size: Size, rate: Rate) -> Pattern {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let (bars, scene_top, scene_bottom) = (even(height / 5), even(height / 5 + height / 30), even(height * 72 / 100));
        let rows = scene_bottom - scene_top;
        let panel = height - scene_bottom;

        // The clock is 27 characters wide and one and a half as high as wide; the label is one line of square characters.
        let unit = (width / 256).min(panel / 26).max(1);
        let (clock, label) = (Font::new(8 * unit, 12 * unit), Font::new(8 * unit, 8 * unit));
        let gap = (panel - 20 * unit) / 5;
        let clock_at = ((width - CLOCK_CHARS * clock.width) / 2, scene_bottom + gap);
        let label_at = (clock_at.0, clock_at.1 + clock.height + gap);
        let ruler_top = even(label_at.1 + label.height + gap);
        let ruler =
            Area { left: even(clock_at.0), top: ruler_top, right: even(width - clock_at.0), bottom: even(ruler_top + gap.clamp(4, 6 * unit)).min(height) };

        let side = even(rows * 45 / 100).min(even(width / 5));
        let flash_left = even(width / 32);
        let flash_top = even(scene_top + (rows - side) / 2);
        let flash = Area { left: flash_left, top: flash_top, right: flash_left + side, bottom: flash_top + side };

        let mut still = vec![0; size.bytes()];
        let mut out = Planes::of(size, &mut still);
        draw_still(&mut out, width, height, bars, scene_top, scene_bottom, ruler);
        Pattern {
            size,
            rate,
            still,
            scene_top,
            scene_bottom,
            scene: Scene::new(width, rows, scene_top),
            flash,
            ruler,
            balls: balls(even(rows * 38 / 100).min(even(width / 5))),
            plates: zone_plates(even(rows * 80 / 100).min(even(width / 4))),
            clock,
            clock_at,
            label,
            label_at,
        }
    }

    /// Its size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Its rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The patch that is white in the first picture of every UTC second and black in all others.
    pub fn flash_area(&self) -> Area {
        self.flash
    }

    /// Draws the picture of `slot`: yuv420p, 8 bits, BT.709 limited range, planes one after another without padding.
    ///
    /// # Panics
    /// If `out` is not [`Size::bytes`] long.
    pub fn draw(&self, slot: Slot, out: &mut [u8]) {
        assert_eq!(out.len(), self.size.bytes(), "a picture of {} needs {} bytes", self.size, self.size.bytes());
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let moment = Moment { slot: i128::from(slot.0), rate: self.rate };
        for (base, stride, top, bottom, end) in [
            (0, width, self.scene_top, self.scene_bottom, height),
            (width * height, width / 2, self.scene_top / 2, self.scene_bottom / 2, height / 2),
            (width * height * 5 / 4, width / 2, self.scene_top / 2, self.scene_bottom / 2, height / 2),
        ] {
            for rows in [base..base + top * stride, base + bottom * stride..base + end * stride] {
                out[rows.clone()].copy_from_slice(&self.still[rows]);
            }
        }
        let mut out = Planes::of(self.size, out);
        self.scene.draw(&mut out, &moment);
        self.draw_moving(&mut out, &moment);
        self.draw_text(&mut out, slot);
    }

    /// The number burnt into a picture of this pattern, however it was coded: its slot. `luma`: rows of `stride` bytes. `None` where no number stands there.
    pub fn read_slot(&self, luma: &[u8], stride: usize) -> Option<Slot> {
        let (x, y) = self.label_at;
        let at = |n: usize| self.label.read(luma, stride, x + n * self.label.width, y, "#0123456789 ").filter(|_| x + (n + 1) * self.label.width <= stride);
        let digits: String = (1..20).map_while(at).take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|_| at(0) == Some('#')).map(Slot)
    }

    fn draw_moving(&self, out: &mut Planes<'_>, moment: &Moment) {
        let rows = self.scene_bottom - self.scene_top;
        let phase = moment.travel(20, PHASES as i64);
        let plate = &self.plates[phase];
        let plate_left = even(self.size.width() as usize - plate.diameter - self.size.width() as usize / 32);
        plate.draw(out, plate_left, even(self.scene_top + (rows - plate.diameter) / 2));

        // The ball crosses between flash and zone plate and back in 6 s, and touches the ground at every whole second.
        let ball = &self.balls[moment.travel(12, PHASES as i64)];
        let (left, right) = (self.flash.right + ball.diameter / 4, plate_left - ball.diameter - ball.diameter / 4);
        let way = right.saturating_sub(left).max(1);
        let leg = moment.travel(way as i64 * 2 / 6, way as i64 * 2);
        let x = even(left + if leg < way { leg } else { 2 * way - leg });
        let part = moment.fraction();
        let rise = ((rows - ball.diameter - 2) * 9 / 10 * ((4 * part * (65_536 - part)) >> 16)) >> 16;
        ball.draw(out, x, even(self.scene_bottom - 2 - ball.diameter - rise));

        out.fill(self.flash, WHITE);
        let rim = (self.flash.right - self.flash.left) / 16;
        let rim = even(rim).max(2);
        let inner = Area { left: self.flash.left + rim, top: self.flash.top + rim, right: self.flash.right - rim, bottom: self.flash.bottom - rim };
        out.fill(inner, if moment.opens_second() { WHITE } else { BLACK });

        // The marker starts at the left end of the ruler at every whole second.
        let mark = even((self.ruler.bottom - self.ruler.top) * 2).max(4);
        let left = self.ruler.left + even((self.ruler.right - self.ruler.left - mark) * moment.fraction() / 65_536);
        out.fill(Area { left, right: left + mark, ..self.ruler }, AMBER);
    }

    fn draw_text(&self, out: &mut Planes<'_>, slot: Slot) {
        let time = self.rate.period().times(i128::from(slot.0)).to_rfc3339();
        let clock = time.replace('T', " ").replace('Z', " UTC");
        self.clock.write(&mut out.y, self.clock_at.0, self.clock_at.1, &clock);
        let number = format!("#{}", slot.0);
        let label = format!("{number} {}p{}", self.size, shown(self.rate));
        let room = (self.size.width() as usize - self.label_at.0) / self.label.width;
        self.label.write(&mut out.y, self.label_at.0, self.label_at.1, if label.len() <= room { &label } else { &number });
    }
}

/// `2026-11-21 20:15:30.040 UTC`.
const CLOCK_CHARS: usize = 27;

fn even(n: usize) -> usize {
    n & !1
}

/// `25` or `29.97`: two decimals, for people only.
fn shown(rate: Rate) -> String {
    let hundredths = Seconds::new(i128::from(rate.num()), i128::from(rate.den())).nearest_ticks(100);
    if hundredths % 100 == 0 { format!("{}", hundredths / 100) } else { format!("{}.{:02}", hundredths / 100, hundredths % 100) }
}

fn draw_still(out: &mut Planes<'_>, width: usize, height: usize, bars: usize, scene_top: usize, scene_bottom: usize, ruler: Area) {
    for (i, colour) in BARS.iter().enumerate() {
        let (left, right) = (even(width * i / BARS.len()), even(width * (i + 1) / BARS.len()));
        out.fill(Area { left, top: 0, right, bottom: bars }, ycbcr(*colour));
    }
    out.fill(Area { left: 0, top: bars, right: width, bottom: scene_top }, BLACK);
    for row in bars..scene_top {
        for (x, luma) in out.y.row(row).iter_mut().enumerate() {
            *luma = (16 + 219 * x / (width - 1)) as u8;
        }
    }
    out.fill(Area { left: 0, top: scene_bottom, right: width, bottom: height }, PANEL);
    out.fill(ruler, [44, 128, 128]);
    for tenth in 0..=10 {
        let left = even(ruler.left + (ruler.right - ruler.left - 2) * tenth / 10);
        out.fill(Area { left, right: left + 2, ..ruler }, [120, 128, 128]);
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
