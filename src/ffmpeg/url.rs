//! Bytes behind a URL, read by libav's own protocols without a demuxer.

use super::ffi;
use ffmpeg_next::{Dictionary, Error};
use std::ffi::{CString, c_int, c_void};
use std::ptr;

/// What libav asks whether it should give up.
type Interrupt = Box<dyn FnMut() -> bool + Send>;

/// An opened URL.
pub struct UrlReader {
    io: *mut ffi::AVIOContext,
    /// Where libav's callback points to; it must not move or go while `io` is open.
    _interrupt: Box<Interrupt>,
}

// SAFETY: the context is used by one owner through `&mut` alone, and libav ties it to no thread; the closure is `Send`.
unsafe impl Send for UrlReader {}

extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    // SAFETY: `opaque` is the address of the boxed closure that the `UrlReader` keeps for as long as the context is open; libav calls from inside calls that
    // this reader makes, one at a time.
    let interrupt = unsafe { &mut *opaque.cast::<Interrupt>() };
    c_int::from(interrupt())
}

impl UrlReader {
    /// Opens `url` for reading; `interrupt` is asked ten times a second whether to give up.
    ///
    /// # Errors
    /// libav's; [`Error::Exit`] where it was interrupted.
    pub fn open(url: &str, options: Dictionary<'_>, interrupt: impl FnMut() -> bool + Send + 'static) -> Result<UrlReader, Error> {
        let url = CString::new(url).map_err(|_| Error::InvalidData)?;
        let mut interrupt: Box<Interrupt> = Box::new(Box::new(interrupt));
        let opaque = ptr::from_mut::<Interrupt>(&mut interrupt).cast::<c_void>();
        let callback = ffi::AVIOInterruptCB { callback: Some(interrupted), opaque };
        let mut io = ptr::null_mut();
        // SAFETY: `disown` hands over a dictionary that libav may change and that is owned again afterwards; `url` ends with a NUL; `callback` is copied by libav
        // and points to the box that is kept beside the context.
        let opened = unsafe {
            let mut raw = options.disown();
            let opened = ffi::avio_open2(&mut io, url.as_ptr(), ffi::AVIO_FLAG_READ as c_int, &callback, &mut raw);
            drop(Dictionary::own(raw));
            opened
        };
        if opened < 0 { Err(Error::from(opened)) } else { Ok(UrlReader { io, _interrupt: interrupt }) }
    }

    /// Reads what is there, at least one byte.
    ///
    /// # Errors
    /// libav's; [`Error::Eof`] at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let size = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: the context is open, and `buffer` has room for `size` bytes.
        let read = unsafe { ffi::avio_read_partial(self.io, buffer.as_mut_ptr(), size) };
        match usize::try_from(read) {
            Ok(0) => Err(Error::Eof),
            Ok(read) => Ok(read),
            Err(_) => Err(Error::from(read)),
        }
    }
}

impl Drop for UrlReader {
    fn drop(&mut self) {
        // SAFETY: it was opened by `avio_open2` and is closed once; the pointer is set to null.
        unsafe { ffi::avio_closep(&mut self.io) };
    }
}
