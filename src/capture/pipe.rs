//! Reads a pipe (stdin, a named FIFO) so that it can be stopped: libav's own `pipe:` cannot be interrupted while it waits.

use crate::ffmpeg::wait_readable;
use crate::stop::Stop;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How long one wait lasts before the stop flag is looked at.
const SLICE: Duration = Duration::from_millis(50);

/// A pipe and the flag that interrupts it.
pub struct Pipe {
    file: File,
    stop: Stop,
    /// A FIFO opened without blocking reads as ended until its writer comes.
    writer_seen: bool,
}

impl Pipe {
    /// This process's standard input.
    pub fn stdin(stop: &Stop) -> io::Result<Pipe> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Pipe { file, stop: stop.clone(), writer_seen: true })
    }

    /// A named FIFO.
    pub fn fifo(path: &Path, stop: &Stop) -> io::Result<Pipe> {
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Pipe { file, stop: stop.clone(), writer_seen: false })
    }
}

impl Read for Pipe {
    /// `Interrupted` whenever a slice passes without data: the caller looks at the stop flag and tries again.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_raised() {
            return Err(ErrorKind::Interrupted.into());
        }
        if !wait_readable(self.file.as_fd(), SLICE)? {
            return Err(ErrorKind::Interrupted.into());
        }
        match self.file.read(buffer) {
            Ok(0) if !self.writer_seen => {
                self.stop.wait(SLICE);
                Err(ErrorKind::Interrupted.into())
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Err(ErrorKind::Interrupted.into()),
            done => {
                self.writer_seen |= done.is_ok();
                done
            }
        }
    }
}
