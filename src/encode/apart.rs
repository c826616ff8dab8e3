//! An encoder on a thread of its own that can be abandoned: a driver may hang, and no call into it can be taken back.

use super::{EncodeError, Encoder, Opened, Packet, Recipe};
use crate::frame::Frame;
use crate::plan::Rendition;
use crate::time::GopId;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

/// Threads that may hang at once, over all rungs: beyond it a backend of this kind no longer opens.
const ABANDONED: usize = 16;
/// How long opening may take: a driver loads its firmware the first time.
const OPENING: Duration = Duration::from_secs(10);

/// Threads that hang.
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// How many abandoned threads have not come back.
pub fn hanging() -> usize {
    HANGING.load(Ordering::Acquire)
}

type Open = fn(&Rendition, &Recipe) -> Result<Opened, EncodeError>;
type Answer = Result<Vec<Packet>, EncodeError>;

enum Ask {
    Encode(Frame),
    Flush,
    Finish,
}

/// The near side of such an encoder.
struct Apart {
    rung: String,
    backend: &'static str,
    gop: GopId,
    patience: Duration,
    /// None once it is told to end.
    ask: Option<Sender<Ask>>,
    answers: Receiver<Answer>,
    life: Arc<AtomicU8>,
    /// Closed once the thread has closed its encoder.
    ended: Receiver<()>,
}

/// What a thread's life is: it runs, it was given up, or it came to its end.
const RUNS: u8 = 0;
const LEFT: u8 = 1;
const ENDED: u8 = 2;

/// Opens `backend` on a thread of its own. Each call may take `patience`; one that takes longer is an error, and the thread is left behind.
///
/// # Errors
/// What `open` says; that it did not come back in time; that too many threads hang already.
pub fn open(rendition: &Rendition, recipe: &Recipe, backend: &'static str, open: Open, patience: Duration) -> Result<Opened, EncodeError> {
    let refused = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend, why };
    if hanging() >= ABANDONED {
        return Err(refused(format!("{ABANDONED} threads hang in drivers already")));
    }
    let (ask, asked) = bounded(1);
    let (answer, answers) = bounded(1);
    let (told, opened) = bounded(1);
    let (ending, ended) = bounded::<()>(0);
    let life = Arc::new(AtomicU8::new(RUNS));
    let (theirs, for_rung, by_recipe) = (Arc::clone(&life), rendition.clone(), recipe.clone());
    let body = move || {
        match open(&for_rung, &by_recipe) {
            Err(error) => drop(told.send(Err(error))),
            Ok(Opened { encoder, config }) => {
                if told.send(Ok(config)).is_ok() {
                    serve(encoder, &asked, &answer);
                }
            }
        }
        drop(ending);
        if theirs.swap(ENDED, Ordering::AcqRel) == LEFT {
            HANGING.fetch_sub(1, Ordering::AcqRel);
        }
    };
    let name = format!("{}/{backend}", rendition.name);
    std::thread::Builder::new().name(name).spawn(body).map_err(|error| refused(error.to_string()))?;
    match opened.recv_timeout(OPENING) {
        Ok(Ok(config)) => {
            let near = Apart { rung: rendition.name.clone(), backend, gop: GopId(0), patience, ask: Some(ask), answers, life, ended };
            Ok(Opened { encoder: Box::new(near), config })
        }
        Ok(Err(error)) => Err(error),
        Err(RecvTimeoutError::Timeout) => {
            abandon(&life);
            Err(refused(format!("it did not open within {} s", OPENING.as_secs())))
        }
        Err(RecvTimeoutError::Disconnected) => Err(refused("its thread broke off".to_owned())),
    }
}

fn serve(encoder: Box<dyn Encoder>, asked: &Receiver<Ask>, answers: &Sender<Answer>) {
    let mut encoder = Some(encoder);
    for ask in asked {
        let mut out = Vec::new();
        let done = match (ask, &mut encoder) {
            (Ask::Encode(frame), Some(encoder)) => encoder.encode(&frame, &mut out),
            (Ask::Flush, Some(encoder)) => encoder.flush(&mut out),
            (Ask::Finish, open) => open.take().map_or(Ok(()), |encoder| encoder.finish(&mut out)),
            (Ask::Encode(_) | Ask::Flush, None) => return,
        };
        if answers.send(done.map(|()| out)).is_err() {
            return;
        }
    }
}

/// Leaves a thread behind: it hangs until it comes to its end after all.
fn abandon(life: &AtomicU8) {
    HANGING.fetch_add(1, Ordering::AcqRel);
    if life.swap(LEFT, Ordering::AcqRel) == ENDED {
        HANGING.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Apart {
    fn ask(&mut self, ask: Ask, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let gone = |this: &Apart| this.failed("its thread broke off".to_owned());
        // Its queue has room: whatever was asked before has been answered.
        self.ask.as_ref().and_then(|to| to.send(ask).ok()).ok_or_else(|| gone(self))?;
        match self.answers.recv_timeout(self.patience) {
            Ok(answer) => {
                out.append(&mut answer?);
                Ok(())
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone(self)),
            Err(RecvTimeoutError::Timeout) => {
                abandon(&self.life);
                Err(self.failed(format!("it stalled: no answer within {} ms; its thread is left behind", self.patience.as_millis())))
            }
        }
    }

    fn failed(&self, why: String) -> EncodeError {
        EncodeError::Failed { rung: self.rung.clone(), backend: self.backend, gop: self.gop, why }
    }
}

/// Waits until the encoder is closed: a driver with room for so many must not be asked for another before.
impl Drop for Apart {
    fn drop(&mut self) {
        self.ask = None;
        if self.life.load(Ordering::Acquire) == RUNS && self.ended.recv_timeout(self.patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(rung = self.rung, backend = self.backend, "it does not close; its thread is left behind");
            abandon(&self.life);
        }
    }
}

impl Encoder for Apart {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.gop = frame.gop;
        self.ask(Ask::Encode(frame.clone()), out)
    }

    fn flush(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.ask(Ask::Flush, out)
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.ask(Ask::Finish, out)
    }
}
