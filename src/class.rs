//! The class of a worker: a short hash of everything beside the feed that alters published bytes.
//!
//! Two workers of one class may stand in for each other: segment N of one is segment N of the other, byte for byte.

mod arithmetic;
mod encoders;

use crate::decode::filler::Filler;
use crate::encode::point::{self, X264Point};
use crate::ffmpeg::pin_cpu;
use crate::job::{Job, Latency, Prft};
use crate::plan::{Plan, Rendition, SourceFacts};
use crate::time::Seconds;
use ffmpeg_next as ffmpeg;
use hwaccel::device::Name;
use hwaccel::isa::Isa;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// The software that makes the bytes, and the instruction-set level that it is pinned to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Build {
    /// Version of mezzo.
    pub mezzo: String,
    /// Versions of libav's libraries as linked at run time, in the form `name major.minor.micro`.
    pub libav: Vec<String>,
    /// How libavcodec was configured.
    pub configuration: String,
    /// What x264 calls itself ("core 164 r3095 baee400"); absent where it does not open.
    pub x264: Option<String>,
    /// What x265 calls itself ("3.5+1-f0c1022b6"); absent where it does not open.
    pub x265: Option<String>,
    /// What SVT-AV1 is: the file that is linked ("libSvtAv1Enc.so.1.4.1"); absent where that cannot be told.
    pub svt_av1: Option<String>,
    /// Version of libzimg.
    pub zimg: String,
    /// Instruction-set level of libav ([`pin_cpu`]), "/", and that of x264 and zimg ([`Isa::pinned`]), which may differ on odd processors.
    pub isa: String,
    /// Digest of what the C library's elementary functions give.
    pub functions: String,
    /// Digest of what the processor's approximate reciprocals are. Counts only where a rung's encoder uses them: it differs between makers of processors.
    #[serde(skip)]
    pub reciprocals: String,
}

impl Build {
    /// This process. Pins the processor level, so that what is hashed is what is used.
    pub fn here() -> Build {
        static HERE: OnceLock<Build> = OnceLock::new();
        let make = || Build {
            isa: format!("{}/{}", pin_cpu(), Isa::pinned().name()),
            mezzo: env!("CARGO_PKG_VERSION").to_owned(),
            libav: [
                ("libavutil", ffmpeg::util::version()),
                ("libavcodec", ffmpeg::codec::version()),
                ("libavformat", ffmpeg::format::version()),
                ("libavfilter", ffmpeg::filter::version()),
                ("libswscale", ffmpeg::software::scaling::version()),
                ("libswresample", ffmpeg::software::resampling::version()),
            ]
            .into_iter()
            .map(|(name, v)| format!("{name} {}.{}.{}", v >> 16, v >> 8 & 0xff, v & 0xff))
            .collect(),
            configuration: ffmpeg::codec::configuration().to_owned(),
            x264: encoders::x264(),
            x265: encoders::x265(),
            svt_av1: encoders::svt_av1(),
            zimg: hwaccel::host::version(),
            functions: arithmetic::functions(),
            reciprocals: arithmetic::reciprocals(),
        };
        HERE.get_or_init(make).clone()
    }
}

/// The class: 12 hex digits. Of the streams of the source only what is made of them counts: where they lie, and whether one has come yet, alters no byte. `plan.class`, `plan.left_out` and `plan.warnings` do not count; of the job count chunks and what moves a picture to another slot.
pub fn of(plan: &Plan, job: &Job, build: &Build) -> String {
    let mut facts = json!({
        "build": build,
        "reciprocals": plan.video.iter().any(uses_reciprocals).then_some(&build.reciprocals),
        "source": SourceFacts { video: None, sounds: Vec::new(), ..plan.source.clone() },
        "grid": plan.grid,
        "video": plan.video.iter().map(anywhere).collect::<Vec<_>>(),
        "audio": plan.audio,
        "chunk": job.chunk.map(fraction),
        "clock": format!("{:?}", job.timeline.clock),
        "phase": fraction(job.timeline.phase),
        "stamp_offset": fraction(job.timeline.stamp_offset),
        "hold": fraction(job.timeline.hold),
        "max_gap": fraction(job.timeline.max_gap),
    });
    if job.prft == Prft::Chunk {
        facts["prft"] = json!("chunk");
    }
    if let Filler::Picture(slate) = &job.timeline.filler {
        facts["filler"] = json!(slate.digest());
    }
    if let Some(name) = plan.decode.as_deref().and_then(Name::parse) {
        // Which of several devices does not count, as it does not for encoders; that it is one does: pictures that a device scales differ from the host's.
        facts["decode"] = json!(name.kind().name());
    }
    short_hash(&facts)
}

/// A rendition on no device in particular.
fn anywhere(rendition: &Rendition) -> Rendition {
    Rendition { devices: Vec::new(), ..rendition.clone() }
}

/// Whether an encoder of this rung computes with approximate reciprocals.
fn uses_reciprocals(rendition: &Rendition) -> bool {
    let low = rendition.latency == Latency::Low;
    rendition.backends.iter().any(|name| name == "x264") && !low && point::x264(&rendition.point).is_none_or(X264Point::uses_reciprocals)
}

/// The first 12 hex digits of the SHA-256 of a JSON value whose objects have their keys in order, which serde_json's default map keeps.
pub(crate) fn short_hash(value: &Value) -> String {
    Sha256::digest(value.to_string()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// An exact time as text: "numerator/denominator" in lowest terms.
pub(crate) fn fraction(time: Seconds) -> String {
    let (num, den) = time.fraction();
    format!("{num}/{den}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;

    fn planned() -> (Job, Plan) {
        let job = crate::plan::plan_tests::job("tiny", "");
        let plan = resolve(&job, &crate::plan::plan_tests::source(1920, 1080, (1, 1))).expect("resolves");
        (job, plan)
    }

    #[test]
    fn the_class_is_short_and_the_same_again() {
        let (job, plan) = planned();
        assert_eq!(plan.class.len(), 12);
        assert!(plan.class.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(of(&plan, &job, &Build::here()), plan.class);
    }

    #[test]
    fn what_alters_bytes_alters_the_class_and_nothing_else_does() {
        let (job, plan) = planned();
        let change_plan = |change: fn(&mut Plan)| {
            let mut other = plan.clone();
            change(&mut other);
            of(&other, &job, &Build::here()) != plan.class
        };
        assert!(change_plan(|p| p.video[0].quality = 23.5));
        assert!(change_plan(|p| p.video[1].max_bitrate += 1));
        assert!(change_plan(|p| p.video[0].point = "faster".into()));
        assert!(change_plan(|p| p.video[0].backends.clear()));
        assert!(change_plan(|p| p.audio[0].language = "deu".into()));
        assert!(change_plan(|p| p.audio[0].role = crate::role::Role::Dub));
        assert!(change_plan(|p| p.source.interlaced = true));
        assert!(!change_plan(|p| p.source.sounds[0].stream = Some(crate::job::StreamRef::Pid(300))));
        assert!(change_plan(|p| p.decode = Some("cuda:0".into())));
        let on = |device: &str| of(&Plan { decode: Some(device.into()), ..plan.clone() }, &job, &Build::here());
        assert!(on("cuda:0") == on("cuda:1") && on("cuda:0") != on("/dev/dri/renderD128"));
        assert!(!change_plan(|p| p.class = "x".into()));
        assert!(!change_plan(|p| p.left_out.push(crate::plan::LeftOut { rung: "x".into(), why: "y".into() })));
        assert!(!change_plan(|p| p.warnings.push("x".into())));
        let change_job = |change: fn(&mut Job)| {
            let mut other = job.clone();
            change(&mut other);
            of(&plan, &other, &Build::here()) != plan.class
        };
        assert!(change_job(|j| j.chunk = Some(Seconds::new(1, 2))));
        assert!(change_job(|j| j.timeline.phase = Seconds::new(1, 100)));
        assert!(!change_job(|j| j.outputs.clear()));
        assert!(!change_job(|j| j.publish_delay = Seconds::whole(9)));
        let change_build = |change: fn(&mut Build)| {
            let mut other = Build::here();
            change(&mut other);
            of(&plan, &job, &other) != plan.class
        };
        assert!(change_build(|b| b.isa.push('x')));
        assert!(change_build(|b| b.x264 = None));
        assert!(change_build(|b| b.libav[1].push('1')));
        assert!(change_build(|b| b.zimg.push('1')));
        assert!(change_build(|b| b.functions.push('1')));
    }

    #[test]
    fn reciprocals_count_where_an_encoder_uses_them() {
        let (job, mut plan) = planned();
        let mut other = Build::here();
        other.reciprocals.push('x');
        assert_ne!(of(&plan, &job, &other), of(&plan, &job, &Build::here()), "veryfast has a macroblock tree");
        plan.video.iter_mut().for_each(|rung| rung.point = "superfast".into());
        assert_eq!(of(&plan, &job, &other), of(&plan, &job, &Build::here()), "superfast has none");
    }

    #[test]
    fn x264_says_who_it_is() {
        if ffmpeg::encoder::find_by_name("libx264").is_none() {
            eprintln!("skipped: this libav has no libx264");
            return;
        }
        let build = encoders::x264().expect("libx264 is there");
        assert!(build.starts_with("core ") && build.len() < 60, "{build}");
    }
}
