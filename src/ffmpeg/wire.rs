//! Bytes sent through one of libav's protocols.

use ffmpeg_next::{Error, ffi};
use std::ffi::{CString, c_int, c_void};
use std::io::{self, Write};
use std::ptr;

/// What libav asks whether it shall give up.
type Ask = Box<dyn FnMut() -> bool + Send>;

/// An opened connection. Closed when dropped.
pub struct Wire {
    io: *mut ffi::AVIOContext,
    /// libav holds a pointer to what is in it.
    _ask: Box<Ask>,
}

// SAFETY: libav ties an AVIOContext to no thread, and it is only ever used through `&mut self`; what it asks is `Send`.
unsafe impl Send for Wire {}

extern "C" fn asked(ask: *mut c_void) -> c_int {
    // SAFETY: `open` gave a pointer to the `Ask` that `Wire` owns for as long as libav may ask; libav asks from the thread that uses the `Wire`.
    let ask = unsafe { &mut *ask.cast::<Ask>() };
    c_int::from(ask())
}

impl Wire {
    /// Opens `url` for writing; blocks until it is connected, fails, or `give_up` says so.
    ///
    /// # Errors
    /// libav's.
    pub fn open(url: &str, give_up: impl FnMut() -> bool + Send + 'static) -> Result<Wire, Error> {
        let url = CString::new(url).map_err(|_| Error::InvalidData)?;
        let mut ask: Box<Ask> = Box::new(Box::new(give_up));
        let callback = ffi::AVIOInterruptCB { callback: Some(asked), opaque: ptr::from_mut(ask.as_mut()).cast() };
        let mut io = ptr::null_mut();
        // SAFETY: all pointers are valid for the call; libav copies the callback, whose opaque pointer is to the heap and outlives the context, for `Wire` holds both.
        let code = unsafe { ffi::avio_open2(&mut io, url.as_ptr(), ffi::AVIO_FLAG_WRITE, &callback, ptr::null_mut()) };
        if code < 0 {
            return Err(Error::from(code));
        }
        Ok(Wire { io, _ask: ask })
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = c_int::try_from(bytes.len()).unwrap_or(c_int::MAX);
        // SAFETY: `io` is open until `drop`, and `size` bytes of `bytes` can be read.
        unsafe { ffi::avio_write(self.io, bytes.as_ptr(), size) };
        Ok(size as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        // SAFETY: `io` is open until `drop`; `error` is a plain field.
        let error = unsafe {
            ffi::avio_flush(self.io);
            (*self.io).error
        };
        if error < 0 { Err(io::Error::other(Error::from(error).to_string())) } else { Ok(()) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // SAFETY: `io` was opened by `avio_open2` and is closed once.
        unsafe { ffi::avio_closep(&mut self.io) };
    }
}
