//! Where a source is decoded: on the host, or on a device that is open already for the rungs.

use crate::capture::{StreamInfo, Turn};
use crate::class::{self, Build};
use crate::encode::hardware::{first_device, refusal};
use crate::job::{DecodeOn, Job};
use crate::plan::{Plan, Rendition};
use crossbeam::channel::bounded;
use ffmpeg_next as ffmpeg;
use hwaccel::decoder::decodes;
use hwaccel::device::{Device, Name};
use std::sync::Arc;
use std::time::Duration;

/// How long a device may take to open: a driver loads its firmware the first time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The device on which the source of `plan` is decoded, open, and named in the plan and its class; `None`: on the host, with one line that says why wherever a device
/// was asked for or could have been. To be called once the plan's backends are those that open.
/// `info` is absent where the source is not open, and is taken for one that devices decode.
pub fn settle(plan: &mut Plan, job: &Job, info: Option<&StreamInfo>) -> Option<Arc<Device>> {
    let name = match choose(&job.decode, &plan.video) {
        Ok(name) => name,
        Err(why) => {
            why.iter().for_each(|why| tracing::info!("the source is decoded in software: {why}"));
            return None;
        }
    };
    if job.standby.is_some() {
        plan.warnings.push(format!("the source is decoded in software: with a standby, more pictures of it wait than {name} has room for"));
        return None;
    }
    match unfit(&name, info, plan.source.interlaced).map_or_else(|| opened(&name), Err) {
        Ok(device) => {
            plan.decode = Some(name.to_string());
            plan.class = class::of(plan, job, &Build::here());
            Some(device)
        }
        Err(why) => {
            plan.warnings.push(format!("the source is decoded in software: {why}"));
            None
        }
    }
}

/// What the job asks for, or what its rungs suggest: the device that encodes most pixels a second. Not where any rung is made in software: its bytes are the same on every
/// worker, and would not be of pictures that a device decoded and scaled. `Err`: in software, and why, where that is worth a line. Pure.
pub fn choose(wish: &DecodeOn, rungs: &[Rendition]) -> Result<Name, Option<String>> {
    match wish {
        DecodeOn::Software => return Err(None),
        DecodeOn::Device(name) => return Ok(name.clone()),
        DecodeOn::Auto => {}
    }
    let mut loads: Vec<(Name, u64)> = Vec::new();
    for rung in rungs {
        let Some(name) = first_device(rung) else { continue };
        let pixels = u64::from(rung.width) * u64::from(rung.height);
        match loads.iter_mut().find(|(known, _)| *known == name) {
            Some((_, load)) => *load += pixels,
            None => loads.push((name, pixels)),
        }
    }
    // The first of those with most.
    let (name, _) = loads.into_iter().rev().max_by_key(|(_, load)| *load).ok_or(None)?;
    match rungs.iter().find(|rung| first_device(rung).is_none()) {
        Some(rung) => Err(Some(format!("{} is made in software, of which every worker makes the same bytes; decode = \"{name}\" gives that up", rung.name))),
        None => Ok(name),
    }
}

/// Why a stream is not for the device, in one line; `None` where it may be. (`info` as for [`settle`].)
pub fn unfit(name: &Name, info: Option<&StreamInfo>, interlaced: bool) -> Option<String> {
    let turned = info.is_some_and(|info| info.turn != Turn::None);
    let unknown = info.map(|info| info.parameters.id()).filter(|id| decoder_for(*id, name).is_none());
    match unknown {
        _ if interlaced => Some(format!("{name} is not used, for its pictures are interlaced, and are made progressive on the host")),
        _ if turned => Some(format!("{name} is not used, for its pictures are turned upright, on the host")),
        Some(id) => Some(format!("this libav does not decode {} on {name}", id.name())),
        None => None,
    }
}

/// The decoder of libav that can work on such a device. (Of some codecs the one that libav prefers cannot, and its own can.)
pub fn decoder_for(id: ffmpeg::codec::Id, name: &Name) -> Option<ffmpeg::Codec> {
    let found = [ffmpeg::decoder::find(id), ffmpeg::decoder::find_by_name(id.name())];
    found.into_iter().flatten().find(|codec| decodes(codec, name.kind()))
}

/// The device, shared with all who have it open, within 10 s: on a thread of its own, which is left behind where the driver hangs.
///
/// # Errors
/// Why it does not open, in one line.
pub fn opened(name: &Name) -> Result<Arc<Device>, String> {
    let (tell, told) = bounded(1);
    let asked = name.clone();
    let ask = move || drop(tell.send(Device::shared(&asked)));
    std::thread::Builder::new().name("open device".to_owned()).spawn(ask).map_err(|error| format!("{name}: {error}"))?;
    let opened = told.recv_timeout(PATIENCE).map_err(|_| format!("{name}: its driver does not answer within {} s", PATIENCE.as_secs()))?;
    opened.map_err(|error| refusal::of_device(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::rendition;
    use crate::time::Rate;

    fn rung(size: (u32, u32), backends: &[&str], device: &str) -> Rendition {
        let of = rendition(size, Rate::new(25, 1).expect("legal"), 50, 1_000_000, backends);
        Rendition { devices: vec![device.to_owned()], ..of }
    }

    #[test]
    fn a_device_is_taken_where_it_makes_most_and_nothing_is_made_in_software() {
        let auto = |rungs: &[Rendition]| choose(&DecodeOn::Auto, rungs);
        let name = |text: &str| Name::parse(text).expect("a name");
        let (large, small) = (rung((1920, 1080), &["nvenc", "x264"], "cuda:1"), rung((640, 360), &["nvenc"], "cuda:0"));
        assert_eq!(auto(&[large.clone(), small.clone(), small.clone()]), Ok(name("cuda:1")));
        assert_eq!(auto(&[small.clone(), rung((640, 360), &["vaapi"], "/dev/dri/renderD128")]), Ok(name("cuda:0")), "the first of equals");
        assert_eq!(auto(&[rung((640, 360), &["x264"], "cuda:0")]), Err(None));
        let mixed = [large, rung((320, 180), &["x264", "nvenc"], "cuda:1")];
        assert!(auto(&mixed).is_err_and(|why| why.is_some_and(|why| why.contains("decode = \"cuda:1\""))));
        assert_eq!(choose(&DecodeOn::Device(name("cuda:0")), &mixed), Ok(name("cuda:0")));
        assert_eq!(choose(&DecodeOn::Software, &[small]), Err(None));
    }
}
