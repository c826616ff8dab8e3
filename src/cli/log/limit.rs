//! A fault is a line or a few, not a thousand: of each place in the code, and each rung, input or output that it speaks of, so many lines in so much time. How many
//! more there were is said once that time is over.

use super::BEAT;
use crossbeam::channel::{Sender, TrySendError, bounded};
use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines of a kind in [`SPAN`].
const MOST: u32 = 5;
/// See [`MOST`].
const SPAN: Duration = Duration::from_secs(10);
/// Kinds that are told apart. Beyond them, only places in the code are.
const KINDS: usize = 4096;
/// Lines that say how many there were are never left out, as those of [`BEAT`].
const TARGET: &str = "mezzo::more";
/// What a line speaks of.
const SUBJECTS: [&str; 7] = ["rung", "track", "output", "input", "standby", "pipeline", "scheme"];

/// What was logged lately.
#[derive(Default)]
pub struct Limit {
    kinds: Mutex<HashMap<(Identifier, String), Kind>>,
}

struct Kind {
    since: Instant,
    lines: u32,
    left_out: u64,
    level: Level,
    message: String,
}

/// So many lines of a kind were left out.
#[derive(Debug, PartialEq, Eq)]
pub struct More {
    level: Level,
    lines: u64,
    /// "rung=avc-720p"; empty where they speak of nothing in particular, or of more than are told apart.
    subject: String,
    message: String,
}

impl Limit {
    /// Whether a line is written.
    fn admits(&self, key: (Identifier, String), level: Level, message: &str, now: Instant) -> bool {
        let mut kinds = self.kinds();
        let full = kinds.len() >= KINDS && !kinds.contains_key(&key);
        let key = if full { (key.0, String::new()) } else { key };
        let kind = kinds.entry(key).or_insert_with(|| Kind { since: now, lines: 0, left_out: 0, level, message: String::new() });
        if now.saturating_duration_since(kind.since) >= SPAN && kind.left_out == 0 {
            (kind.since, kind.lines) = (now, 0);
        }
        if kind.lines < MOST {
            kind.lines += 1;
            return true;
        }
        kind.left_out += 1;
        kind.level = level;
        message.clone_into(&mut kind.message);
        false
    }

    /// What was left out in times that are over by `now`; in all, where it is the end.
    fn over(&self, now: Instant, end: bool) -> Vec<More> {
        let mut kinds = self.kinds();
        let due = kinds.iter_mut().filter(|(_, kind)| kind.left_out > 0 && (end || now.saturating_duration_since(kind.since) >= SPAN));
        due.map(|((_, subject), kind)| {
            (kind.since, kind.lines) = (now, 0);
            More { level: kind.level, lines: std::mem::take(&mut kind.left_out), subject: subject.clone(), message: std::mem::take(&mut kind.message) }
        })
        .collect()
    }

    /// Whether anything is left out that was not told yet.
    fn is_owing(&self) -> bool {
        self.kinds().values().any(|kind| kind.left_out > 0)
    }

    /// Says what was left out.
    pub fn tell(&self, now: Instant, end: bool) {
        for More { level, lines, subject, message } in self.over(now, end) {
            mezzo::metrics::suppress_log(lines);
            // Left out where there is none.
            let of = (!subject.is_empty()).then_some(subject);
            match level {
                Level::ERROR => tracing::error!(target: TARGET, lines, of, "more of the same: {message}"),
                Level::WARN => tracing::warn!(target: TARGET, lines, of, "more of the same: {message}"),
                _ => tracing::info!(target: TARGET, lines, of, "more of the same: {message}"),
            }
        }
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<(Identifier, String), Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves lines out, and has a thread that says how many.
pub struct Limiter {
    limit: Arc<Limit>,
    wake: Sender<()>,
}

impl Limiter {
    /// With its thread, which lives as long as the process and sleeps while nothing is left out.
    pub fn start(limit: &Arc<Limit>) -> std::io::Result<Limiter> {
        let (wake, woken) = bounded::<()>(1);
        let told = Arc::clone(limit);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                while told.is_owing() {
                    std::thread::park_timeout(SPAN);
                    told.tell(Instant::now(), false);
                }
            }
        })?;
        Ok(Limiter { limit: Arc::clone(limit), wake })
    }
}

impl<S: Subscriber> Layer<S> for Limiter {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let meta = event.metadata();
        if *meta.level() > Level::INFO || [TARGET, BEAT].contains(&meta.target()) {
            return true;
        }
        let mut said = Said::default();
        event.record(&mut said);
        let admitted = self.limit.admits((meta.callsite(), said.subject), *meta.level(), &said.message, Instant::now());
        if !admitted && let Err(TrySendError::Disconnected(())) = self.wake.try_send(()) {
            return true;
        }
        admitted
    }
}

/// What a line says, and of what.
#[derive(Default)]
struct Said {
    message: String,
    subject: String,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A String takes everything that is written to it.
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else if SUBJECTS.contains(&field.name()) {
            let gap = if self.subject.is_empty() { "" } else { " " };
            let _ = write!(self.subject, "{gap}{}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use tracing::callsite::Callsite;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn so_many_lines_and_then_how_many_more() {
        let (limit, begun) = (Limit::default(), Instant::now());
        let site = site();
        let admits = |subject: u64, ms: u64| limit.admits((site.clone(), format!("rung={subject}")), Level::WARN, "late", begun + Duration::from_millis(ms));
        let admitted = (0..1000).filter(|n| admits(1, n * 9)).count();
        assert_eq!(admitted, MOST as usize);
        assert!(admits(2, 0), "another rung is another matter");
        assert_eq!(limit.over(begun + Duration::from_secs(9), false), []);
        assert!(limit.is_owing());
        let more = More { level: Level::WARN, lines: 1000 - u64::from(MOST), subject: "rung=1".into(), message: "late".into() };
        assert_eq!(limit.over(begun + SPAN, false), [more]);
        assert!(!limit.is_owing());
        // The next time begins where it was told.
        assert_eq!((0..20).filter(|n| admits(1, 10_000 + n)).count(), MOST as usize);
        assert!(admits(2, 30_000) && limit.over(begun + SPAN * 9, true).len() == 1);
    }

    /// Some place in the code.
    fn site() -> Identifier {
        struct Site;
        impl Callsite for Site {
            fn set_interest(&self, _: tracing::subscriber::Interest) {}
            fn metadata(&self) -> &tracing::Metadata<'_> {
                unreachable!("nobody asks")
            }
        }
        Identifier(&Site)
    }

    #[derive(Clone, Default)]
    struct Counted(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Counted {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// What was written, with the fields.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut line = String::new();
            event.record(&mut |field: &Field, value: &dyn Debug| line += &format!("{}={value:?} ", field.name()));
            self.0.lock().expect("nobody panics").push(line);
        }
    }

    fn written(what: impl FnOnce(&Limit)) -> Vec<String> {
        let (limit, written) = (Arc::new(Limit::default()), Written::default());
        let limiter = Limiter::start(&limit).expect("a thread");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(written.clone()).with(limiter), || what(&limit));
        written.0.lock().expect("nobody panics").clone()
    }

    #[test]
    fn beats_are_never_left_out() {
        let lines = written(|_| (0..10).for_each(|n| tracing::info!(target: BEAT, n, "running")));
        assert_eq!(lines.len(), 10, "{lines:?}");
    }

    #[test]
    fn what_was_left_out_is_told_with_what_it_spoke_of() {
        let lines = written(|limit| {
            for n in 0..100 {
                let (rung, pipeline) = (["avc-720p", "avc-1080p"][n % 2], ["a", "b"][n % 2]);
                tracing::warn!(rung, "late");
                tracing::warn!(pipeline, scheme = %"cbcs", "refused");
            }
            tracing::warn!("alone");
            limit.tell(Instant::now(), true);
        });
        let mut more: Vec<&str> = lines.iter().filter(|line| line.contains("more of the same")).map(|line| line.trim()).collect();
        more.sort_unstable();
        let told = |of: &str, message: &str| format!("message=more of the same: {message} lines=45 of=\"{of}\"");
        let wanted = [
            told("pipeline=a scheme=cbcs", "refused"),
            told("pipeline=b scheme=cbcs", "refused"),
            told("rung=avc-1080p", "late"),
            told("rung=avc-720p", "late"),
        ];
        more.sort_unstable_by_key(|line| line.split("of=").last().map(str::to_owned));
        assert_eq!(more, wanted);
    }

    #[test]
    fn a_flood_of_one_line_is_stopped_and_others_are_not() {
        let (limit, counted) = (Arc::new(Limit::default()), Counted::default());
        let limiter = Limiter::start(&limit).expect("a thread");
        let subscriber = tracing_subscriber::registry().with(counted.clone()).with(limiter);
        tracing::subscriber::with_default(subscriber, || {
            for segment in 0..1000 {
                tracing::warn!(rung = "a", segment, "left out");
                tracing::warn!(rung = if segment < 500 { "b" } else { "c" }, segment, "left out as well");
                tracing::debug!(segment, "as asked");
            }
            assert_eq!(counted.0.load(Relaxed), 1000 + 3 * MOST as usize);
            limit.tell(Instant::now() + SPAN, false);
        });
        assert_eq!(counted.0.load(Relaxed), 1000 + 3 * MOST as usize + 3);
        assert!(mezzo::metrics::log_suppressed() >= 2000 - 3 * u64::from(MOST));
    }
}
