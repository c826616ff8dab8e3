//! The leaky bucket that keeps a GOP to its cap inside an encoder that has one (x264, x265).

use super::{Recipe, constant, container_bytes};
use crate::plan::Rendition;

/// The bucket's size, as a part of what the cap allows in a GOP. With a lookahead x264 ends a GOP with the bucket about half full, so that GOPs encoded apart come
/// out near the cap. How full it starts is the operating point's.
const SIZE: (u64, u64) = (1, 2);

/// A bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vbv {
    /// Bits per second that flow in.
    pub rate: u64,
    /// Bits that it holds.
    pub size: u64,
    /// Bits that it holds for a whole GOP at the plan's cap, which decides the level: a short one, or one with a lower cap, has the same parameter sets.
    pub whole: u64,
    /// How full it starts, in percent.
    pub start: u64,
}

impl Vbv {
    /// For a GOP of `recipe.slots`, filled at `fill` percent of the cap and `start` percent full; for a constant rate one of that rate.
    ///
    /// # Errors
    /// A cap that encoders cannot take, in words.
    pub fn new(rendition: &Rendition, recipe: &Recipe, (fill, start): (u64, u64)) -> Result<Vbv, String> {
        let rate = rendition.grid.rate;
        let allowed = |rate_of: u64, slots: u32| rate_of.saturating_mul(u64::from(slots)).saturating_mul(u64::from(rate.den())) / u64::from(rate.num());
        let flow = recipe.bitrate.unwrap_or(recipe.cap);
        let (fill, start) = if recipe.bitrate.is_some() { (100, constant::START) } else { (fill, start) };
        let gop = allowed(flow, recipe.slots);
        // The segment's boxes take their part of the cap, too; half is left to the pictures whatever it is.
        let boxes = (container_bytes(recipe.slots) * 8).min(gop / 2);
        let for_pictures = u64::try_from(u128::from(flow) * u128::from(gop - boxes) / u128::from(gop.max(1))).unwrap_or(flow);
        let bucket = |bits: u64| bits.saturating_mul(SIZE.0) / SIZE.1;
        // The aim at a constant rate may be above the cap for pictures that take less than they are given.
        let most = if recipe.bitrate.is_some() { 2_000_000_000 } else { u64::MAX };
        let (size, whole) = (bucket(gop).min(most), bucket(allowed(rendition.max_bitrate, rendition.grid.gop_slots)));
        if !(10_000..=2_000_000_000).contains(&recipe.cap) || size.max(whole) > 2_000_000_000 {
            return Err(format!("cap {} b/s with a bucket of {whole} bits: 10 kb/s to 2 Gb/s and at most 2 Gbit are possible", recipe.cap));
        }
        Ok(Vbv { rate: for_pictures / 100 * fill, size, whole, start })
    }
}
