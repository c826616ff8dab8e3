//! What libsrt says, which libavformat brings along and tells nothing of: above all, whom a listener turns away.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

/// Is told where a line comes from, and the line. On libsrt's own threads.
pub type Told = fn(area: &str, line: &str);

/// `SRT_LOG_HANDLER_FN` of libsrt's `srt.h`.
type Handler = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, c_int, *const c_char, *const c_char);
/// `srt_setloghandler` and `srt_setloglevel` of the same.
type SetHandler = unsafe extern "C" fn(*mut c_void, Option<Handler>);
type SetLevel = unsafe extern "C" fn(c_int);

/// Warnings and errors (`LOG_WARNING` of syslog, which libsrt counts by).
const WARNINGS: c_int = 4;

static TOLD: OnceLock<Told> = OnceLock::new();

/// From here on `told` gets libsrt's warnings and errors, which would go to stderr. The first caller's counts. False where this libav has no libsrt.
pub fn on_srt_log(told: Told) -> bool {
    if TOLD.set(told).is_err() {
        return true;
    }
    // SAFETY: both names are constants; what is found is a function of libsrt, if anything is, and libsrt is never unloaded.
    let (set_handler, set_level) =
        unsafe { (libc::dlsym(libc::RTLD_DEFAULT, c"srt_setloghandler".as_ptr()), libc::dlsym(libc::RTLD_DEFAULT, c"srt_setloglevel".as_ptr())) };
    if set_handler.is_null() || set_level.is_null() {
        return false;
    }
    // SAFETY: the signatures are those of `srt.h` (libsrt 1.4 and 1.5); neither is null. The handler is a function, and needs no context.
    unsafe {
        std::mem::transmute::<*mut c_void, SetHandler>(set_handler)(std::ptr::null_mut(), Some(heard));
        std::mem::transmute::<*mut c_void, SetLevel>(set_level)(WARNINGS);
    }
    true
}

unsafe extern "C" fn heard(_: *mut c_void, _: c_int, _: *const c_char, _: c_int, area: *const c_char, line: *const c_char) {
    let Some(told) = TOLD.get().filter(|_| !area.is_null() && !line.is_null()) else { return };
    // SAFETY: libsrt gives two strings that end with a zero and live as long as this call.
    let (area, line) = unsafe { (CStr::from_ptr(area), CStr::from_ptr(line)) };
    told(&area.to_string_lossy(), &line.to_string_lossy());
}
