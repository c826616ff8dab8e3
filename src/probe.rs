//! What this machine can do: `mezzo probe`. `docs/probe.md` describes its JSON; a test holds the two together.

mod backends;
mod decoders;
mod devices;
mod hardware;
mod host;
mod on_devices;

use crate::class::Build;
pub use backends::{BackendReport, State};
pub use decoders::DecoderReport;
pub use devices::{Card, Devices, Node};
pub use hardware::{DeviceUse, Largest};
pub use host::{HostReport, memory};
pub use on_devices::DeviceReport;
use serde::Serialize;
use std::path::Path;

/// Version of the JSON's shape. Grows when a field goes or changes its meaning, not when one is added.
pub const SCHEMA: u32 = 2;

/// All that there is to say.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// The machine.
    pub host: HostReport,
    /// What of this machine goes into the class of a worker, beside its plan.
    pub class: ClassReport,
    /// The licence that this libav's configuration puts it under.
    pub libav_licence: String,
    /// Video and audio encoders, by codec.
    pub backends: Vec<BackendReport>,
    /// Decoders for what feeds usually carry.
    pub decoders: Vec<DecoderReport>,
    /// Devices that could encode, decode or scale.
    pub devices: Devices,
    /// What each of those that open does.
    pub on_devices: Vec<DeviceReport>,
}

/// What goes into every class.
#[derive(Clone, Debug, Serialize)]
pub struct ClassReport {
    /// The software, and the level that it is pinned to.
    #[serde(flatten)]
    pub build: Build,
    /// Digest of the processor's approximate reciprocals; counts where an encoder uses them.
    pub reciprocals: String,
}

impl Report {
    /// Of this machine. Opens every encoder that mezzo has a backend for, once.
    pub fn here() -> Report {
        let build = Build::here();
        let devices = Devices::here();
        let backends = backends::look(&build, &devices);
        Report {
            schema: SCHEMA,
            host: host::look(Path::new("/")),
            libav_licence: ffmpeg_next::codec::license().to_owned(),
            on_devices: on_devices::look(&devices, &backends),
            backends,
            decoders: decoders::look(),
            devices,
            class: ClassReport { reciprocals: build.reciprocals.clone(), build },
        }
    }
}

#[cfg(test)]
#[path = "probe/probe_tests.rs"]
mod tests;
