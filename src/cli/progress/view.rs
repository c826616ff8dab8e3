//! The live view: lines from a snapshot, as wide and as high as the terminal allows. Pure.

use super::super::screen::Line;
use super::figures::Figures;
use super::words;
use mezzo::status::{Media, Snapshot, State, TrackSnapshot};

/// How a piece of text looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Paint {
    Plain,
    Soft,
    Good,
    Wait,
    Bad,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Soft => "\x1b[2m",
            Paint::Good => "\x1b[32m",
            Paint::Wait => "\x1b[33m",
            Paint::Bad => "\x1b[1;31m",
        }
    }
}

type Spans = Vec<(String, Paint)>;

/// A column of the table: its head, its cells, whether they stand at the right, and how soon it goes where there is no room (0: never).
struct Column {
    head: &'static str,
    cells: Vec<(String, Paint)>,
    right: bool,
    goes: u8,
}

/// Between two columns, or two parts of a line.
const GAP: &str = "   ";

/// The view in a terminal of `size` (columns, rows).
pub fn lines(s: &Snapshot, figures: &Figures, url: Option<&str>, size: (usize, usize), colour: bool) -> Vec<Line> {
    // The last column stays free: where a line ends in it, terminals differ on where the cursor is.
    let (width, rows) = (size.0.saturating_sub(1), size.1.saturating_sub(1));
    let mut all = vec![Vec::new(), head(s, figures), feed(s, figures)];
    let more = usize::from(url.is_some());
    let table = table(s, figures, width);
    let room = rows.saturating_sub(all.len() + more).max(1);
    let shown = if table.len() <= room { table.len() } else { room.saturating_sub(1) };
    let hidden = table.len() - shown;
    all.extend(table.into_iter().take(shown));
    if hidden > 0 {
        all.push(vec![(format!("and {hidden} more"), Paint::Soft)]);
    }
    all.extend(url.map(|url| vec![("page".to_owned(), Paint::Soft), (format!("{GAP}{url}"), Paint::Plain)]));
    // Where there is hardly any room: what matters first.
    if rows < all.len() {
        all.remove(0);
    }
    all.truncate(rows);
    all.into_iter().map(|spans| line(spans, width, colour)).collect()
}

fn head(s: &Snapshot, figures: &Figures) -> Spans {
    let (word, paint) = match (s.state, &s.error) {
        (_, Some(error)) => (format!("failed: {error}"), Paint::Bad),
        (State::Starting, _) => ("starting".to_owned(), Paint::Wait),
        (State::Running, _) => ("running".to_owned(), Paint::Good),
        (State::Leaving, _) => ("leaving, what is in flight is finished".to_owned(), Paint::Wait),
        (state, _) => (state.name().to_owned(), Paint::Plain),
    };
    let mut spans = vec![(word, paint), (format!("{GAP}{}", words::length(uptime(s))), Paint::Plain)];
    if s.position.is_none() {
        spans.push((format!("{GAP}the first segment is being made"), Paint::Soft));
        return spans;
    }
    spans.push((format!("{GAP}at {}", words::position(s)), Paint::Plain));
    match stalled(s) {
        Some(words) => spans.push((format!("{GAP}{words}"), Paint::Bad)),
        None => spans.extend(s.lag_ms.map(|lag| (format!("{GAP}{} behind live", words::seconds(lag)), Paint::Plain))),
    }
    if !s.live {
        spans.extend(figures.speed().map(|speed| (format!("{GAP}{} real time", words::times(speed)), Paint::Plain)));
    }
    if let (Some(percent), Some(all)) = (words::share(s), s.expected_ms) {
        spans.push((format!("{GAP}{percent} % of {}", words::length(all)), Paint::Plain));
    }
    spans
}

fn feed(s: &Snapshot, figures: &Figures) -> Spans {
    let rate = figures.decoded().map_or(String::new(), |fps| format!(", {}/s decoded", words::tenths(fps)));
    let mut spans =
        vec![("feed".to_owned(), Paint::Soft), (format!("{GAP}{}x{}, {}/s{rate}", s.feed.width, s.feed.height, words::rate(s.feed.rate)), Paint::Plain)];
    spans.extend(words::troubles(s).into_iter().map(|(name, n)| (format!("{GAP}{name} {n}"), Paint::Wait)));
    spans
}

fn table(s: &Snapshot, figures: &Figures, width: usize) -> Vec<Spans> {
    let mut columns = columns(s, figures);
    while total(&columns) > width {
        let Some(first) = (0..columns.len()).filter(|i| columns[*i].goes > 0).max_by_key(|i| columns[*i].goes) else { break };
        columns.remove(first);
    }
    let widths: Vec<usize> = columns.iter().map(Column::width).collect();
    let row = |cell: &dyn Fn(&Column) -> (String, Paint)| -> Spans {
        let padded = columns.iter().zip(&widths).enumerate().map(|(i, (column, width))| {
            let (text, paint) = cell(column);
            let gap = if i == 0 { "" } else { GAP };
            (if column.right { format!("{gap}{text:>width$}") } else { format!("{gap}{text:width$}") }, paint)
        });
        padded.collect()
    };
    let head = row(&|column| (column.head.to_owned(), Paint::Soft));
    let body = (0..s.tracks.len()).map(|i| row(&|column| column.cells.get(i).cloned().unwrap_or_else(|| (String::new(), Paint::Plain))));
    std::iter::once(head).chain(body).collect()
}

fn columns(s: &Snapshot, figures: &Figures) -> Vec<Column> {
    let column = |head, right, goes, cell: &dyn Fn(usize, &TrackSnapshot) -> (String, Paint)| Column {
        head,
        right,
        goes,
        cells: s.tracks.iter().enumerate().map(|(i, track)| cell(i, track)).collect(),
    };
    let known = |text: Option<String>| text.map_or(("-".to_owned(), Paint::Soft), |text| (text, Paint::Plain));
    let mut columns = vec![
        column("rung", false, 0, &|_, t| (t.facts.name.clone(), Paint::Plain)),
        column("picture", false, 3, &|_, t| match t.facts.media {
            Media::Video { width, height, .. } => (format!("{width}x{height}"), Paint::Soft),
            Media::Audio { channels, .. } => (format!("{channels} ch"), Paint::Soft),
        }),
        column("pictures/s", true, 1, &|i, t| if t.enabled { known(figures.encoded(i).map(words::tenths)) } else { ("off".to_owned(), Paint::Soft) }),
        column("bitrate", true, 0, &|_, t| known(t.bitrate.map(words::bitrate))),
        column("of cap", true, 5, &|_, t| match t.facts.media {
            Media::Video { .. } => known(t.bitrate.map(|bits| format!("{} %", bits * 100 / t.facts.max_bitrate.max(1)))),
            Media::Audio { .. } => (String::new(), Paint::Plain),
        }),
        column("lag", true, 4, &|_, t| known(t.lag_ms.map(words::seconds))),
        column("queue", true, 2, &|_, t| known(t.queue.map(|n| n.to_string()))),
        column("dropped", true, 0, &|_, t| (words::dropped(t).to_string(), if words::dropped(t) > 0 { Paint::Bad } else { Paint::Plain })),
    ];
    if !s.live {
        columns.retain(|column| column.head != "lag");
    }
    columns
}

impl Column {
    fn width(&self) -> usize {
        self.cells.iter().map(|(text, _)| text.chars().count()).chain([self.head.len()]).max().unwrap_or(0)
    }
}

fn total(columns: &[Column]) -> usize {
    columns.iter().map(Column::width).sum::<usize>() + GAP.len() * columns.len().saturating_sub(1)
}

/// A job that publishes nothing, in words: a segment is overdue, or where nobody watches that, a live job has published none for four, beside the usual lag.
fn stalled(s: &Snapshot) -> Option<String> {
    let overdue = s.tracks.iter().filter_map(|t| t.deadline).map(|d| d.overdue_ms).max();
    let stalled = match (overdue, s.age_ms, s.lag_ms) {
        (Some(ms), ..) => (ms > 0).then(|| format!("a segment is overdue by {}", words::seconds(ms))),
        (None, Some(age), Some(lag)) => (age - lag > 4 * s.segment_ms).then(|| format!("nothing published for {}", words::length(age - lag))),
        _ => None,
    };
    stalled.filter(|_| s.state == State::Running)
}

fn uptime(s: &Snapshot) -> i64 {
    i64::try_from(s.uptime_ms).unwrap_or(i64::MAX)
}

/// Cut to `width`, in colour or not. What could move the cursor (an error may quote anything) is shown as a blank.
fn line(spans: Spans, width: usize, colour: bool) -> Line {
    let (mut text, mut columns) = (String::new(), 0);
    for (span, paint) in spans {
        let part: String = span.chars().map(|c| if c.is_control() { ' ' } else { c }).take(width - columns).collect();
        columns += part.chars().count();
        let code = if colour { paint.code() } else { "" };
        text.push_str(code);
        text.push_str(&part);
        text.push_str(if code.is_empty() { "" } else { "\x1b[0m" });
    }
    Line { text, columns }
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::snapshot;
    use super::*;
    use std::time::{Duration, Instant};

    fn shown(s: &Snapshot, size: (usize, usize)) -> Vec<String> {
        let mut figures = Figures::new();
        let (now, mut later) = (Instant::now(), s.clone());
        figures.add(now, s);
        later.tracks.iter_mut().for_each(|t| t.encoded = t.encoded.map(|n| n + 50));
        later.source.pictures += 50;
        figures.add(now + Duration::from_secs(2), &later);
        lines(s, &figures, Some("http://127.0.0.1:8080/"), size, false).into_iter().map(|l| l.text).collect()
    }

    #[test]
    fn a_wide_terminal_gets_everything() {
        let mut s = snapshot();
        (s.uptime_ms, s.position, s.lag_ms) = (65_000, Some("2026-11-22T14:03:22.000Z".into()), Some(2310));
        s.tracks.iter_mut().for_each(|t| t.lag_ms = Some(2310));
        s.tracks[1].late = 2;
        let expected = "
running   0:01:05   at 14:03:22 UTC   2.31 s behind live
feed   1920x1080, 25/s, 25.0/s decoded
rung        picture     pictures/s     bitrate   of cap      lag   queue   dropped
avc-1080p   1920x1080         25.0   5.00 Mb/s     83 %   2.31 s       3         0
avc-540p    960x540           25.0   1.20 Mb/s     60 %   2.31 s       3         2
aac-128k    2 ch                 -    128 kb/s            2.31 s       -         0
page   http://127.0.0.1:8080/";
        assert_eq!(shown(&s, (120, 40)).join("\n"), expected);
    }

    #[test]
    fn whatever_the_terminal_it_fits() {
        let mut s = snapshot();
        for error in [None, Some("\x1b[2J\n\u{7}down".repeat(40))] {
            s.error = error;
            for columns in 0..130 {
                for rows in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 50] {
                    let lines = shown(&s, (columns, rows));
                    assert!(lines.len() <= rows.saturating_sub(1), "{columns}x{rows}: {lines:?}");
                    let fits = |l: &String| l.chars().count() <= columns.saturating_sub(1) && !l.chars().any(char::is_control);
                    assert!(lines.iter().all(fits), "{columns}x{rows}: {lines:?}");
                }
            }
        }
        s.error = None;
        let narrow = shown(&s, (50, 40)).join("\n");
        assert!(narrow.contains("avc-540p") && narrow.contains("1.20 Mb/s") && narrow.contains("dropped") && !narrow.contains("of cap"), "{narrow}");
        let low = shown(&s, (80, 6));
        assert!(low.iter().any(|l| l.starts_with("running")), "{low:?}");
        assert!(low.iter().any(|l| l.starts_with("and ")), "what is hidden is told: {low:?}");
    }

    #[test]
    fn a_stall_and_a_failure_are_said() {
        let mut s = snapshot();
        (s.lag_ms, s.age_ms) = (Some(2000), Some(15_000));
        assert!(shown(&s, (120, 40))[1].contains("nothing published for 0:00:13"), "{:?}", shown(&s, (120, 40)));
        s.error = Some("output out: no space left".into());
        assert!(shown(&s, (120, 40))[1].starts_with("failed: output out: no space left"));
    }

    /// Old segments alone are no stall: those of a shard lie apart, and those of a rung that is off are over.
    #[test]
    fn what_is_due_says_whether_it_stalls() {
        let mut s = snapshot();
        (s.lag_ms, s.age_ms, s.tracks[1].enabled) = (Some(2000), Some(15_000), false);
        s.tracks.iter_mut().for_each(|t| t.deadline = Some(Default::default()));
        let lines = shown(&s, (120, 40));
        assert!(lines[1].contains("2.00 s behind live") && lines[5].starts_with("avc-540p    960x540            off"), "{lines:?}");
        s.tracks[0].deadline = Some(mezzo::deadline::TrackDeadline { overdue_ms: 1500, ..Default::default() });
        assert!(shown(&s, (120, 40))[1].contains("a segment is overdue by 1.50 s"));
    }

    #[test]
    fn a_file_shows_how_far_it_is() {
        let mut s = snapshot();
        (s.live, s.lag_ms, s.age_ms, s.media_ms, s.expected_ms) = (false, None, None, 30_000, Some(120_000));
        s.tracks.iter_mut().for_each(|t| t.lag_ms = None);
        let head = &shown(&s, (120, 40))[1];
        assert!(head.contains("at 0:00:30") && head.contains("25 % of 0:02:00"), "{head}");
        assert!(!shown(&s, (120, 40))[3].contains("lag"), "a file has none");
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let (s, figures) = (snapshot(), Figures::new());
        let text = |colour| lines(&s, &figures, None, (80, 24), colour).into_iter().map(|l| l.text).collect::<String>();
        assert!(text(true).contains("\x1b[32mrunning\x1b[0m") && !text(false).contains('\x1b'));
    }
}
