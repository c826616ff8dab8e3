//! How a picture must be turned before it is shown (the container's display matrix).

/// One of the eight ways to put a rectangle back upright.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Turn {
    /// As coded.
    #[default]
    None,
    /// A quarter to the right.
    Right,
    /// A quarter to the left.
    Left,
    /// Half a turn.
    Half,
    /// Left and right swapped.
    MirrorH,
    /// Top and bottom swapped.
    MirrorV,
    /// Mirrored at the falling diagonal.
    Transpose,
    /// Mirrored at the rising diagonal.
    Transverse,
}

impl Turn {
    /// From a display matrix as libav keeps it: nine native-endian 32-bit integers, of which a, b, c, d (0, 1, 3, 4) take a point (x, y) to (ax + cy, bx + dy).
    /// Anything that is not a right angle is left as coded.
    pub fn from_matrix(bytes: &[u8]) -> Turn {
        let at = |n: usize| bytes.get(n * 4..).and_then(|b| b.first_chunk::<4>()).map_or(0, |b| i32::from_ne_bytes(*b).signum());
        match (at(0), at(1), at(3), at(4)) {
            (0, 1, -1, 0) => Turn::Right,
            (0, -1, 1, 0) => Turn::Left,
            (-1, 0, 0, -1) => Turn::Half,
            (-1, 0, 0, 1) => Turn::MirrorH,
            (1, 0, 0, -1) => Turn::MirrorV,
            (0, 1, 1, 0) => Turn::Transpose,
            (0, -1, -1, 0) => Turn::Transverse,
            _ => Turn::None,
        }
    }

    /// Whether width and height change places.
    pub fn swaps(self) -> bool {
        matches!(self, Turn::Right | Turn::Left | Turn::Transpose | Turn::Transverse)
    }

    /// The libavfilter chain that does it.
    pub fn filter(self) -> Option<&'static str> {
        match self {
            Turn::None => None,
            Turn::Right => Some("transpose=clock"),
            Turn::Left => Some("transpose=cclock"),
            Turn::Half => Some("hflip,vflip"),
            Turn::MirrorH => Some("hflip"),
            Turn::MirrorV => Some("vflip"),
            Turn::Transpose => Some("transpose=cclock_flip"),
            Turn::Transverse => Some("transpose=clock_flip"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(m: [i32; 9]) -> Vec<u8> {
        m.iter().flat_map(|v| v.to_ne_bytes()).collect()
    }

    #[test]
    fn matrices() {
        let one = 1 << 16;
        assert_eq!(Turn::from_matrix(&matrix([one, 0, 0, 0, one, 0, 0, 0, 1 << 30])), Turn::None);
        // A phone held upright: QuickTime writes (0 1; -1 0).
        assert_eq!(Turn::from_matrix(&matrix([0, one, 0, -one, 0, 0, 0, 0, 1 << 30])), Turn::Right);
        assert_eq!(Turn::from_matrix(&matrix([-one, 0, 0, 0, -one, 0, 0, 0, 1 << 30])), Turn::Half);
        assert_eq!(Turn::from_matrix(&matrix([one, one, 0, -one, one, 0, 0, 0, 1 << 30])), Turn::None);
        assert_eq!(Turn::from_matrix(&[1, 2, 3]), Turn::None);
    }
}
