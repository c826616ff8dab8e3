//! What libav writes to stderr by itself: without what opens an input.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports))]

use crate::secrets::scrub_line;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Write;

/// The most of a line that is read at once, in bytes.
const MOST: usize = 8192;

/// The arguments of a line, as C hands them on. How they travel is known here of one architecture.
#[cfg(target_arch = "x86_64")]
type Arguments = *mut ffmpeg_next::ffi::__va_list_tag;

thread_local! {
    /// A line that has not ended yet.
    static BEGUN: RefCell<String> = const { RefCell::new(String::new()) };
    /// Whether the next piece begins a line, as libav has it.
    static FRESH: Cell<c_int> = const { Cell::new(1) };
}

/// From here on libav's lines show nothing that opens an input. Where that cannot be, there are none.
pub fn scrub_lines() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the function has the signature that libavutil's header asks for, lives as long as the process, and may be called by any thread.
    unsafe {
        ffmpeg_next::ffi::av_log_set_callback(Some(heard))
    }
    #[cfg(not(target_arch = "x86_64"))]
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
}

#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn heard(object: *mut c_void, level: c_int, format: *const c_char, arguments: Arguments) {
    use ffmpeg_next::ffi;
    // The upper bits are a colour.
    let level = if level >= 0 { level & 0xff } else { level };
    // SAFETY: takes nothing, returns a number.
    if level > unsafe { ffi::av_log_get_level() } {
        return;
    }
    let mut piece: [c_char; MOST] = [0; MOST];
    // A thread that is at its end has no such place any more.
    let mut fresh = FRESH.try_with(Cell::get).unwrap_or(1);
    // SAFETY: object, format and arguments are libav's own, handed on once; it writes at most MOST bytes, the last of them 0, and one number.
    let length = unsafe { ffi::av_log_format_line2(object, level, format, arguments, piece.as_mut_ptr(), MOST as c_int, &raw mut fresh) };
    let _ = FRESH.try_with(|cell| cell.set(fresh));
    if length < 0 {
        return;
    }
    // SAFETY: what was written ends with a 0 within the array.
    let text = unsafe { CStr::from_ptr(piece.as_ptr()) }.to_string_lossy();
    // A word that was cut may be a part of a secret.
    let text = if length as usize >= MOST { text.rsplit_once(' ').map_or("…\n".into(), |(whole, _)| format!("{whole} …\n").into()) } else { text };
    let ready = BEGUN.try_with(|begun| begun.try_borrow_mut().map(|mut begun| ended(&mut begun, &text)).unwrap_or_default()).unwrap_or_default();
    // Nobody is left to tell when stderr is closed.
    let _ = std::io::stderr().write_all(ready.as_bytes());
}

/// The lines that are whole once `text` has come, as they may be shown; what has begun stays.
fn ended(begun: &mut String, text: &str) -> String {
    begun.push_str(text);
    let end = if begun.len() > MOST { begun.len() } else { begun.rfind('\n').map_or(0, |at| at + 1) };
    let whole: String = begun.drain(..end).collect();
    whole.split_inclusive('\n').map(scrub_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_once_they_are_whole_and_without_secrets() {
        crate::secrets::watch("srt://h:9?passphrase=sesame-open");
        let begun = &mut String::new();
        assert_eq!(ended(begun, "[srt @ 0x1] no srt://h:9?mode=caller&passphrase=sesame"), "");
        assert_eq!(
            ended(begun, "-open: gone\n[x] 'rtsp://me:hunter2@cam/1'\npass"),
            "[srt @ 0x1] no srt://h:9?mode=caller&passphrase=… gone\n[x] 'rtsp://…@cam/1'\n"
        );
        assert_eq!(ended(begun, "phrase sesame-open\n"), "passphrase …\n");
        assert_eq!(begun, "");
        assert_eq!(ended(begun, &"x".repeat(MOST + 1)).len(), MOST + 1);
    }
}
