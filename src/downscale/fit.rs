//! How a source picture is laid into a rung of fixed size.

/// Where the picture goes inside the rung, in samples; all even.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Inner {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// Fits a `size` picture with pixels of shape `sar` into `rung` (square pixels, even). The whole rung where the shapes agree to 1 % or to the rounding of sizes
/// to even numbers; else centred, as large as it goes, black around it. Shapes beyond 10:1 and unknown ones count as square pixels.
pub fn fit(size: (u32, u32), sar: (i32, i32), rung: (u32, u32)) -> Inner {
    let whole = Inner { x: 0, y: 0, width: rung.0, height: rung.1 };
    let (num, den) = match (u64::try_from(sar.0), u64::try_from(sar.1)) {
        (Ok(n), Ok(d)) if n > 0 && d > 0 && n <= d.saturating_mul(10) && d <= n.saturating_mul(10) => (n, d),
        _ => (1, 1),
    };
    // At most 2^14 x 2^31 by any legal frame, so products with a rung's side stay below 2^64.
    let (w, h) = (u64::from(size.0.min(1 << 16)) * num, u64::from(size.1.min(1 << 16)) * den);
    let (rw, rh) = (u64::from(rung.0), u64::from(rung.1));
    if w == 0 || h == 0 {
        return whole;
    }
    let even = |num: u128, den: u128, max: u64| (((num + den) / (2 * den)) as u64 * 2).clamp(16.min(max), max);
    let (w, h) = (u128::from(w), u128::from(h));
    let (iw, ih) = if w * u128::from(rh) > h * u128::from(rw) { (rw, even(h * u128::from(rw), w, rh)) } else { (even(w * u128::from(rh), h, rw), rh) };
    if rw - iw <= (rw / 100).max(2) && rh - ih <= (rh / 100).max(2) {
        return whole;
    }
    let offset = |outer: u64, inner: u64| ((outer - inner) / 4 * 2) as u32;
    Inner { x: offset(rw, iw), y: offset(rh, ih), width: iw as u32, height: ih as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_shape_fills_the_rung() {
        let whole = |rung: (u32, u32)| Inner { x: 0, y: 0, width: rung.0, height: rung.1 };
        for (size, sar, rung) in [
            ((1920, 1080), (1, 1), (640, 360)),
            ((720, 576), (64, 45), (1024, 576)),
            ((3026, 1386), (0, 1), (640, 294)),
            ((1920, 1080), (65535, 65535), (128, 72)),
            ((1080, 1920), (0, 0), (406, 720)),
            ((1920, 1080), (1, 1), (854, 480)),
            ((1920, 1080), (-1, 4), (64, 36)),
        ] {
            assert_eq!(fit(size, sar, rung), whole(rung), "{size:?} {sar:?} {rung:?}");
        }
    }

    #[test]
    fn another_shape_is_centred_with_its_own_shape_kept() {
        assert_eq!(fit((720, 576), (16, 15), (1920, 1080)), Inner { x: 240, y: 0, width: 1440, height: 1080 });
        assert_eq!(fit((1920, 800), (1, 1), (1280, 720)), Inner { x: 0, y: 92, width: 1280, height: 534 });
        let sliver = fit((16, 4000), (1, 1), (640, 360));
        assert_eq!((sliver.width, sliver.height), (16, 360));
        let hostile = fit((u32::MAX, u32::MAX), (i32::MAX, i32::MAX), (640, 360));
        assert_eq!((hostile.width, hostile.height), (360, 360));
    }
}
