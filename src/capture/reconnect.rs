//! A connection that is lost is opened again: soon, then ever more slowly, for as long as it takes. The slots are filled meanwhile. Of a feed whose resolution is known beforehand
//! the first connection may come late, too ([`later`]).

use super::choose::again;
use super::turns::Turns;
use super::{Arrived, CaptureError, Delivery, Input, Later, Lost, Opened, Read};
use crate::job::Select;
use crate::secrets::{hidden, without_secrets};
use crate::stop::Stop;
use std::time::{Duration, Instant};

/// How long to wait before the first further call, and at most. Doubled from call to call.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);
/// A connection that held this long was a good one: the next call after it comes soon.
const GOOD: Duration = Duration::from_secs(10);
/// How often calls that lead nowhere are told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// An input that outlives its connections.
struct Reconnect<D> {
    shown: String,
    hidden: Vec<String>,
    dial: D,
    /// The streams of the first connection, as they are asked for again: the same sounds go on in the same tracks.
    select: Select,
    stop: Stop,
    timeout: Option<Duration>,
    delivery: Delivery,
    /// The connection, and since when there is one.
    input: Option<(Box<dyn Input>, Instant)>,
    /// When something came last.
    heard: Instant,
    pause: Pause,
    turns: Turns,
    /// Told what the first connection found, where that comes late.
    first: Option<Later>,
}

/// An input that is called when it is read, and `first` told what that finds: for a feed that need not be there yet. `select` asks for its streams, all of which may be absent.
pub fn later(
    url: &str,
    select: Select,
    dial: impl Fn(&Select, &Stop) -> Opened + Send + 'static,
    stop: &Stop,
    timeout: Option<Duration>,
    delivery: Delivery,
    first: Later,
) -> Box<dyn Input> {
    let (shown, hidden, stop, heard) = (without_secrets(url), hidden(url), stop.clone(), Instant::now());
    let (pause, turns, first) = (Pause { next: Duration::ZERO, told: None }, Turns::unknown(), Some(first));
    Box::new(Reconnect { shown, hidden, dial, select, stop, timeout, delivery, input: None, heard, pause, turns, first })
}

/// Opens `url` by `dial`, which is told the streams that are wanted. Where `timeout` is given, what is away is called until it has passed, and from then on a feed that shows nothing for so long is given up.
///
/// # Errors
/// As `dial` has them; after a timeout [`CaptureError::Silent`]. [`CaptureError::Unfit`] becomes [`CaptureError::Open`]: the job asks for something else.
pub fn open(url: &str, select: &Select, dial: impl Fn(&Select, &Stop) -> Opened + Send + 'static, stop: &Stop, timeout: Option<Duration>) -> Opened {
    let (shown, began, mut pause) = (without_secrets(url), Instant::now(), Pause::new());
    loop {
        let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
        match (dial(select, &left.map_or_else(|| stop.clone(), |left| stop.within(left))), timeout) {
            (Ok((source, input)), _) if input.delivery() == Delivery::Stored => return Ok((source, input)),
            (Ok((source, mut input)), _) => {
                timeout.iter().for_each(|&timeout| input.limit_silence(timeout));
                let (delivery, now) = (input.delivery(), Instant::now());
                let (turns, select) = (Turns::new(&source), again(select, source.facts.video, &source.facts.sounds));
                let input = Some((input, now));
                return Ok((
                    source,
                    Box::new(Reconnect {
                        shown,
                        hidden: hidden(url),
                        dial,
                        select,
                        stop: stop.clone(),
                        timeout,
                        delivery,
                        input,
                        heard: now,
                        pause: Pause::new(),
                        turns,
                        first: None,
                    }),
                ));
            }
            (Err(CaptureError::Away { url, why } | CaptureError::Unfit { url, why }), _) if stop.is_raised() => return Err(CaptureError::Open { url, why }),
            (Err(CaptureError::Unfit { url, why }), None) => return Err(CaptureError::Open { url, why }),
            (Err(CaptureError::Away { url, why } | CaptureError::Unfit { url, why }), Some(after)) if began.elapsed() >= after => {
                return Err(CaptureError::Silent { url, after, why });
            }
            (Err(CaptureError::Away { why, .. } | CaptureError::Unfit { why, .. }), Some(after)) => {
                pause.tell(&shown, &why);
                stop.wait(pause.next().min(after.saturating_sub(began.elapsed())));
            }
            (Err(error), _) => return Err(error),
        }
    }
}

impl<D: Fn(&Select, &Stop) -> Opened + Send> Reconnect<D> {
    /// What is left of the time that the feed may be away.
    fn left(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout.saturating_sub(self.heard.elapsed()))
    }

    /// Calls again, until somebody answers.
    fn call(&mut self) -> Result<Read, CaptureError> {
        loop {
            let left = self.left();
            if self.stop.wait(self.pause.next().min(left.unwrap_or(LONGEST))) {
                return Ok(Read::Stopped);
            }
            let stop = left.map_or_else(|| self.stop.clone(), |left| self.stop.within(left));
            match (self.dial)(&self.select, &stop) {
                Ok((source, mut input)) => {
                    self.timeout.iter().for_each(|&timeout| input.limit_silence(timeout));
                    self.turns.again(&source);
                    self.input = Some((input, Instant::now()));
                    let after = self.heard.elapsed().as_secs_f32();
                    let Some(first) = self.first.take() else {
                        tracing::warn!("input {}: it is back after {after:.1} s", self.shown);
                        return Ok(Read::Lost(Lost::Outage));
                    };
                    tracing::info!("input {}: it is there after {after:.1} s", self.shown);
                    self.pause = Pause::new();
                    // It is told once.
                    let _ = first.set(Arrived { origin: source.origin, paths: source.paths });
                    return self.read();
                }
                Err(_) if self.stop.is_raised() => return Ok(Read::Stopped),
                Err(error) => self.given_up(error)?,
            }
        }
    }

    /// Whether the feed has been away for too long.
    fn given_up(&mut self, error: CaptureError) -> Result<(), CaptureError> {
        let why = error.to_string();
        match self.timeout.filter(|timeout| self.heard.elapsed() >= *timeout) {
            Some(after) => Err(CaptureError::Silent { url: self.shown.clone(), after, why }),
            None => {
                self.pause.tell(&self.shown, &why);
                Ok(())
            }
        }
    }
}

impl<D: Fn(&Select, &Stop) -> Opened + Send> Input for Reconnect<D> {
    fn read(&mut self) -> Result<Read, CaptureError> {
        let Some((input, since)) = &mut self.input else { return self.call() };
        match input.read().map_err(|error| error.scrubbed(&self.hidden)) {
            Ok(Read::Unit(mut unit)) => {
                self.heard = Instant::now();
                self.turns.shift(&mut unit.packet);
                Ok(Read::Unit(unit))
            }
            Err(error @ CaptureError::Away { .. }) => {
                if since.elapsed() >= GOOD {
                    self.pause = Pause::new();
                }
                self.input = None;
                tracing::warn!("{error}; its slots are filled until it is back");
                self.pause.told = Some(Instant::now());
                self.given_up(error)?;
                Ok(Read::Lost(Lost::Connection))
            }
            other => other,
        }
    }

    fn delivery(&self) -> Delivery {
        self.delivery
    }
}

/// How long to wait before the next call, and when calls were last told of.
struct Pause {
    next: Duration,
    told: Option<Instant>,
}

impl Pause {
    fn new() -> Pause {
        Pause { next: SHORTEST, told: None }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).clamp(SHORTEST, LONGEST);
        pause
    }

    fn tell(&mut self, shown: &str, why: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!("input {shown}: it is away, and tried again and again: {why}");
        }
    }
}

#[cfg(test)]
#[path = "reconnect_tests.rs"]
mod tests;
