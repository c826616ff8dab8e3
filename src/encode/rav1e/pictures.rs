//! Pictures out of libav's frames into rav1e's, at their size or shrunk.

use crate::ffmpeg as raw;
use ::rav1e::prelude::{ChromaSampling, Frame, Pixel};
use ffmpeg_next::frame::Video;

/// rav1e reads this far beyond the edges of a picture, in luma samples: a superblock, and what motion and its filters reach (`LUMA_PADDING` of `rav1e::frame`).
const PADDING: usize = 64 + 16 + 8;

/// The smallest side that rav1e takes.
const LEAST: usize = 16;

/// The size of a picture shrunk by `by`, even.
pub fn shrunk((width, height): (usize, usize), by: usize) -> (usize, usize) {
    ((width / by) & !1, (height / by) & !1)
}

/// By how much a picture can be shrunk, at most `most`, and still be one that rav1e takes.
pub fn divisor((width, height): (usize, usize), most: usize) -> usize {
    (1..=most).rev().find(|by| width.min(height) / by >= LEAST).unwrap_or(1)
}

/// A picture for rav1e: the mean of each `by` x `by` samples of `frame`, 4:2:0 of `size`, padded. The samples of `frame` are as wide as `T`'s.
///
/// # Errors
/// What is wrong with the frame.
pub fn picture<T: Pixel>(frame: &Video, size: (usize, usize), by: usize) -> Result<Frame<T>, String> {
    if (frame.width() as usize, frame.height() as usize) != size {
        return Err(format!("a picture of {}x{}, not {}x{}", frame.width(), frame.height(), size.0, size.1));
    }
    let bytes = std::mem::size_of::<T>();
    let depths = if bytes == 1 { 8..=8 } else { 10..=10 };
    let layout = raw::layout(frame).filter(|l| depths.contains(&l.depth) && l.components == 3 && !l.rgb && l.sub == (1, 1));
    let layout = layout
        .ok_or_else(|| format!("a {} picture of {}x{}, not one in 4:2:0 of {} bits", raw::format_name(frame), frame.width(), frame.height(), depths.start()))?;
    let (width, height) = shrunk(size, by);
    let mut out = Frame::<T>::new_with_padding(width, height, ChromaSampling::Cs420, PADDING);
    for (index, plane) in out.planes.iter_mut().enumerate() {
        let half = usize::from(index > 0);
        let (rows, columns) = (height >> half, width >> half);
        let from = (size.0 >> half, size.1 >> half);
        let (data, stride) = raw::plane(frame, layout.plane[index], from.0 * bytes, from.1).ok_or("a plane is not whole")?;
        let to = plane.cfg.stride;
        let rows = plane.data_origin_mut().chunks_mut(to).take(rows);
        if by == 1 {
            rows.zip(data.chunks(stride)).for_each(|(to, from)| copy_row(&from[..columns * bytes], &mut to[..columns]));
        } else {
            rows.zip(data.chunks(stride * by)).for_each(|(to, from)| mean_rows(from, stride, by, &mut to[..columns]));
        }
        plane.pad(width, height);
    }
    Ok(out)
}

fn copy_row<T: Pixel>(from: &[u8], to: &mut [T]) {
    match std::mem::size_of::<T>() {
        1 => to.iter_mut().zip(from).for_each(|(to, from)| *to = T::cast_from(*from)),
        _ => to.iter_mut().zip(from.chunks_exact(2)).for_each(|(to, from)| *to = T::cast_from(u16::from_le_bytes([from[0], from[1]]))),
    }
}

/// The means of each `by` samples of the rows that begin `stride` bytes apart.
fn mean_rows<T: Pixel>(rows: &[u8], stride: usize, by: usize, to: &mut [T]) {
    let mut sums = vec![0u32; to.len()];
    for row in rows.chunks(stride) {
        match std::mem::size_of::<T>() {
            1 => sums.iter_mut().zip(row.chunks_exact(by)).for_each(|(sum, from)| *sum += from.iter().map(|s| u32::from(*s)).sum::<u32>()),
            _ => {
                let samples = |from: &[u8]| from.chunks_exact(2).map(|s| u32::from(u16::from_le_bytes([s[0], s[1]]))).sum::<u32>();
                sums.iter_mut().zip(row.chunks_exact(2 * by)).for_each(|(sum, from)| *sum += samples(from));
            }
        }
    }
    let count = (by * by) as u32;
    to.iter_mut().zip(sums).for_each(|(to, sum)| *to = T::cast_from((sum + count / 2) / count));
}
