//! Spans: ExportTraceServiceRequest of OTLP 1.x, in its JSON form (ids in hexadecimal, 64-bit numbers as strings).

use crate::metrics::Life;
use crate::time::Seconds;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Who sends.
pub struct Resource {
    class: String,
    tracks: Vec<String>,
    /// Different for each process.
    instance: String,
}

impl Resource {
    /// This process.
    pub fn new(class: &str, tracks: Vec<String>) -> Resource {
        let instance = format!("{}-{}", std::process::id(), Seconds::host_now().floor_ticks(1000));
        Resource { class: class.to_owned(), tracks, instance }
    }

    /// The body of a request for these segments.
    pub fn body(&self, lives: &[Life]) -> Vec<u8> {
        let spans: Vec<Value> = lives.iter().flat_map(|life| self.spans(life)).collect();
        let attributes = json!([
            text("service.name", "mezzo"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", &self.instance),
            text("mezzo.class", &self.class),
        ]);
        let scope = json!({ "name": "mezzo", "version": env!("CARGO_PKG_VERSION") });
        let body = json!({ "resourceSpans": [{ "resource": { "attributes": attributes }, "scopeSpans": [{ "scope": scope, "spans": spans }] }] });
        body.to_string().into_bytes()
    }

    /// A span for the segment, and one for each stage that is known of it.
    fn spans(&self, life: &Life) -> Vec<Value> {
        let track = self.tracks.get(life.track).map_or("", String::as_str);
        let trace = trace_id(&self.class, track, life.gop.0);
        let id = |stage: &str| hex(&digest(&[stage, track, &life.gop.to_string(), &self.instance])[..8]);
        // Sound has no pictures, and its encoder is not marked.
        let pictures = life.done.is_some();
        let [came, placed, scaled] = life.first.map(|at| at.filter(|_| pictures));
        let [last_came, last_placed, last_scaled] = life.last;
        let stages = [
            ("capture", came, last_came),
            ("decode", came, last_placed),
            ("downscale", placed, last_scaled),
            ("encode", scaled, life.done),
            ("mux", life.done, life.muxed),
            ("publish", life.muxed, Some(life.published)),
        ];
        let begin = stages.iter().filter_map(|(_, from, _)| *from).min().unwrap_or(life.published);
        let span = |name: &str, parent: Option<&str>, from: Seconds, to: Seconds| {
            let mut span = json!({
                "traceId": trace,
                "spanId": id(name),
                "name": name,
                "kind": 1,
                "startTimeUnixNano": nanos(from),
                "endTimeUnixNano": nanos(to.max(from)),
                "attributes": [text("mezzo.track", track), number("mezzo.segment", life.gop.0)],
            });
            if let Some(parent) = parent {
                span["parentSpanId"] = id(parent).into();
            }
            span
        };
        let mut root = span("segment", None, begin, life.published);
        if let Some(attributes) = root["attributes"].as_array_mut() {
            attributes.push(number("mezzo.bytes", i64::try_from(life.bytes).unwrap_or(i64::MAX)));
        }
        let parts = stages.iter().filter_map(|(name, from, to)| Some(span(name, Some("segment"), (*from)?, (*to)?)));
        std::iter::once(root).chain(parts).collect()
    }
}

/// The same for all workers of a class. Names of tracks and numbers alone are those of every event with such a ladder.
pub(super) fn trace_id(class: &str, track: &str, gop: i64) -> String {
    hex(&digest(&["segment", class, track, &gop.to_string()])[..16])
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn nanos(at: Seconds) -> String {
    at.nearest_ticks(1_000_000_000).to_string()
}

fn digest(parts: &[&str]) -> [u8; 32] {
    Sha256::digest(parts.join("\n")).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
