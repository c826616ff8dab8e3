//! What a device can encode, found out by opening encoders on it.

use super::devices::Devices;
use crate::encode::{Candidate, Encoder, Recipe};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crossbeam::channel::bounded;
use hwaccel::device::{Device, Name};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Sessions that are opened at most: a driver without a limit would go on until the memory is full.
const MOST_SESSIONS: u32 = 16;
/// Pictures that are tried, largest first: what the blocks of the last ten years stop at.
const SIZES: [(u32, u32); 6] = [(8192, 8192), (8192, 4320), (4096, 4096), (4096, 2160), (1920, 1080), (1280, 720)];
/// How long a device may take to say its driver's name.
const PATIENCE: Duration = Duration::from_secs(10);

/// A device that a backend uses for a codec, or would.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeviceUse {
    /// As ladders write it: "cuda:0", "/dev/dri/renderD128".
    pub device: String,
    /// Its driver and version, where they say.
    pub driver: Option<String>,
    /// Bits of a sample that open.
    pub depths: Vec<u32>,
    /// The largest picture that opens, of a few that are tried.
    pub largest: Option<Largest>,
    /// How many encoders open at once; 16 at most are tried.
    pub sessions: Option<u32>,
    /// Why none opens.
    pub why: Option<String>,
}

/// Size of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Largest {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

/// Opens encoders of `candidate` for `codec` on each device of `names`; `small` is the rendition that a job would have.
pub fn look(candidate: &Candidate, codec: VideoCodec, names: &[Name], devices: &Devices, small: &Rendition) -> Vec<DeviceUse> {
    let one = |name: &Name| {
        let base = Rendition { codec, devices: vec![name.to_string()], ..small.clone() };
        let open = |of: &Rendition| candidate.open(of, &Recipe::of(of)).map(|opened| opened.encoder).map_err(|error| error.to_string());
        let mut tried = tries(codec.depths(), &base, &open);
        tried.device = name.to_string();
        tried.driver = driver(name, devices);
        tried
    };
    names.iter().map(one).collect()
}

type Open<'a> = &'a dyn Fn(&Rendition) -> Result<Box<dyn Encoder>, String>;

/// What opens, of every depth, size and number of sessions that is tried.
fn tries(depths: &[u32], base: &Rendition, open: Open) -> DeviceUse {
    let mut found = DeviceUse { device: String::new(), driver: None, depths: Vec::new(), largest: None, sessions: None, why: None };
    for depth in depths {
        match open(&Rendition { depth: *depth, ..base.clone() }) {
            Ok(_) => found.depths.push(*depth),
            Err(why) => {
                found.why.get_or_insert(why);
            }
        }
    }
    let Some(depth) = found.depths.first().copied() else { return found };
    found.why = None;
    let sized = |(width, height)| Rendition { width, height, depth, ..base.clone() };
    found.largest = SIZES.into_iter().find(|size| open(&sized(*size)).is_ok()).map(|(width, height)| Largest { width, height });
    let sessions: Vec<Box<dyn Encoder>> = (0..MOST_SESSIONS).map_while(|_| open(&sized((base.width, base.height))).ok()).collect();
    found.sessions = u32::try_from(sessions.len()).ok();
    found
}

/// The driver's name and version: VA-API's own words, else the kernel module's.
fn driver(name: &Name, devices: &Devices) -> Option<String> {
    let (tell, told) = bounded(1);
    let asked = name.clone();
    if let Name::Node(_) = name {
        // On a thread of its own, which is left behind where the driver hangs.
        let ask = move || drop(tell.send(Device::open(&asked).ok().and_then(|device| device.driver().map(str::to_owned))));
        let spawned = std::thread::Builder::new().name("probe driver".to_owned()).spawn(ask);
        if let Some(told) = spawned.ok().and_then(|_| told.recv_timeout(PATIENCE).ok()).flatten() {
            return Some(told);
        }
    }
    let module = devices.node(name)?.driver.clone()?;
    let version = std::fs::read_to_string(Path::new("/sys/module").join(&module).join("version"));
    Some(version.map_or(module.clone(), |version| format!("{module} {}", version.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::rendition;
    use crate::encode::{EncodeError, Packet};
    use crate::frame::Frame;
    use crate::time::Rate;
    use std::sync::Arc;

    /// An encoder that counts as open while it lives.
    struct Counted(#[expect(dead_code, reason = "its count is what matters")] Arc<()>);

    impl Encoder for Counted {
        fn encode(&mut self, _: &Frame, _: &mut Vec<Packet>) -> Result<(), EncodeError> {
            Ok(())
        }
        fn finish(self: Box<Self>, _: &mut Vec<Packet>) -> Result<(), EncodeError> {
            Ok(())
        }
    }

    /// A device that has so many sessions, pictures up to a size, and 8 bits.
    fn device(sessions: usize, widest: u32) -> DeviceUse {
        let held = Arc::new(());
        let open = |of: &Rendition| -> Result<Box<dyn Encoder>, String> {
            match () {
                () if of.depth != 8 => Err("8 bits only".to_owned()),
                () if of.width > widest => Err("too wide".to_owned()),
                () if Arc::strong_count(&held) > sessions => Err("no further session".to_owned()),
                () => Ok(Box::new(Counted(Arc::clone(&held)))),
            }
        };
        tries(&[8, 10], &rendition((320, 180), Rate::new(25, 1).expect("legal"), 50, 500_000, &["nvenc"]), &open)
    }

    #[test]
    fn limits_are_found_by_opening() {
        let small = device(3, 4096);
        assert_eq!((small.depths, small.largest, small.sessions, small.why), (vec![8], Some(Largest { width: 4096, height: 4096 }), Some(3), None));
        assert_eq!(device(1000, 8192).sessions, Some(MOST_SESSIONS));
        let none = device(0, 4096);
        assert_eq!((none.depths.len(), none.sessions, none.why.as_deref()), (0, None, Some("no further session")));
    }
}
