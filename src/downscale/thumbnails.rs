//! Sheets of thumbnails out of the pictures of the smallest rung: scaled to tiles, put together, coded as JPEG. A sheet is a function of its pictures, and is made whole or not at all.

use super::colour;
use super::{DownscaleError, convert, options};
use crate::colour::{Signal, Target};
use crate::ffmpeg::FramePool;
use crate::frame::{End, Flow, Frame, Picture};
use crate::mux::thumbnails::{Layout, Sheet};
use crate::time::GopId;
use crossbeam::channel::{Receiver, Sender, TrySendError};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use hwaccel::host::{Format, Scaler};

/// JPEG's quantizers, as libav counts them (2 to 31): the first that keeps a sheet within its budget.
const QUANTIZERS: [i32; 5] = [4, 7, 12, 20, 31];

/// Why there are no sheets.
#[derive(Debug, thiserror::Error)]
pub enum ThumbnailError {
    /// A tile cannot be scaled.
    #[error("thumbnails: {0}")]
    Scale(#[from] DownscaleError),
    /// A sheet cannot be coded.
    #[error("thumbnails: JPEG: {0}")]
    Code(#[from] ffmpeg::Error),
}

/// Where the stage before gives away its pictures.
pub struct Tap {
    /// Which GOPs are wanted.
    pub layout: Layout,
    /// Which of the pictures.
    pub target: Target,
    /// To [`run`]. When full: at `--pace live` the picture is left out, and its sheet with it; at `fast` the stage waits.
    pub tx: Sender<Flow<(GopId, Picture)>>,
    /// Whether nothing may wait.
    pub live: bool,
}

impl Tap {
    /// Whether a picture of this slot is wanted.
    pub fn wants(&self, frame: &Frame) -> bool {
        frame.opens_gop && self.layout.place(frame.gop).is_some()
    }

    /// Gives one away. Who makes sheets may have failed, and has said so.
    pub fn give(&self, gop: GopId, picture: &Picture) {
        let item = Flow::Item((gop, picture.clone()));
        match if self.live { self.tx.try_send(item) } else { self.tx.send(item).map_err(|e| TrySendError::Disconnected(e.0)) } {
            Err(TrySendError::Full(_)) => tracing::warn!(segment = gop.0, "no time for its thumbnail: its sheet is left out"),
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Nothing follows.
    pub fn end(&self, end: End) {
        let _ = self.tx.send(Flow::End(end));
    }
}

/// The thread: pictures in, sheets out, until the end. A sheet that is not whole is left out, unless the event ends in it: the rest of it is black then.
///
/// # Errors
/// A picture that cannot be scaled or coded. Nobody waits for sheets: the event goes on without them.
pub fn run(layout: Layout, target: Target, rx: &Receiver<Flow<(GopId, Picture)>>, tx: &Sender<Sheet>) -> Result<(), ThumbnailError> {
    let mut maker = Maker::new(layout, target)?;
    let mut open: Option<(i64, u32, Video)> = None;
    let send = |number: i64, sheet: &Video| -> Result<bool, ThumbnailError> { Ok(tx.send(Sheet { number, bytes: coded(sheet, layout.budget())? }).is_ok()) };
    for item in rx {
        let (gop, picture) = match item {
            Flow::Item(item) => item,
            Flow::End(end) => {
                if let Some((number, _, sheet)) = open.filter(|_| end == End::Ended) {
                    send(number, &sheet)?;
                }
                return Ok(());
            }
        };
        let Some((number, tile)) = layout.place(gop) else { continue };
        let (number, sheet) = match open.take() {
            Some((known, next, sheet)) if known == number && next == tile => (known, sheet),
            _ if tile == 0 => (number, blank(layout.sheet())),
            _ => continue,
        };
        // A picture that a device does not give costs its sheet.
        let Ok(picture) = picture.host() else { continue };
        let sheet = maker.put(picture, tile, sheet)?;
        if tile + 1 < layout.tiles() {
            open = Some((number, tile + 1, sheet));
        } else if !send(number, &sheet)? {
            return Ok(());
        }
    }
    Ok(())
}

struct Maker {
    layout: Layout,
    scaler: Scaler,
    pool: FramePool,
}

impl Maker {
    fn new(layout: Layout, target: Target) -> Result<Maker, DownscaleError> {
        let source = colour::target(&target);
        // JFIF: BT.601, full range, chroma in the middle.
        let tile = Format { width: layout.width, height: layout.height, depth: 8, full_range: true, matrix: 6, chroma_location: 1, ..source };
        let size = DownscaleError::Size { width: layout.width, height: layout.height };
        let pool = FramePool::new(layout.width, layout.height, Signal::SDR).ok_or(size)?;
        Ok(Maker { layout, scaler: Scaler::new(&source, &tile, &options())?, pool })
    }

    /// `picture` as a tile of `sheet`.
    fn put(&mut self, picture: &Video, tile: u32, mut sheet: Video) -> Result<Video, DownscaleError> {
        let Layout { width, height, .. } = self.layout;
        let mut small = self.pool.get().ok_or(DownscaleError::Memory { width, height })?;
        let from = *self.scaler.source();
        convert(&mut self.scaler, picture, &from, [0, 1, 2], &mut small)?;
        let (left, top) = self.layout.corner(tile);
        for plane in 0..3 {
            let half = |n: u32| (if plane == 0 { n } else { n / 2 }) as usize;
            let (from, to) = (small.stride(plane), sheet.stride(plane));
            let target = sheet.data_mut(plane);
            for row in 0..half(height) {
                let start = (half(top) + row) * to + half(left);
                target[start..start + half(width)].copy_from_slice(&small.data(plane)[row * from..row * from + half(width)]);
            }
        }
        Ok(sheet)
    }
}

/// A black sheet.
fn blank((width, height): (u32, u32)) -> Video {
    let mut sheet = Video::new(Pixel::YUVJ420P, width, height);
    sheet.data_mut(0).fill(0);
    sheet.data_mut(1).fill(128);
    sheet.data_mut(2).fill(128);
    sheet
}

/// As JPEG of at most `budget` bytes, or else as coarse as it gets. One thread, and nothing in it that depends on the machine beyond its instruction set.
fn coded(sheet: &Video, budget: u64) -> Result<Vec<u8>, ffmpeg::Error> {
    let mut bytes = Vec::new();
    for quantizer in QUANTIZERS {
        bytes = jpeg(sheet, quantizer)?;
        if bytes.len() as u64 <= budget {
            break;
        }
    }
    Ok(bytes)
}

fn jpeg(sheet: &Video, quantizer: i32) -> Result<Vec<u8>, ffmpeg::Error> {
    let codec = ffmpeg::encoder::find(ffmpeg::codec::Id::MJPEG).ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut context = ffmpeg::codec::Context::new_with_codec(codec);
    context.set_flags(ffmpeg::codec::Flags::BITEXACT);
    let mut video = context.encoder().video()?;
    video.set_width(sheet.width());
    video.set_height(sheet.height());
    video.set_format(Pixel::YUVJ420P);
    video.set_color_range(ffmpeg::color::Range::JPEG);
    video.set_time_base((1, 1));
    video.set_qmin(quantizer);
    video.set_qmax(quantizer);
    let options = [("threads", "1"), ("huffman", "optimal")];
    let mut encoder = video.open_as_with(codec, options.into_iter().collect())?;
    let mut sheet = sheet.clone();
    sheet.set_pts(Some(0));
    encoder.send_frame(&sheet)?;
    encoder.send_eof()?;
    let mut packet = ffmpeg::Packet::empty();
    encoder.receive_packet(&mut packet)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{pattern, rendition, sdr};
    use crate::time::Rate;
    use crossbeam::channel::unbounded;
    use std::sync::Arc;

    fn made(gops: impl Iterator<Item = i64>, end: End) -> Vec<Sheet> {
        let rung = rendition((320, 180), Rate::new(25, 1).expect("legal"), 50, 500_000, &["x264"]);
        let (layout, target) = Layout::of(std::slice::from_ref(&rung), rung.grid).expect("there is one");
        assert_eq!(target, sdr((320, 180)));
        let ((tx, rx), (out, sheets)) = (unbounded(), unbounded());
        gops.for_each(|gop| tx.send(Flow::Item((GopId(gop), Picture::Cpu(pattern(320, 180, gop as u32))))).expect("open"));
        tx.send(Flow::End(end)).expect("open");
        run(layout, target, &rx, &out).expect("makes sheets");
        drop(out);
        sheets.iter().collect()
    }

    fn decoded(bytes: &[u8]) -> Video {
        let codec = ffmpeg::decoder::find(ffmpeg::codec::Id::MJPEG).expect("libav has it");
        let mut decoder = ffmpeg::codec::Context::new_with_codec(codec).decoder().video().expect("opens");
        decoder.send_packet(&ffmpeg::Packet::copy(bytes)).expect("is JPEG");
        decoder.send_eof().expect("ends");
        let mut picture = Video::empty();
        decoder.receive_frame(&mut picture).expect("decodes");
        picture
    }

    /// Mean luma of a tile, as a screen shows it (0 to 255).
    fn brightness(sheet: &Video, tile: (usize, usize)) -> usize {
        let rows = (0..144).flat_map(|row| &sheet.data(0)[(tile.1 * 144 + row) * sheet.stride(0) + tile.0 * 256..][..256]);
        rows.map(|luma| usize::from(*luma)).sum::<usize>() / (144 * 256)
    }

    #[test]
    fn whole_sheets_and_the_last_of_an_event() {
        let all = made(7..33, End::Ended);
        assert_eq!(all.iter().map(|sheet| sheet.number).collect::<Vec<_>>(), [1, 2, 3]);
        let whole = decoded(&all[0].bytes);
        assert_eq!((whole.width(), whole.height(), whole.format()), (1280, 288, Pixel::YUVJ420P));
        assert!((0..5).all(|x| brightness(&whole, (x, 0)) > 20 && brightness(&whole, (x, 1)) > 20));
        let last = decoded(&all[2].bytes);
        assert!(brightness(&last, (2, 0)) > 20 && brightness(&last, (3, 0)) < 3 && brightness(&last, (4, 1)) < 3);
        // Who leaves does not end the event; one that lacks a picture is left out.
        assert_eq!(made(10..33, End::Leaving).iter().map(|sheet| sheet.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(made((10..40).filter(|gop| *gop != 25), End::Ended).iter().map(|sheet| sheet.number).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn the_same_bytes_whenever_it_began_and_within_the_budget() {
        let (early, late) = (made(0..20, End::Ended), made(10..20, End::Ended));
        assert_eq!(early[1], late[0]);
        assert!(early.iter().all(|sheet| sheet.bytes.len() as u64 <= 1280 * 288 / 4), "{}", early[0].bytes.len());
        // What cannot be coded finely within it: noise.
        let mut noise = blank((1280, 288));
        let mut state = 1u32;
        noise.data_mut(0).iter_mut().for_each(|luma| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *luma = (state >> 24) as u8;
        });
        let fine = jpeg(&noise, QUANTIZERS[0]).expect("codes").len();
        let kept = coded(&noise, 1280 * 288 / 4).expect("codes").len();
        assert!(kept < fine / 2, "{kept} of {fine}");
    }

    /// JFIF's colours: white of a screen comes out as white.
    #[test]
    fn limited_range_becomes_full() {
        let mut white = Video::new(Pixel::YUV420P, 320, 180);
        white.data_mut(0).fill(235);
        white.data_mut(1).fill(128);
        white.data_mut(2).fill(128);
        let rung = rendition((320, 180), Rate::new(25, 1).expect("legal"), 50, 500_000, &["x264"]);
        let (layout, target) = Layout::of(std::slice::from_ref(&rung), rung.grid).expect("there is one");
        let mut maker = Maker::new(layout, target).expect("opens");
        let sheet = maker.put(&Arc::new(white), 0, blank(layout.sheet())).expect("scales");
        assert!(brightness(&sheet, (0, 0)) >= 254);
    }
}
