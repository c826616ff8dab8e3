//! Callers that an SRT listener's library turns away by itself: another passphrase, none, one too many. libav tells nothing of them.

use crate::ffmpeg::on_srt_log;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often they are told of, at most, for each reason.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Reasons that are told apart; the library has a few more than ten.
const REASONS: usize = 32;

static REFUSED: AtomicU64 = AtomicU64::new(0);
static TOLD: Mutex<Vec<(String, Instant)>> = Mutex::new(Vec::new());

/// Counts and tells of them from here on, whichever listener of this process it was.
pub fn watch() {
    if !on_srt_log(heard) {
        tracing::debug!("this libav has no libsrt of its own to listen to");
    }
}

/// So many were turned away.
pub fn count() -> u64 {
    REFUSED.load(Relaxed)
}

fn heard(area: &str, line: &str) {
    let Some(why) = reason(area, line) else { return tracing::debug!("libsrt: {}", line.trim_end()) };
    let refused = REFUSED.fetch_add(1, Relaxed) + 1;
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    told.retain(|(_, at)| at.elapsed() < TOLD_EVERY);
    if told.len() < REASONS && told.iter().all(|(reason, _)| reason != why) {
        told.push((why.to_owned(), Instant::now()));
        tracing::warn!(refused, "an SRT caller was refused: {why}");
    }
}

/// Why somebody was refused, if the line says so: "…: processConnectRequest: rsp(REJECT): 1010 - Incorrect passphrase".
fn reason<'a>(area: &str, line: &'a str) -> Option<&'a str> {
    let (_, verdict) = line.split_once("rsp(REJECT): ").filter(|_| area == "processConnectRequest")?;
    verdict.lines().next()?.split_once(" - ").map(|(_, why)| why.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why() {
        let line = "12:11:22.457877/SRT:RcvQ:w1!W:SRT.cn: processConnectRequest: rsp(REJECT): 1010 - Incorrect passphrase\n12:11:22.457939/SRT: not processing further\n";
        assert_eq!(reason("processConnectRequest", line), Some("Incorrect passphrase"));
        assert_eq!(reason("newConnection", line), None, "said once");
        assert_eq!(reason("processConnectRequest", "SRT.cn: listen ret: 1010 - ERROR:BADSECRET"), None);
        assert_eq!(reason("processConnectRequest", "rsp(REJECT): 1010"), None);
    }
}
