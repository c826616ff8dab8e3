//! Stderr, which log lines and the live view share: a line is written above the view, never into it.
//!
//! The view is the last lines on the screen, each shorter than the screen is wide. Before anything is written it is erased, afterwards it is drawn again, all in
//! one write. What a narrower window folded is counted when it is erased, as terminals that fold lines anew do.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// What is on the screen of this process.
pub static SCREEN: Screen = Screen { view: Mutex::new(Vec::new()) };

/// A line of the view, ready to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// With its colours, without an end.
    pub text: String,
    /// Columns that it takes.
    pub columns: usize,
}

/// A terminal with a view below its log.
pub struct Screen {
    view: Mutex<Vec<Line>>,
}

impl Screen {
    /// Shows `view` in place of the one before; none: nothing is left of it.
    pub fn show(&self, view: Vec<Line>) {
        let mut shown = self.lock();
        let mut out = erase(&shown, columns());
        draw(&view, &mut out);
        // A terminal that is gone has nobody to tell.
        let _ = io::stderr().write_all(&out);
        *shown = view;
    }

    /// Writes `lines` above the view.
    fn write(&self, lines: &[u8]) -> io::Result<()> {
        let shown = self.lock();
        let mut out = if shown.is_empty() { Vec::new() } else { erase(&shown, columns()) };
        out.extend_from_slice(lines);
        draw(&shown, &mut out);
        io::stderr().write_all(&out)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Columns and rows of the terminal on stderr; 80 and 24 where there is none.
pub fn size() -> (usize, usize) {
    terminal_size::terminal_size_of(io::stderr()).map_or((80, 24), |(w, h)| (w.0.into(), h.0.into()))
}

fn columns() -> usize {
    size().0.max(1)
}

/// Up to the first line of the view, which begins below the log, and everything from there on away.
fn erase(view: &[Line], columns: usize) -> Vec<u8> {
    let rows: usize = view.iter().map(|line| line.columns.div_ceil(columns).max(1)).sum();
    if rows == 0 { Vec::new() } else { format!("\x1b[{rows}A\r\x1b[J").into_bytes() }
}

fn draw(view: &[Line], out: &mut Vec<u8>) {
    for line in view {
        out.extend_from_slice(line.text.as_bytes());
        out.push(b'\n');
    }
}

/// Where log lines go. The subscriber hands over one whole line, with its end, at a time.
#[derive(Clone, Copy)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        SCREEN.write(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        Log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_narrow_window_folds_is_erased_too() {
        let line = |columns| Line { text: "x".repeat(columns), columns };
        let view = [line(40), line(0), line(41)];
        assert_eq!(erase(&view, 80), b"\x1b[3A\r\x1b[J");
        assert_eq!(erase(&view, 20), b"\x1b[6A\r\x1b[J");
        assert_eq!(erase(&view, 40), b"\x1b[4A\r\x1b[J");
        assert!(erase(&[], 80).is_empty());
    }
}
