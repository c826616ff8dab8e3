//! What a path names. Names are taken as mezzo writes them and no other way: nothing is decoded, so nothing can be smuggled.

use crate::sink::stored::{self, MAX_NUMBER};
use crate::time::GopId;

/// A media path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place<'a> {
    pub track: &'a str,
    pub number: GopId,
    /// Of a part of the segment: which, from 0.
    pub part: Option<usize>,
}

impl Place<'_> {
    /// Reads `<track>/<number>.m4s` and `<track>/<number>.<part>.m4s`.
    pub fn of(path: &str) -> Option<Place<'_>> {
        let (track, name) = path.split_once('/')?;
        if let Some(number) = stored::number(name) {
            return Some(Place { track, number, part: None });
        }
        let (number, part) = name.strip_suffix(".m4s")?.split_once('.')?;
        let number = GopId(canonical(number).filter(|n| *n <= MAX_NUMBER)?);
        Some(Place { track, number, part: Some(usize::try_from(canonical(part)?).ok()?) })
    }
}

/// A number without a sign or leading zeros.
fn canonical(digits: &str) -> Option<i64> {
    let plain = digits == "0" || (!digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_segments_and_parts_and_nothing_else() {
        let place = |number, part| Some(Place { track: "v", number: GopId(number), part });
        assert_eq!(Place::of("v/12.m4s"), place(12, None));
        assert_eq!(Place::of("v/0.m4s"), place(0, None));
        assert_eq!(Place::of("v/12.0.m4s"), place(12, Some(0)));
        assert_eq!(Place::of("v/1099511627776.17.m4s"), place(MAX_NUMBER, Some(17)));
        for path in [
            "v/012.0.m4s",
            "v/12.00.m4s",
            "v/12..m4s",
            "v/.0.m4s",
            "v/12.0.0.m4s",
            "v/-1.0.m4s",
            "v/12.+0.m4s",
            "v/12.0",
            "v/12.0.m4s/",
            "12.0.m4s",
            "v/1099511627777.0.m4s",
            "v/1.99999999999999999999.m4s",
            "v/../v/1.m4s",
        ] {
            assert_eq!(Place::of(path), None, "{path}");
        }
    }
}
