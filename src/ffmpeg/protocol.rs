//! libav's protocols as readers of bytes.

use super::ffi;
use ffmpeg_next::{Dictionary, Error};
use std::ffi::{CString, c_int, c_void};
use std::io;
use std::ptr;

type Interrupt = Box<dyn FnMut() -> bool + Send>;

/// A connection of one of libav's protocols (`srt://`, `tcp://`, `rist://`), as its bytes come.
pub struct ProtocolBytes {
    context: *mut ffi::AVIOContext,
    /// What `context` refers to for as long as it lives.
    _interrupt: Box<Interrupt>,
}

// SAFETY: the context is owned by one `ProtocolBytes` and used through `&mut` only; libav ties it to no thread, and the closure may move between threads.
unsafe impl Send for ProtocolBytes {}

impl ProtocolBytes {
    /// Connects. `interrupt` is asked while it connects and while it waits; true ends either.
    ///
    /// # Errors
    /// libav's; [`Error::Exit`] after an interrupt.
    pub fn open(url: &str, options: Dictionary<'_>, interrupt: impl FnMut() -> bool + Send + 'static) -> Result<ProtocolBytes, Error> {
        let url = CString::new(url).map_err(|_| Error::InvalidData)?;
        let mut interrupt: Box<Interrupt> = Box::new(Box::new(interrupt));
        let opaque = ptr::from_mut(&mut *interrupt).cast::<c_void>();
        let callback = ffi::AVIOInterruptCB { callback: Some(asked), opaque };
        let mut context = ptr::null_mut();
        // SAFETY: the string ends in a zero and outlives the call; `options` is a dictionary that libav may replace, and what it leaves of it is owned and freed again;
        // libav copies the callback, whose opaque is a box that is kept beside the context until that is closed.
        let done = unsafe {
            let mut options = options.disown();
            let done = ffi::avio_open2(&raw mut context, url.as_ptr(), ffi::AVIO_FLAG_READ, &raw const callback, &raw mut options);
            drop(Dictionary::own(options));
            done
        };
        if done < 0 { Err(Error::from(done)) } else { Ok(ProtocolBytes { context, _interrupt: interrupt }) }
    }
}

/// What libav calls to ask whether to go on.
unsafe extern "C" fn asked(opaque: *mut c_void) -> c_int {
    // SAFETY: `opaque` is the box of `ProtocolBytes::open`, alive as long as the context; libav asks from the one thread that uses the context.
    let interrupt = unsafe { &mut *opaque.cast::<Interrupt>() };
    c_int::from(interrupt())
}

impl io::Read for ProtocolBytes {
    /// `Interrupted` where the closure said so.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: an open context, used by nobody else; `buffer` has room for `size` bytes, which libav writes before it counts them.
        let read = unsafe { ffi::avio_read_partial(self.context, buffer.as_mut_ptr(), size) };
        match usize::try_from(read) {
            Ok(read) => Ok(read),
            Err(_) => match Error::from(read) {
                Error::Eof => Ok(0),
                Error::Exit => Err(io::ErrorKind::Interrupted.into()),
                Error::Other { errno } => Err(io::Error::from_raw_os_error(errno)),
                other => Err(io::Error::other(other.to_string())),
            },
        }
    }
}

impl Drop for ProtocolBytes {
    fn drop(&mut self) {
        // SAFETY: the context was opened by avio_open2 and is closed once. What it refers to is dropped behind it.
        unsafe {
            ffi::avio_closep(&raw mut self.context);
        }
    }
}
