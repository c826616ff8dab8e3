//! Scripted faults: what a bad network does to the feed, the same in every run.

use super::FeedError;
use crate::time::Seconds;

const PACKET: usize = 188;
const ACCEPTED: &str =
    "gap@AT+FOR (nothing is sent) or lossPERCENT@AT+FOR (so many transport packets are lost), in seconds since the start (gap@10+2, loss5@10+2.5)";

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Nothing is sent.
    Gap,
    /// This percentage of the transport packets is lost, spread without a pattern.
    Loss(u8),
}

/// Something that goes wrong for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When, since the start of the feed.
    pub at: Seconds,
    /// For how long.
    pub span: Seconds,
}

impl Fault {
    /// Parses `gap@10+2` or `loss5@10+2.5`.
    pub(super) fn parse(text: &str) -> Result<Fault, FeedError> {
        parse(text).ok_or_else(|| FeedError::Option { field: "fault", value: text.to_owned(), accepted: ACCEPTED.to_owned() })
    }
}

fn parse(text: &str) -> Option<Fault> {
    let (kind, when) = text.split_once('@')?;
    let (at, span) = when.split_once('+')?;
    let (at, span): (Seconds, Seconds) = (at.parse().ok()?, span.parse().ok()?);
    let kind = match kind.strip_prefix("loss") {
        Some(percent) => FaultKind::Loss(percent.parse().ok().filter(|p| (1..=100).contains(p))?),
        None => (kind == "gap").then_some(FaultKind::Gap)?,
    };
    (at >= Seconds::ZERO && span > Seconds::ZERO).then_some(Fault { kind, at, span })
}

/// Does to the bytes of a feed what the script says.
pub(super) struct Faults<'a> {
    script: &'a [Fault],
    /// Transport packets seen.
    seen: u64,
    /// Transport packets left out.
    pub lost: u64,
}

impl<'a> Faults<'a> {
    /// Nothing has gone wrong yet.
    pub fn new(script: &'a [Fault]) -> Faults<'a> {
        Faults { script, seen: 0, lost: 0 }
    }

    /// What is left of whole transport packets that are sent `elapsed` after the start.
    pub fn apply(&mut self, mut bytes: Vec<u8>, elapsed: Seconds) -> Vec<u8> {
        let percent = self.script.iter().filter(|f| elapsed >= f.at && elapsed < f.at + f.span).map(|f| match f.kind {
            FaultKind::Gap => 100,
            FaultKind::Loss(percent) => percent,
        });
        let percent = u64::from(percent.max().unwrap_or(0));
        let mut kept = 0;
        for from in (0..bytes.len()).step_by(PACKET) {
            let to = (from + PACKET).min(bytes.len());
            // Knuth's multiplicative hash of the packet's number: the same losses in every run.
            let dice = (self.seen.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 100;
            self.seen += 1;
            if dice < percent {
                self.lost += 1;
            } else {
                bytes.copy_within(from..to, kept);
                kept += to - from;
            }
        }
        bytes.truncate(kept);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script() {
        assert_eq!(parse("gap@10+2"), Some(Fault { kind: FaultKind::Gap, at: Seconds::whole(10), span: Seconds::whole(2) }));
        assert_eq!(parse("loss5@0.5+2.5").map(|f| (f.kind, f.at)), Some((FaultKind::Loss(5), Seconds::new(1, 2))));
        for bad in ["", "gap", "gap@1", "gap@1+0", "gap@-1+1", "loss@1+1", "loss0@1+1", "loss101@1+1", "flood@1+1", "gap@a+b"] {
            assert!(Fault::parse(bad).is_err_and(|e| e.to_string().contains("gap@AT+FOR")), "{bad}");
        }
    }

    #[test]
    fn loses_what_it_should_and_nothing_else() {
        let script = [Fault::parse("gap@1+1").expect("legal"), Fault::parse("loss10@3+1").expect("legal")];
        let mut faults = Faults::new(&script);
        let bytes: Vec<u8> = (0..1000u32).flat_map(|n| [(n % 251) as u8; PACKET]).collect();
        assert_eq!(faults.apply(bytes.clone(), Seconds::new(99, 100)), bytes);
        assert!(faults.apply(bytes.clone(), Seconds::whole(1)).is_empty());
        assert_eq!(faults.apply(bytes.clone(), Seconds::whole(2)), bytes);
        let left = faults.apply(bytes.clone(), Seconds::new(7, 2));
        assert!((850..950).contains(&(left.len() / PACKET)) && left.chunks(PACKET).all(|p| p.iter().all(|b| *b == p[0])));
        assert_eq!(faults.lost, 1000 + (1000 - left.len() as u64 / PACKET as u64));
    }
}
