//! Stderr, which log lines and the live view share: a line is written above the view, never into it.
//!
//! The view is the last lines on the screen, each shorter than the screen is wide. Whatever is written is written over it, row by row, and it is drawn again below,
//! all in one write. What a narrower window has folded meanwhile is counted, as terminals that fold lines anew do. Nothing is ever cleared from the top of the
//! screen on, which some terminals take for a page to keep in their history.

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
        // A terminal that is gone has nobody to tell.
        let _ = io::stderr().write_all(&redrawn(&shown, columns(), b"", &view));
        *shown = view;
    }

    /// Writes whole `lines` above the view.
    fn write(&self, lines: &[u8]) -> io::Result<()> {
        let shown = self.lock();
        if shown.is_empty() {
            return io::stderr().write_all(lines);
        }
        io::stderr().write_all(&redrawn(&shown, columns(), lines, &shown))
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

/// What takes a terminal of so many columns from the view `before`, with the cursor below it, to `lines` and the view `after`.
fn redrawn(before: &[Line], columns: usize, lines: &[u8], after: &[Line]) -> Vec<u8> {
    let rows: usize = before.iter().map(|line| line.columns.div_ceil(columns).max(1)).sum();
    let mut out = if rows == 0 { Vec::new() } else { format!("\x1b[{rows}A\r").into_bytes() };
    let ended = lines.split_inclusive(|b| *b == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    for line in ended.chain(after.iter().map(|line| line.text.as_bytes())) {
        out.extend_from_slice(line);
        // What is left of the row that was here.
        out.extend_from_slice(b"\x1b[K\n");
    }
    if rows > 0 {
        out.extend_from_slice(b"\x1b[J");
    }
    out
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

    fn line(columns: usize) -> Line {
        Line { text: "x".repeat(columns), columns }
    }

    #[test]
    fn what_a_narrow_window_folds_is_counted() {
        let view = [line(40), line(0), line(41)];
        for (columns, rows) in [(80, 3), (40, 4), (20, 6), (1, 82)] {
            let out = String::from_utf8(redrawn(&view, columns, b"", &[])).expect("text");
            assert_eq!(out, format!("\x1b[{rows}A\r\x1b[J"), "{columns} columns");
        }
    }

    #[test]
    fn a_log_line_stands_above_the_view() {
        assert_eq!(redrawn(&[line(1)], 80, b"log\nmore\n", &[line(2)]), b"\x1b[1A\rlog\x1b[K\nmore\x1b[K\nxx\x1b[K\n\x1b[J");
        assert_eq!(redrawn(&[], 80, b"", &[line(2)]), b"xx\x1b[K\n", "the first time there is nothing to go back over");
    }
}
