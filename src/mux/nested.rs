//! Boxes in boxes that were written already: finding one, and putting more into it.

fn size(out: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*out.get(at..)?.first_chunk()?))
}

/// Where the box at `start` begins, and those of `path` in it, each in the one before.
pub fn inside(out: &[u8], start: usize, path: &[&[u8; 4]]) -> Option<Vec<usize>> {
    let mut around = vec![start];
    let mut at = start + 8;
    for kind in path {
        while out.get(at + 4..at + 8)? != *kind {
            at += size(out, at)?.max(8) as usize;
        }
        around.push(at);
        at += 8;
    }
    Some(around)
}

/// Puts `boxes` at the end of the last of the boxes that begin at `around`.
pub fn grow(out: &mut Vec<u8>, around: &[usize], boxes: &[u8]) -> Option<()> {
    let last = *around.last()?;
    let end = last + size(out, last)? as usize;
    for &at in around {
        let grown = size(out, at)?.checked_add(u32::try_from(boxes.len()).ok()?)?;
        out.get_mut(at..at + 4)?.copy_from_slice(&grown.to_be_bytes());
    }
    out.splice(end..end, boxes.iter().copied());
    Some(())
}
