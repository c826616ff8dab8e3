//! The leaky bucket that keeps a GOP to its cap inside an encoder that has one (x264, x265).

use super::{Recipe, container_bytes};
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
    /// Bits that it holds for a whole GOP, which decides the level: a short one has the same parameter sets.
    pub whole: u64,
}

impl Vbv {
    /// For a GOP of `recipe.slots`, filled at `fill_percent` of the cap.
    ///
    /// # Errors
    /// A cap that encoders cannot take, in words.
    pub fn new(rendition: &Rendition, recipe: &Recipe, fill_percent: u64) -> Result<Vbv, String> {
        let rate = rendition.grid.rate;
        let allowed = |slots: u32| recipe.cap.saturating_mul(u64::from(slots)).saturating_mul(u64::from(rate.den())) / u64::from(rate.num());
        let gop = allowed(recipe.slots);
        // The segment's boxes take their part of the cap, too; half is left to the pictures whatever it is.
        let boxes = (container_bytes(recipe.slots) * 8).min(gop / 2);
        let for_pictures = u64::try_from(u128::from(recipe.cap) * u128::from(gop - boxes) / u128::from(gop.max(1))).unwrap_or(recipe.cap);
        let bucket = |bits: u64| bits.saturating_mul(SIZE.0) / SIZE.1;
        let (size, whole) = (bucket(gop), bucket(allowed(rendition.grid.gop_slots)));
        if !(10_000..=2_000_000_000).contains(&recipe.cap) || size.max(whole) > 2_000_000_000 {
            return Err(format!("cap {} b/s with a bucket of {whole} bits: 10 kb/s to 2 Gb/s and at most 2 Gbit are possible", recipe.cap));
        }
        Ok(Vbv { rate: for_pictures / 100 * fill_percent, size, whole })
    }
}
