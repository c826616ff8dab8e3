//! Bits from bytes, most significant first, as ITU-T H.265 and the AV1 specification write their syntax. Reading past the end gives nothing, never a panic.

/// A place in some bytes, counted in bits.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// From the first bit of `bytes` on.
    pub fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0 }
    }

    /// One bit.
    pub fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// `n` bits, at most 32: `f(n)` and `u(n)`.
    pub fn take(&mut self, n: u32) -> Option<u32> {
        debug_assert!(n <= 32, "a number of more than 32 bits");
        let mut value = 0u64;
        for _ in 0..n {
            value = value << 1 | u64::from(self.flag()?);
        }
        u32::try_from(value).ok()
    }

    /// Passes over `n` bits.
    pub fn skip(&mut self, n: usize) -> Option<()> {
        self.at = self.at.checked_add(n).filter(|at| *at <= self.bytes.len() * 8)?;
        Some(())
    }

    /// An Exp-Golomb number: `ue(v)` of H.265, `uvlc()` of AV1. At most 2^32 - 2, as both have it.
    pub fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        (1u32 << zeros).checked_sub(1)?.checked_add(rest)
    }

    /// A signed one: `se(v)`.
    pub fn signed_golomb(&mut self) -> Option<i64> {
        let n = i64::from(self.golomb()?);
        Some(if n % 2 == 1 { n / 2 + 1 } else { -(n / 2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standards_write_them() {
        // 1 | 010 | 011 | 00100 | 00101 | 101 and nothing more.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1101_0000]);
        assert_eq!([bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()], [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(bits.signed_golomb(), Some(-2));
        assert_eq!((bits.take(3), bits.take(4), bits.take(1)), (Some(0b101), Some(0), None));
        assert_eq!(Bits::new(&[0; 9]).golomb(), None, "more zeros than a number has");
        assert_eq!(Bits::new(&[0xff]).skip(9), None);
    }
}
