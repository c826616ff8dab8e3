//! A still picture to show while the feed is away: read once, at the start, into what the downscaler takes for a source's picture.

use super::convert::Planar;
use crate::capture::start_libav;
use crate::colour::{HdrMetadata, Signal, Target, VideoRange};
use crate::downscale::Chain;
use crate::ffmpeg::{codec_facts, has_alpha, open_decoder, tag_still};
use crate::frame::Picture;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::format::context::StreamIo;
use ffmpeg_next::frame::Video;
use ffmpeg_next::media::Type;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::{Dictionary, Packet};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;
/// The least and the largest side.
const SIDES: std::ops::RangeInclusive<u32> = 16..=8192;
/// Packets that are read to get at the first picture.
const MOST_PACKETS: u32 = 64;

/// What would be accepted.
pub const ACCEPTED: &str = "accepted: black, or the file of a picture of 16 to 8192 pixels each way that libav reads (PNG, JPEG, WebP, BMP, TIFF and the like)";

/// Why a picture cannot be shown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}: {why}; {ACCEPTED}", .file.display())]
pub struct SlateError {
    /// As given.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// The picture, and what names it. Two are equal where their files have the same bytes.
#[derive(Clone)]
pub struct Slate {
    picture: Picture,
    digest: String,
    size: (u32, u32),
}

impl Slate {
    /// Reads and decodes a file. The picture is SDR, BT.709 in limited range, with an even number of pixels each way; what is transparent in it is black.
    ///
    /// # Errors
    /// It is not there, or is no picture that can be shown.
    pub fn read(file: &Path) -> Result<Slate, SlateError> {
        let bytes = load(file).and_then(|bytes| if bytes.is_empty() { Err("it is empty".to_owned()) } else { Ok(bytes) });
        let made = bytes.and_then(|bytes| {
            let digest = Sha256::digest(&bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            let decoded = flat(decode(bytes)?)?;
            let size = (decoded.width(), decoded.height());
            Ok(Slate { picture: sdr(decoded)?, digest, size })
        });
        made.map_err(|why| SlateError { file: file.to_owned(), why })
    }

    /// The picture, in host memory. Shared: it is the same one every time.
    pub fn picture(&self) -> Picture {
        self.picture.clone()
    }

    /// The first half of the SHA-256 of its file, in hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl PartialEq for Slate {
    fn eq(&self, other: &Slate) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Slate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a picture of {}x{} ({})", self.size.0, self.size.1, self.digest)
    }
}

fn load(file: &Path) -> Result<Vec<u8>, String> {
    let words = |e: std::io::Error| if e.kind() == std::io::ErrorKind::NotFound { "there is no such file".to_owned() } else { e.to_string() };
    let found = std::fs::metadata(file).map_err(words)?;
    if !found.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(file).map_err(words)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(words)?;
    if bytes.len() as u64 > MOST_BYTES { Err(format!("it has more than {} MiB", MOST_BYTES >> 20)) } else { Ok(bytes) }
}

/// The first picture of what these bytes hold. They stand for themselves: nothing that is named in them is opened.
fn decode(bytes: Vec<u8>) -> Result<Video, String> {
    start_libav();
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", "data");
    let unknown = |e: ffmpeg::Error| format!("libav does not read it ({e})");
    let io = StreamIo::from_read_seek(Cursor::new(bytes)).map_err(unknown)?;
    let mut input = ffmpeg::format::input_from_stream_with_interrupt(io, None, Some(options), || false).map_err(unknown)?;
    let stream = input.streams().best(Type::Video).ok_or("there is no picture in it")?;
    let (index, base) = (stream.index(), stream.time_base());
    let facts = codec_facts(&stream.parameters());
    let side = |n: i32| u32::try_from(n).is_ok_and(|n| SIDES.contains(&n));
    if !side(facts.width) || !side(facts.height) {
        return Err(format!("it has {}x{} pixels", facts.width, facts.height));
    }
    let mut decoder = open_decoder(&stream.parameters().clone(), (base.numerator(), base.denominator()), 1).map_err(unknown)?;
    let (mut picture, mut failed) = (Video::empty(), None);
    for _ in 0..MOST_PACKETS {
        let mut packet = Packet::empty();
        if packet.read(&mut input).is_err() {
            break;
        }
        if packet.stream() == index {
            failed = decoder.send_packet(&packet).err().or(failed);
            if decoder.receive_frame(&mut picture).is_ok() {
                return whole(picture);
            }
        }
    }
    if decoder.send_eof().is_ok() && decoder.receive_frame(&mut picture).is_ok() {
        return whole(picture);
    }
    Err(failed.map_or_else(|| "there is no picture in it".to_owned(), |e| format!("its picture does not decode ({e})")))
}

fn whole(picture: Video) -> Result<Video, String> {
    if picture.has_decode_errors() || picture.is_corrupt() {
        return Err("its picture is damaged".to_owned());
    }
    if !SIDES.contains(&picture.width()) || !SIDES.contains(&picture.height()) {
        return Err(format!("it has {}x{} pixels", picture.width(), picture.height()));
    }
    Ok(picture)
}

/// Without transparency: over black.
fn flat(picture: Video) -> Result<Video, String> {
    let format = picture.format();
    if !has_alpha(format) {
        return Ok(picture);
    }
    let (width, height) = (picture.width(), picture.height());
    let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::BITEXACT | Flags::FULL_CHR_H_INP;
    let mut rgba = Video::empty();
    Context::get(format, width, height, Pixel::RGBA, width, height, flags)
        .and_then(|mut scaler| scaler.run(&picture, &mut rgba))
        .map_err(|e| format!("its transparency cannot be made opaque ({e})"))?;
    let mut rgb = Video::new(Pixel::RGB24, width, height);
    let (from, to) = (rgba.stride(0), rgb.stride(0));
    for (above, below) in rgba.data(0).chunks(from).zip(rgb.data_mut(0).chunks_mut(to)).take(height as usize) {
        for (pixel, made) in above.chunks_exact(4).zip(below.chunks_exact_mut(3)).take(width as usize) {
            let opaque = u32::from(pixel[3]);
            made.iter_mut().zip(pixel).for_each(|(out, sample)| *out = ((u32::from(*sample) * opaque + 127) / 255) as u8);
        }
    }
    Ok(rgb)
}

/// In the form of a source's picture that every rung can be made of, which also shows that it can.
fn sdr(mut picture: Video) -> Result<Picture, String> {
    let even = |side: u32| side.next_multiple_of(2);
    let target = Target { width: even(picture.width()), height: even(picture.height()), signal: Signal { depth: 8, range: VideoRange::Sdr } };
    tag_still(&mut picture);
    let planar = Planar::default().make(picture).map_err(|e| format!("its pixels cannot be read ({e})"))?;
    let chain = Chain::new(&[target], &HdrMetadata::default());
    let made = chain.and_then(|mut chain| chain.scale(&Arc::new(planar))).map_err(|e| e.to_string())?;
    made.into_iter().next().ok_or_else(|| "it cannot be scaled".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A picture made by FFmpeg's own tool.
    fn still(folder: &Path, name: &str, source: &str) -> PathBuf {
        let path = folder.join(name);
        let done = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", "1"]).arg(&path).status();
        assert!(done.expect("ffmpeg runs").success(), "{name}");
        path
    }

    fn luma_and_chroma(slate: &Slate, x: usize, y: usize) -> [u8; 3] {
        let picture = slate.picture();
        let picture = picture.host().expect("in host memory");
        [picture.data(0)[y * picture.stride(0) + x], picture.data(1)[y / 2 * picture.stride(1) + x / 2], picture.data(2)[y / 2 * picture.stride(2) + x / 2]]
    }

    #[test]
    fn every_usual_kind_of_picture_shows_its_colours() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["a.png", "a.jpg", "a.bmp", "a.tiff", "a.webp"] {
            // Red is 63, 102, 240 in BT.709.
            let slate = Slate::read(&still(dir.path(), name, "color=red:size=641x363,format=rgb24")).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(slate.size, (641, 363), "{name}");
            let seen = luma_and_chroma(&slate, 320, 180);
            let near = seen.iter().zip([63, 102, 240]).all(|(seen, wanted)| seen.abs_diff(wanted) <= 2);
            assert!(near, "{name}: {seen:?}");
            let picture = slate.picture();
            let picture = picture.host().expect("in host memory");
            assert_eq!((picture.width(), picture.height(), picture.format()), (642, 364, Pixel::YUV420P), "{name}");
        }
    }

    #[test]
    fn what_is_transparent_is_black() {
        let dir = tempfile::tempdir().expect("a folder");
        let clear = Slate::read(&still(dir.path(), "clear.png", "color=red@0.0:size=64x64,format=rgba")).expect("a picture");
        assert_eq!(luma_and_chroma(&clear, 20, 20), [16, 128, 128]);
        let half = Slate::read(&still(dir.path(), "half.png", "color=white@0.5:size=64x64,format=rgba")).expect("a picture");
        let [luma, ..] = luma_and_chroma(&half, 20, 20);
        assert!((120..=132).contains(&luma), "{luma}");
    }

    #[test]
    fn equal_bytes_are_one_picture() {
        let dir = tempfile::tempdir().expect("a folder");
        let [one, other] = ["red", "blue"].map(|colour| still(dir.path(), &format!("{colour}.png"), &format!("color={colour}:size=64x64")));
        let copy = dir.path().join("copy");
        std::fs::copy(&one, &copy).expect("copied");
        let [one, other, copy] = [one, other, copy].map(|path| Slate::read(&path).expect("a picture"));
        assert!(one == copy && one != other, "{one:?} {other:?} {copy:?}");
        assert_eq!(one.digest().len(), 32);
    }

    #[test]
    fn what_is_no_picture_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let good = std::fs::read(still(dir.path(), "good.png", "testsrc2=size=320x180")).expect("read");
        let small = still(dir.path(), "small.png", "color=red:size=8x8");
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).map(|()| path).expect("written")
        };
        for (path, why) in [
            (dir.path().join("absent.png"), "there is no such file"),
            (dir.path().to_owned(), "it is not a file"),
            (put("empty.png", b""), "it is empty"),
            (put("text.png", b"this is no picture, whatever its name says. this is no picture"), "libav does not read it"),
            (put("playlist.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"), ""),
            (put("head.png", good.get(..60).expect("long")), ""),
            (small, "it has 8x8 pixels"),
        ] {
            let error = Slate::read(&path).expect_err("no picture");
            let said = error.to_string();
            assert!(said.contains(&path.display().to_string()) && said.contains(why) && said.contains("accepted: black, or"), "{said}");
        }
    }
}
