//! Files, named FIFOs and standard input.

use super::describe::describe;
use super::libav::{Nature, options, start_libav, words};
use super::pipe::Pipe;
use super::renumber::{PACKET, Renumbered};
use super::watch::Watch;
use super::{CaptureError, Opened};
use crate::job::{Pace, Select};
use crate::stop::Stop;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::StreamIo;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Microseconds of media that are read to find out what a file's streams are, where the usual amount has no picture: sound may begin long before it.
const LONG_LOOK: &str = "120000000";

/// Opens a file or a named FIFO.
pub fn open_path(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    let text = url.strip_prefix("file:").unwrap_or(url);
    if text.is_empty() || text.contains('\0') {
        return Err(fail("this is not a path; a media file, `-`, udp://, or another URL is accepted".to_owned()));
    }
    let path = Path::new(text);
    let kind = std::fs::metadata(path).map_err(|e| fail(format!("{}; a media file is needed", words(&e))))?.file_type();
    if kind.is_fifo() {
        let pipe = Pipe::fifo(path, stop).map_err(|e| fail(words(&e)))?;
        return open_pipe(url, pipe, select, stop);
    }
    if !kind.is_file() {
        return Err(fail(format!("this is a {}; a media file is needed", if kind.is_dir() { "directory" } else { "device or socket" })));
    }
    let file = File::open(path).map_err(|e| fail(words(&e)))?;
    drop(file);
    start_libav();
    match open_file(url, text, &[], select, stop) {
        Err(error @ CaptureError::Open { .. }) if !stop.is_raised() => open_file(url, text, &[("analyzeduration", LONG_LOOK)], select, stop).map_err(|_| error),
        opened => opened,
    }
}

fn open_file(url: &str, path: &str, specific: &[(&str, &str)], select: &Select, stop: &Stop) -> Opened {
    let watch = Watch::new(stop);
    let opened = match transport(path) {
        Some(file) => StreamIo::from_read_seek(Renumbered::new(file))
            .and_then(|io| ffmpeg::format::input_from_stream_with_interrupt(io, Some(path), Some(options(specific)), watch.closure())),
        None => ffmpeg::format::input_with_interrupt_and_dictionary(&format!("file:{path}"), watch.closure(), options(specific)),
    };
    let context = opened.map_err(|e| {
        let invalid = "this is not a media file that libav knows, or it is broken beyond use; a file of MPEG-TS, MP4, Matroska or the like is accepted";
        CaptureError::Open { url: url.to_owned(), why: watch.explain(e, invalid) }
    })?;
    describe(url, context, select, &watch, Nature::File)
}

/// A file that begins as a transport stream does.
fn transport(path: &str) -> Option<File> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; 3 * PACKET];
    file.read_exact(&mut head).ok()?;
    let synced = (0..PACKET).any(|from| (from..head.len()).step_by(PACKET).all(|at| head[at] == 0x47));
    file.rewind().ok()?;
    synced.then_some(file)
}

/// Opens standard input.
pub fn open_stdin(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    let pipe = Pipe::stdin(stop).map_err(|e| CaptureError::Open { url: url.to_owned(), why: words(&e) })?;
    open_pipe(url, pipe, select, stop)
}

fn open_pipe(url: &str, pipe: Pipe, select: &Select, stop: &Stop) -> Opened {
    open_stream(url, pipe, "what the pipe carries", select, stop, Nature::Pipe)
}

/// Opens what a reader delivers. The reader returns `Interrupted` at least every 50 ms. What is carried must stand for itself: a playlist in it opens nothing.
pub fn open_stream(url: &str, reader: impl std::io::Read + Send + 'static, what: &str, select: &Select, stop: &Stop, nature: Nature) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    start_libav();
    let watch = Watch::new(stop);
    let io = StreamIo::from_read(Renumbered::new(reader)).map_err(|e| fail(e.to_string()))?;
    let context = ffmpeg::format::input_from_stream_with_interrupt(io, None, Some(options(&[("protocol_whitelist", "pipe")])), watch.closure())
        .map_err(|e| fail(watch.explain(e, &format!("{what} is not media that libav can read without seeking (MPEG-TS is best)"))))?;
    describe(url, context, select, &watch, nature)
}
