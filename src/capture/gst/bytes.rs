//! MPEG-TS out of a pipeline, through libav's demuxer.

use super::Early;
use super::pipeline::{Event, Pipeline};
use crate::capture::libav::Nature;
use crate::capture::{CaptureError, Delivery, Input, Lost, Opened, Read, stored};
use crate::job::Select;
use crate::stop::Stop;
use gstreamer as gst;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long one wait lasts before libav looks at the stop flag.
const SLICE: Duration = Duration::from_millis(50);

/// What the reader, which libav owns, tells the input around it.
#[derive(Default)]
struct Shared {
    failure: Mutex<Option<String>>,
    dropped: AtomicU64,
}

/// The buffers of a pipeline as one stream of bytes.
struct Bytes {
    pipeline: Pipeline,
    early: Early,
    current: Option<(gst::MappedBuffer<gst::buffer::Readable>, usize)>,
    shared: Arc<Shared>,
    stop: Stop,
}

struct ByteInput {
    url: String,
    input: Box<dyn Input>,
    shared: Arc<Shared>,
    told: u64,
    live: bool,
}

/// Opens the transport stream that a pipeline delivers.
pub fn open(url: &str, pipeline: Pipeline, early: Early, select: &Select, stop: &Stop) -> Opened {
    let (shared, live) = (Arc::new(Shared::default()), pipeline.is_live());
    let bytes = Bytes { pipeline, early, current: None, shared: shared.clone(), stop: stop.clone() };
    let what = "what the pipeline delivers as video/mpegts";
    let (source, input) = stored::open_stream(url, bytes, what, select, stop, Nature::Pipe).map_err(|error| match (error, shared.take_failure()) {
        (CaptureError::Open { url, .. }, Some(why)) => CaptureError::Open { url, why },
        (error, _) => error,
    })?;
    Ok((source, Box::new(ByteInput { url: url.to_owned(), input, shared, told: 0, live })))
}

impl Shared {
    fn take_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl io::Read for Bytes {
    /// `Interrupted` whenever a slice passes without data.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((map, from)) = &mut self.current {
                let rest = map.get(*from..).unwrap_or_default();
                let n = rest.len().min(out.len());
                if n > 0 {
                    out[..n].copy_from_slice(&rest[..n]);
                    *from += n;
                    return Ok(n);
                }
            }
            self.current = None;
            let event = match self.early.pop_front() {
                Some((sink, sample)) => Event::Sample(sink, sample),
                None => self.pipeline.next(SLICE, &self.stop),
            };
            self.shared.dropped.store(self.pipeline.dropped(), Ordering::Relaxed);
            match event {
                Event::Sample(_, sample) => {
                    let map = sample.buffer_owned().and_then(|buffer| buffer.into_mapped_buffer_readable().ok());
                    self.current = map.map(|map| (map, 0));
                }
                Event::Ended => return Ok(0),
                Event::Failed(why) => {
                    *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    return Err(ErrorKind::BrokenPipe.into());
                }
                Event::Nothing | Event::Stopped => return Err(ErrorKind::Interrupted.into()),
            }
        }
    }
}

impl Input for ByteInput {
    fn read(&mut self) -> Result<Read, CaptureError> {
        if self.shared.dropped.load(Ordering::Relaxed) > self.told {
            self.told += 1;
            return Ok(Read::Lost(Lost::Overrun));
        }
        let read = self.input.read()?;
        if matches!(read, Read::End | Read::Lost(Lost::Read))
            && let Some(why) = self.shared.take_failure()
        {
            let url = self.url.clone();
            return Err(if self.live { CaptureError::Away { url, why } } else { CaptureError::Broken { url, why } });
        }
        Ok(read)
    }

    fn delivery(&self) -> Delivery {
        if self.live { Delivery::Live } else { Delivery::Piped }
    }
}
