//! The `Range` header (RFC 9110 section 14), one range of bytes at a time.

use std::ops::RangeInclusive;

/// What of a body is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// All: no range, one of another unit, several, or one that cannot be read (which the RFC has servers ignore).
    Whole,
    /// These bytes, both ends included and within the body.
    Bytes(RangeInclusive<usize>),
    /// Bytes that the body does not have.
    None,
}

/// Reads the value of a `Range` header against a body of `length` bytes.
pub(super) fn parse(value: &str, length: usize) -> Part {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|r| r.trim().split_once('-')) else { return Part::Whole };
    // Digits only (`parse` takes a sign, too); more of them than a number holds are as good as the largest.
    let number = |text: &str| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().unwrap_or(usize::MAX));
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => clip(first, usize::MAX, length),
        (Some(first), Some(last)) if first <= last => clip(first, last, length),
        (None, Some(0)) if first.is_empty() => Part::None,
        (None, Some(suffix)) if first.is_empty() => clip(length.saturating_sub(suffix), usize::MAX, length),
        _ => Part::Whole,
    }
}

fn clip(first: usize, last: usize, length: usize) -> Part {
    if first >= length { Part::None } else { Part::Bytes(first..=last.min(length - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_rfc_has() {
        let cases = [
            ("bytes=0-4", Part::Bytes(0..=4)),
            ("bytes=5-", Part::Bytes(5..=9)),
            ("bytes=-3", Part::Bytes(7..=9)),
            ("bytes=-30", Part::Bytes(0..=9)),
            ("bytes=9-9", Part::Bytes(9..=9)),
            ("bytes=2-99999999999999999999999999", Part::Bytes(2..=9)),
            ("bytes=10-", Part::None),
            ("bytes=99999999999999999999999999-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=4-3", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("", Part::Whole),
        ];
        for (value, part) in cases {
            assert_eq!(parse(value, 10), part, "{value:?}");
        }
        assert_eq!(parse("bytes=0-", 0), Part::None);
    }
}
