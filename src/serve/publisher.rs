//! Who publishes what is served: a worker, or the origin that workers push to.

use crate::metrics::{self, Page};
use crate::status::Status;
use std::time::Duration;

/// What the server asks of whoever fills its store.
pub trait Publisher: Send + Sync + 'static {
    /// Whether more will be published: what is due next is waited for only then.
    fn is_running(&self) -> bool;
    /// Whether slots are instants of today's UTC, so that it can be said when a segment is due.
    fn is_live(&self) -> bool;
    /// How long a segment lasts.
    fn segment_duration(&self) -> Duration;
    /// What keeps it from being ready (`/readyz`): names of tracks without a segment. Empty: nothing does.
    fn missing(&self) -> Vec<String>;
    /// What else keeps it from being ready: what is late, in words.
    fn late(&self) -> Vec<String> {
        Vec::new()
    }
    /// What `/metrics` shows beside the store.
    fn metrics(&self, _page: &mut Page) {}
    /// What `/v1/status` shows beside `ready` and `store`: an object.
    fn snapshot(&self) -> serde_json::Value;
}

impl Publisher for Status {
    fn is_running(&self) -> bool {
        Status::is_running(self)
    }

    fn is_live(&self) -> bool {
        Status::is_live(self)
    }

    fn segment_duration(&self) -> Duration {
        Status::segment_duration(self)
    }

    fn missing(&self) -> Vec<String> {
        Status::missing(self).into_iter().map(str::to_owned).collect()
    }

    fn late(&self) -> Vec<String> {
        Status::late(self)
    }

    fn metrics(&self, page: &mut Page) {
        metrics::worker(self, page);
    }

    fn snapshot(&self) -> serde_json::Value {
        serde_json::to_value(Status::snapshot(self)).unwrap_or_default()
    }
}
