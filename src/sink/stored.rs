//! What an earlier run stored: read once at the start, so that numbering and playlists carry on.

use super::SinkError;
use crate::mux::{iframes, thumbnails};
use crate::time::GopId;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The most segments of one track that are taken up again; the newest stay. At 2 s each that is 11 days.
pub const MAX_SEGMENTS: usize = 500_000;

/// The most segments of one track that are looked into for their first picture, the newest ones: a day at 2 s each.
pub const MAX_PICTURES: usize = 43_200;

/// The segments that exist under `dir` for each of `tracks`, in that order, oldest first. Only whole ones: files `<track>/<number>.m4s`, not empty, the number
/// written as mezzo writes it. Anything else is left alone. A folder that is not there has none. A segment that says that the event ended with it is not
/// taken up, for the event goes on: the same feed makes it again, another one leaves a gap.
pub fn scan(dir: &Path, tracks: &[String]) -> Result<Vec<(String, Vec<GopId>)>, SinkError> {
    tracks.iter().map(|track| Ok((track.clone(), scan_track(&dir.join(track))?))).collect()
}

fn scan_track(folder: &Path) -> Result<Vec<GopId>, SinkError> {
    let mut found = numbers(folder)?;
    while found.last().is_some_and(|number| says_last(&folder.join(format!("{number}.m4s")))) {
        found.pop();
    }
    Ok(found)
}

/// As [`scan`], of one track's folder; one that says that the event ended with it is among them.
pub fn numbers(folder: &Path) -> Result<Vec<GopId>, SinkError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(SinkError::new(folder, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| SinkError::new(folder, e))?;
        let Some(number) = entry.file_name().to_str().and_then(number) else { continue };
        if entry.metadata().is_ok_and(|m| m.is_file() && m.len() > 0) {
            found.push(number);
        }
        if found.len() >= 2 * MAX_SEGMENTS {
            keep_newest(&mut found);
        }
    }
    keep_newest(&mut found);
    Ok(found)
}

/// Whether a segment says that the event ends with it: the brand `lmsg` in its `styp` (ISO/IEC 23009-1, 7.3.1).
fn says_last(path: &Path) -> bool {
    let mut head = [0; 64];
    let read = fs::File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let head = &head[..read];
    let size = head.first_chunk().map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let styp = head.get(..size.min(read)).filter(|styp| styp.get(4..8) == Some(b"styp"));
    styp.and_then(|styp| styp.get(16..)).is_some_and(|brands| brands.chunks_exact(4).any(|brand| brand == b"lmsg"))
}

/// Where the first picture of each of the segments `found` in `dir` is, of the `tracks` named: from their beginnings. One that cannot be read is left out.
pub fn pictures(dir: &Path, found: &[(String, Vec<GopId>)], tracks: &[String]) -> iframes::Stored {
    let place = |track: &str, number: GopId| {
        let mut head = Vec::new();
        fs::File::open(dir.join(track).join(format!("{number}.m4s"))).and_then(|file| file.take(iframes::HEAD).read_to_end(&mut head)).ok()?;
        iframes::Place::read(&head).map(|place| (number, place))
    };
    let named = found.iter().filter(|(track, _)| tracks.contains(track));
    named.map(|(track, numbers)| (track.clone(), numbers.iter().rev().take(MAX_PICTURES).filter_map(|number| place(track, *number)).collect())).collect()
}

/// The sheets of thumbnails that exist under `dir`: files `thumbnails/<number>.jpg`, not empty, oldest first.
pub fn sheets(dir: &Path) -> Result<Vec<GopId>, SinkError> {
    let folder = dir.join(thumbnails::NAME);
    let mut found = Vec::new();
    match fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(|e| SinkError::new(&folder, e))?;
                let named = entry.file_name().to_str().and_then(|name| number(&format!("{}.m4s", name.strip_suffix(".jpg")?)));
                found.extend(named.filter(|_| entry.metadata().is_ok_and(|m| m.is_file() && m.len() > 0)));
                if found.len() >= 2 * MAX_SEGMENTS {
                    keep_newest(&mut found);
                }
            }
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(SinkError::new(&folder, e)),
    }
    keep_newest(&mut found);
    Ok(found)
}

fn keep_newest(found: &mut Vec<GopId>) {
    found.sort_unstable();
    let surplus = found.len().saturating_sub(MAX_SEGMENTS);
    found.drain(..surplus);
}

/// The number in `<number>.m4s`, if it is written as mezzo writes it: digits, no sign, no leading zero, and within [`MAX_NUMBER`].
pub fn number(name: &str) -> Option<GopId> {
    let digits = name.strip_suffix(".m4s")?;
    let canonical = digits == "0" || (!digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    digits.parse().ok().filter(|&n| canonical && n <= MAX_NUMBER).map(GopId)
}

/// The largest number that a name is taken for: any arithmetic on the grid stays far inside 64 bits.
pub const MAX_NUMBER: i64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whole_segments_and_nothing_else() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let track = dir.path().join("v");
        fs::create_dir_all(track.join("7.m4s")).expect("a folder named as a segment");
        let names = [
            "10.m4s",
            "9.m4s",
            "0.m4s",
            "883612800.m4s",
            ".11.m4s.tmp",
            "012.m4s",
            "+5.m4s",
            "-3.m4s",
            "x.m4s",
            "12.mp4",
            "12.m4s.bak",
            "init.mp4",
            "99999999999999999999.m4s",
            "1099511627777.m4s",
            ".m4s",
        ];
        for name in names {
            fs::write(track.join(name), b"x").expect("written");
        }
        fs::write(track.join("20.m4s"), b"").expect("written");
        let found = scan(dir.path(), &["v".to_owned(), "absent".to_owned()]).expect("scan");
        let ids = |n: &[i64]| n.iter().copied().map(GopId).collect::<Vec<_>>();
        assert_eq!(found, vec![("v".to_owned(), ids(&[0, 9, 10, 883_612_800])), ("absent".to_owned(), vec![])]);
    }

    #[test]
    fn a_segment_that_ends_the_event_is_not_taken_up() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let track = dir.path().join("v");
        fs::create_dir(&track).expect("made");
        let styp = |brand: &[u8; 4]| [&[0, 0, 0, 20][..], b"styp", b"cmfs", &[0; 4], brand, b"lmsg"].concat();
        for (name, bytes) in [("3.m4s", styp(b"lmsg")), ("4.m4s", styp(b"cmfs")), ("5.m4s", styp(b"lmsg")), ("6.m4s", styp(b"lmsg"))] {
            fs::write(track.join(name), bytes).expect("written");
        }
        let found = scan(dir.path(), &["v".to_owned()]).expect("scan");
        assert_eq!(found[0].1, [GopId(3), GopId(4)], "what follows its styp is not a brand of 4; 3 was followed");
        for cut in [0, 3, 7, 15, 19] {
            fs::write(track.join("7.m4s"), &styp(b"lmsg")[..cut]).expect("written");
            scan(dir.path(), &["v".to_owned()]).expect("hostile heads are looked at");
        }
    }

    #[test]
    fn a_file_where_a_track_should_be_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().expect("temporary folder");
        fs::write(dir.path().join("v"), b"x").expect("written");
        let error = scan(dir.path(), &["v".to_owned()]).expect_err("not a folder").to_string();
        assert!(error.contains(&dir.path().join("v").display().to_string()), "{error}");
    }

    #[test]
    fn the_newest_stay() {
        let mut many: Vec<GopId> = (0..MAX_SEGMENTS as i64 + 3).rev().map(GopId).collect();
        keep_newest(&mut many);
        assert_eq!((many.len(), many.first(), many.last()), (MAX_SEGMENTS, Some(&GopId(3)), Some(&GopId(MAX_SEGMENTS as i64 + 2))));
    }
}
