//! Reads an input on a thread of its own, so that a stop never waits for a connection, a name server or a driver, and a silent peer is noticed.

use super::{CaptureError, Delivery, Input, Opened, Read, Source};
use crate::stop::Stop;
use crossbeam::channel::{Receiver, Sender, bounded, never, select, tick};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What lies ready between the two threads. Full: the reading waits, and libav's or the system's own buffer fills.
const READY: usize = 16;
/// How long nothing may come before that is told, again and again.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How long a thread that has been told to end is waited for; libav looks up ten times a second, a name server may take half a minute.
const LEAVING: Duration = Duration::from_millis(40);

/// Threads that did not end in time and were left behind, in this process. Each belongs to an input that was opened; those that have ended are taken off.
static LEFT: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// How many threads of inputs have been left behind and are still busy. Where there are any, the process ends without its libraries' destructors.
pub fn abandoned() -> usize {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|thread| !thread.is_finished());
    left.len()
}

/// Waits, where it is dropped, for those that were left behind: libsrt does not bear that a test's process ends while a thread is inside it.
#[cfg(test)]
pub struct Settled;

#[cfg(test)]
impl Drop for Settled {
    fn drop(&mut self) {
        let left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in left {
            // A panic has been reported by its hook.
            let _ = thread.join();
        }
    }
}

/// An input on a thread of its own.
struct Apart {
    url: String,
    reader: Reader,
    heard: Receiver<Result<Read, CaptureError>>,
    delivery: Delivery,
    /// How long nothing may come before the input counts as broken.
    silence: Option<Duration>,
    stop: Stop,
}

/// The thread, and how it is ended.
struct Reader {
    shown: String,
    quit: Stop,
    /// Disconnected when the thread is at its end.
    over: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

type Announce = Sender<Result<(Source, Delivery), CaptureError>>;

/// Opens and reads an input on a thread of its own; `open` gets the flag that interrupts it. `url` is shown to people.
/// Nothing for `silence` while something is waited for means that the input is away; none: silence is only told.
///
/// # Errors
/// As `open` has them, and where `stop` is raised meanwhile, which is noticed at once.
pub fn open(url: &str, silence: Option<Duration>, stop: &Stop, open: impl FnOnce(&Stop) -> Opened + Send + 'static) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    let (announce, opened) = bounded(1);
    let (tell, heard) = bounded(READY);
    let mut reader =
        Reader::spawn(url, stop.limit(), move |quit| read_all(open, &quit, &announce, &tell)).map_err(|e| fail(format!("no thread for it: {e}")))?;
    let began = Instant::now();
    let (reminder, limit) = (tick(TOLD_EVERY), stop.limit().map_or_else(never, crossbeam::channel::after));
    let (source, delivery) = loop {
        select! {
            recv(opened) -> said => break said.map_err(|_| fail("its thread broke down".to_owned()))??,
            recv(stop.bell()) -> _ => {
                reader.end();
                return Err(fail("stopped while it was being opened".to_owned()));
            }
            recv(reminder) -> _ => tracing::warn!("input {url}: nothing that can be decoded has come for {} s", began.elapsed().as_secs()),
            recv(limit) -> _ => {
                reader.end();
                return Err(CaptureError::Away { url: url.to_owned(), why: "nothing that can be decoded came in time".to_owned() });
            }
        }
    };
    let input = Apart { url: url.to_owned(), reader, heard, delivery, silence, stop: stop.clone() };
    Ok((source, Box::new(input)))
}

/// Body of the thread.
fn read_all(open: impl FnOnce(&Stop) -> Opened, quit: &Stop, announce: &Announce, tell: &Sender<Result<Read, CaptureError>>) {
    let (source, mut input) = match open(quit) {
        Ok(opened) => opened,
        // Nobody listens any more where it was given up.
        Err(error) => return announce.send(Err(error)).unwrap_or_default(),
    };
    if announce.send(Ok((source, input.delivery()))).is_err() {
        return;
    }
    loop {
        let read = input.read();
        let last = matches!(read, Err(_) | Ok(Read::End | Read::Stopped));
        select! {
            send(tell, read) -> sent => if last || sent.is_err() { return },
            recv(quit.bell()) -> _ => return,
        }
    }
}

impl Reader {
    fn spawn(shown: &str, limit: Option<Duration>, body: impl FnOnce(Stop) + Send + 'static) -> io::Result<Reader> {
        let (quit, (alive, over)) = (limit.map_or_else(Stop::new, |limit| Stop::new().within(limit)), bounded(0));
        let inner = quit.clone();
        let thread = std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            let _alive: Sender<()> = alive;
            body(inner);
        })?;
        Ok(Reader { shown: shown.to_owned(), quit, over, thread: Some(thread) })
    }

    /// Ends the thread, or leaves it behind where it does not listen.
    fn end(&mut self) {
        self.quit.raise();
        let Some(thread) = self.thread.take() else { return };
        // Nothing is ever sent: it disconnects, or time is up.
        let _ = self.over.recv_timeout(LEAVING);
        if thread.is_finished() || self.over.try_recv() == Err(crossbeam::channel::TryRecvError::Disconnected) {
            // A panic has been reported by its hook, and ended the flow without an end.
            let _ = thread.join();
            return;
        }
        LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        tracing::debug!(left = abandoned(), "input {}: its thread is still busy and was left behind", self.shown);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end();
    }
}

impl Input for Apart {
    fn read(&mut self) -> Result<Read, CaptureError> {
        if self.stop.is_raised() {
            self.reader.quit.raise();
            return Ok(Read::Stopped);
        }
        if let Ok(heard) = self.heard.try_recv() {
            return heard;
        }
        let broken = |why: String| CaptureError::Broken { url: self.url.clone(), why };
        let (began, reminder) = (Instant::now(), tick(TOLD_EVERY));
        let limit = self.silence.map_or_else(never, crossbeam::channel::after);
        loop {
            select! {
                recv(self.heard) -> heard => {
                    let quiet = began.elapsed();
                    if quiet >= TOLD_EVERY && matches!(heard, Ok(Ok(Read::Unit(_) | Read::Lost(_)))) {
                        tracing::warn!("input {}: it goes on after {} s of silence", self.url, quiet.as_secs());
                    }
                    return heard.unwrap_or_else(|_| Err(broken("its thread broke down".to_owned())));
                }
                recv(self.stop.bell()) -> _ => {
                    self.reader.quit.raise();
                    return Ok(Read::Stopped);
                }
                recv(reminder) -> _ => tracing::warn!("input {}: nothing has come for {} s", self.url, began.elapsed().as_secs()),
                recv(limit) -> _ => {
                    self.reader.quit.raise();
                    return Err(CaptureError::Away { url: self.url.clone(), why: format!("nothing came for {} s", began.elapsed().as_secs()) });
                }
            }
        }
    }

    fn delivery(&self) -> Delivery {
        self.delivery
    }

    fn limit_silence(&mut self, limit: Duration) {
        self.silence = Some(self.silence.map_or(limit, |own| own.min(limit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::media_tests::raised_after;
    use crate::capture::{Lost, testsrc};
    use crate::job::{Pace, Select};

    /// Reads as its script says; then hangs as a driver does that hears no stop.
    struct Deaf {
        reads: u32,
        hang: Duration,
    }

    impl Input for Deaf {
        fn read(&mut self) -> Result<Read, CaptureError> {
            if self.reads == 0 {
                std::thread::sleep(self.hang);
                return Ok(Read::End);
            }
            self.reads -= 1;
            Ok(Read::Lost(Lost::Read))
        }
    }

    fn source() -> Source {
        testsrc::open("testsrc:audio=off", Pace::Fast, &Select::default(), &Stop::new()).expect("it opens").0
    }

    #[test]
    fn an_input_that_hears_nothing_is_left_behind() {
        let stop = Stop::new();
        let deaf = Deaf { reads: 3, hang: Duration::from_secs(2) };
        let (_, mut input) = open("deaf", None, &stop, move |_| Ok((source(), Box::new(deaf)))).expect("it opens");
        let stopper = raised_after(&stop, 100);
        let mut lost = 0;
        while let Read::Lost(_) = input.read().expect("it reads") {
            lost += 1;
        }
        drop(input);
        let late = stopper.join().expect("no panic").elapsed();
        assert_eq!(lost, 3);
        assert!(late < Duration::from_millis(100), "{late:?}");
    }

    #[test]
    fn opening_that_hears_nothing_is_left_behind() {
        let stop = Stop::new();
        let stopper = raised_after(&stop, 100);
        let opened = open("deaf", None, &stop, |_| {
            std::thread::sleep(Duration::from_secs(2));
            Err(CaptureError::Open { url: "deaf".to_owned(), why: "too late".to_owned() })
        });
        let late = stopper.join().expect("no panic").elapsed();
        assert!(opened.err().expect("it does not open").to_string().contains("stopped"));
        assert!(late < Duration::from_millis(100), "{late:?}");
    }

    #[test]
    fn silence_beyond_its_limit_breaks_the_input() {
        let deaf = Deaf { reads: 0, hang: Duration::from_secs(2) };
        let opened = open("deaf", Some(Duration::from_millis(50)), &Stop::new(), move |_| Ok((source(), Box::new(deaf))));
        let error = opened.expect("it opens").1.read().err().expect("it breaks").to_string();
        assert!(error.contains("deaf") && error.contains("nothing came"), "{error}");
    }
}
