//! The sample feeds: their pictures, and what mezzo plans for them.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::frame::Video;
use mezzo::frame::{Frame, Length, Origin, Picture, SideData};
use mezzo::job::wishes::{LadderWish, PaceWish};
use mezzo::job::{Job, Wishes};
use mezzo::plan::{self, Plan};
use mezzo::stop::Stop;
use mezzo::time::{GopId, Grid};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Film-like work: 1920x1080, 25 pictures a second, 4 s, with sound.
pub const PROGRESSIVE: &str = "pattern-1080p25.ts";
/// 720x576, 25 interlaced pictures a second, 2 s, with sound.
pub const INTERLACED: &str = "bars-576i25.ts";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// A job that makes a built-in ladder of a sample feed, as fast as it can.
pub fn job(name: &str, ladder: &str, output: &Path) -> Job {
    let wishes = Wishes {
        inputs: Some(vec![path(name).display().to_string()]),
        ladder: Some(LadderWish::Named(ladder.to_owned(), PathBuf::new())),
        outputs: Some(vec![output.to_owned()]),
        pace: Some(PaceWish::Fast),
        ..Wishes::default()
    };
    wishes.check("bench").expect("a legal job")
}

/// What mezzo would make of a sample feed.
pub fn plan(name: &str, ladder: &str) -> Plan {
    let job = job(name, ladder, Path::new("never-written"));
    let (source, _) = mezzo::pipeline::open(&job, &Stop::new()).expect("the sample feed opens");
    plan::resolve(&job, &source.facts).expect("it can be planned")
}

/// The first pictures of a sample feed.
pub fn pictures(name: &str, count: usize) -> Vec<Arc<Video>> {
    let mut input = ffmpeg::format::input(&path(name)).expect("the sample feed opens");
    let stream = input.streams().best(ffmpeg::media::Type::Video).expect("it has video");
    let index = stream.index();
    let mut decoder = ffmpeg::codec::Context::from_parameters(stream.parameters()).expect("parameters").decoder().video().expect("a decoder");
    let mut pictures = Vec::with_capacity(count);
    let mut picture = Video::empty();
    for (stream, packet) in input.packets() {
        if stream.index() == index {
            decoder.send_packet(&packet).expect("it decodes");
        }
        while decoder.receive_frame(&mut picture).is_ok() {
            pictures.push(Arc::new(std::mem::replace(&mut picture, Video::empty())));
        }
        if pictures.len() >= count {
            break;
        }
    }
    pictures.truncate(count);
    assert_eq!(pictures.len(), count, "{name} is too short");
    pictures
}

/// Pictures as the frames of one GOP.
pub fn gop(grid: Grid, id: GopId, pictures: &[Picture]) -> Vec<Frame> {
    let mut slot = grid.first(id);
    let frame = |(number, picture): (usize, &Picture)| {
        let frame = Frame {
            slot,
            gop: id,
            opens_gop: number == 0,
            force_idr: false,
            last: false,
            length: Length::Whole,
            picture: picture.clone(),
            origin: Origin::Input,
            damaged: false,
            missed: false,
            path: 0,
            sight: Default::default(),
            side: Arc::new(SideData::default()),
        };
        slot.0 += 1;
        frame
    };
    pictures.iter().enumerate().map(frame).collect()
}
