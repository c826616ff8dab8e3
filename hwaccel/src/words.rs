//! What libav says while it opens something. Its error codes for devices are all alike ("generic error in an external library"); the reason is in its log only.

use std::cell::RefCell;

/// Lines that are kept of one hearing: what a driver says first and last is enough.
const MOST: usize = 64;

thread_local! {
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs `what` and returns what libav logged meanwhile on this thread, oldest first, whatever the log's level; at most 64 lines. Lines still go where they went before.
/// On architectures other than x86-64 none are heard.
pub fn hear<T>(what: impl FnOnce() -> T) -> (T, Vec<String>) {
    listen();
    HEARD.with_borrow_mut(|heard| *heard = Some(Vec::new()));
    let done = what();
    (done, HEARD.take().unwrap_or_default())
}

#[cfg(target_arch = "x86_64")]
fn listen() {
    use std::sync::Once;
    static ONCE: Once = Once::new();
    // SAFETY: the callback is a function of this crate, which lives as long as the process and may be called from any thread.
    ONCE.call_once(|| unsafe { ffmpeg_next::ffi::av_log_set_callback(Some(take)) });
}

#[cfg(not(target_arch = "x86_64"))]
fn listen() {}

/// libav's callback: keeps the line where this thread listens, and hands it on to libav's own.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn take(
    context: *mut std::ffi::c_void,
    level: std::ffi::c_int,
    format: *const std::ffi::c_char,
    arguments: *mut ffmpeg_next::ffi::__va_list_tag,
) {
    use ffmpeg_next::ffi;
    if level <= ffi::AV_LOG_VERBOSE {
        // A thread that is ending, or a line within a line: nobody listens.
        let _ = HEARD.try_with(|heard| {
            let Ok(mut heard) = heard.try_borrow_mut() else { return };
            let Some(lines) = heard.as_mut().filter(|lines| lines.len() < MOST) else { return };
            let mut line = [0u8; 512];
            let (mut prefix, mut copied) =
                (0, [ffi::__va_list_tag { gp_offset: 0, fp_offset: 0, overflow_arg_area: std::ptr::null_mut(), reg_save_area: std::ptr::null_mut() }]);
            // SAFETY: `arguments` is the caller's valid va_list, which x86-64's ABI makes a pointer to one plain struct; copying that is what va_copy does there, so that
            // the original can be read once more below.
            copied[0] = unsafe { *arguments };
            // SAFETY: context, format and arguments are as libav handed them to its callback; the line has the length that is given and is terminated by the call.
            unsafe {
                ffi::av_log_format_line2(context, level, format, copied.as_mut_ptr(), line.as_mut_ptr().cast(), line.len() as std::ffi::c_int, &mut prefix)
            };
            let end = line.iter().position(|b| *b == 0).unwrap_or(line.len());
            let text = String::from_utf8_lossy(&line[..end]);
            if !text.trim().is_empty() {
                lines.push(text.trim().to_owned());
            }
        });
    }
    // SAFETY: the arguments as libav handed them over, read for the first time.
    unsafe { ffi::av_log_default_callback(context, level, format, arguments) }
}

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn say(text: &str) {
        let text = CString::new(text).expect("no zero");
        // SAFETY: a null context is allowed; the format takes one string, which is given.
        unsafe { ffmpeg_next::ffi::av_log(std::ptr::null_mut(), ffmpeg_next::ffi::AV_LOG_VERBOSE, c"said %s and %d\n".as_ptr(), text.as_ptr(), 7) }
    }

    #[test]
    fn only_what_is_said_meanwhile_on_this_thread_is_heard() {
        say("before");
        let ((), heard) = hear(|| {
            say("here");
            std::thread::spawn(|| say("elsewhere")).join().expect("no panic");
        });
        assert_eq!(heard, ["said here and 7"]);
        let ((), many) = hear(|| (0..200).for_each(|_| say("again")));
        assert_eq!(many.len(), MOST);
    }
}
