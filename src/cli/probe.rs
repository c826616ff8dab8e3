//! `mezzo probe`: what this machine can do.

use super::columns::columns;
use super::{Failure, print};
use clap::Args;
use mezzo::probe::{BackendReport, DeviceUse, Report, State};
use std::fmt::Write;

/// Arguments of `mezzo probe`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  mezzo probe
  mezzo probe --json | jq '.backends[] | select(.state == \"ready\")'

docs/probe.md describes every field of the JSON.")]
pub struct ProbeArgs {
    /// Print it as JSON
    #[arg(long, env = "MEZZO_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    json: bool,
}

/// Prints what this machine can do.
pub fn probe(args: &ProbeArgs) -> Result<(), Failure> {
    let report = Report::here();
    if !args.json {
        return print(&text(&report));
    }
    let json = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
    print(&(json + "\n"))
}

/// The report for people.
fn text(report: &Report) -> String {
    let (host, build) = (&report.host, &report.class.build);
    let unknown = || "unknown".to_owned();
    let memory = match (host.memory, host.memory_limit) {
        (Some(all), Some(limit)) => format!("{}, of which the control group allows {}", gibibytes(all), gibibytes(limit)),
        (Some(all), None) => gibibytes(all),
        (None, _) => unknown(),
    };
    let mut text = columns(
        [
            ["mezzo", build.mezzo.as_str()],
            ["processor", host.processor.as_deref().unwrap_or("unknown")],
            ["cores", &host.cores.to_string()],
            ["memory", &memory],
            ["pinned to", &format!("{} (libav / x264 and zimg)", build.isa)],
            ["libav", &build.libav.join(", ")],
            ["", &report.libav_licence],
            ["x264", build.x264.as_deref().unwrap_or("none")],
            ["zimg", &build.zimg],
        ]
        .map(|row| row.map(str::to_owned))
        .into_iter(),
    );
    text.push_str("\nencoders\n");
    text.push_str(&columns(report.backends.iter().map(backend)));
    text.push_str(&columns(report.backends.iter().flat_map(|b| b.devices.iter().map(move |used| on_device(b, used)))));
    let (have, lack): (Vec<_>, Vec<_>) = report.decoders.iter().partition(|d| d.decoder.is_some());
    let names = |list: &[&mezzo::probe::DecoderReport]| list.iter().map(|d| d.codec.as_str()).collect::<Vec<_>>().join(", ");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\ndecoders\n  {}", names(&have));
    if !lack.is_empty() {
        let _ = writeln!(text, "  not in this libav: {}", names(&lack));
    }
    text.push_str("\ndevices\n");
    for card in &report.devices.cards {
        let _ = writeln!(text, "  card {}, {}, driver: {}", card.address, card.maker, card.driver.as_deref().unwrap_or("none"));
    }
    for node in &report.devices.nodes {
        let _ = writeln!(text, "  {}: {}", node.path, node.why.as_deref().unwrap_or("opens"));
    }
    for (kind, why) in [("NVIDIA", &report.devices.nvidia_why), ("VA-API", &report.devices.vaapi_why)] {
        let _ = writeln!(text, "  {kind}: {}", why.as_deref().unwrap_or("there is a device"));
    }
    for device in &report.on_devices {
        let _ = writeln!(text, "  {}: {}", device.device, device.in_words);
    }
    text
}

fn backend(b: &BackendReport) -> [String; 4] {
    let state = match b.state {
        State::Ready => "ready",
        State::Broken => "does not open",
        State::Absent => "absent",
    };
    let depths = b.depths.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
    let able = [(!depths.is_empty()).then(|| format!("{depths} bits")), b.version.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let why = b.why.clone().unwrap_or(able);
    [format!("  {}", b.codec), b.backend.to_owned(), state.to_owned(), why]
}

/// What a backend found on a device.
fn on_device(b: &BackendReport, used: &DeviceUse) -> [String; 4] {
    let words = match &used.why {
        Some(why) => why.clone(),
        None => {
            let depths = used.depths.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
            let largest = used.largest.map_or("unknown".to_owned(), |size| format!("{}x{}", size.width, size.height));
            format!("{depths} bits, up to {largest}, {} sessions", used.sessions.unwrap_or_default())
        }
    };
    let driver = used.driver.as_ref().map_or(String::new(), |driver| format!(" ({driver})"));
    [format!("  {}", b.codec), b.backend.to_owned(), used.device.clone(), words + &driver]
}

fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / ((1 << 30) / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
