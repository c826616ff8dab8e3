//! What the sound tests share: real clips, demuxed, and the audio stage run over them.

pub use crate::support::media as clip;
use crossbeam::channel::{bounded, unbounded};
use ffmpeg_next as ffmpeg;
use mezzo::capture::{Kind, StreamInfo, Unit};
use mezzo::decode::audio::{Audio, Counts, Cut, Over, Rung};
use mezzo::encode::aac::{AHEAD, Aac, FRAME, LEAD, TAIL};
use mezzo::frame::{AudioCue, End, Flow, PcmSegment};
use mezzo::plan::AudioRendition;
use mezzo::time::{AudioGrid, GopId, Grid, Rate, Seconds};
use std::path::PathBuf;
use std::sync::Arc;

/// One audio stream, demuxed.
pub struct Track {
    pub stream: Arc<StreamInfo>,
    pub packets: Vec<ffmpeg::Packet>,
}

/// Reads the `nth` audio stream of a file.
pub fn demux(path: &PathBuf, nth: usize) -> Track {
    ffmpeg::init().expect("libav starts");
    ffmpeg::log::set_level(ffmpeg::log::Level::Fatal);
    let mut input = ffmpeg::format::input(path).expect("opens");
    let stream = input.streams().filter(|s| s.parameters().medium() == ffmpeg::media::Type::Audio).nth(nth).expect("has sound");
    let (index, base) = (stream.index(), stream.time_base());
    let stream = Arc::new(StreamInfo::new(index, stream.parameters(), (base.numerator(), base.denominator())));
    let packets = input.packets().filter(|(s, _)| s.index() == index).map(|(_, packet)| packet).collect();
    Track { stream, packets }
}

pub fn grid() -> AudioGrid {
    let rate = Rate::new(30_000, 1001).expect("legal");
    AudioGrid { video: Grid::new(rate, Seconds::whole(2)), sample_rate: 48_000, frame: FRAME }
}

pub fn rendition(channels: u32, bitrate: u64) -> AudioRendition {
    AudioRendition::main("aac", bitrate, channels, grid(), "und")
}

/// First and last stamp in seconds.
pub fn extent(track: &Track) -> (Seconds, Seconds) {
    let (num, den) = track.stream.time_base;
    let stamps = track.packets.iter().filter_map(|p| p.pts());
    let seconds = |pts| Seconds::from_ticks(pts, num, den).expect("in range");
    (seconds(stamps.clone().min().expect("some")), seconds(stamps.max().expect("some")))
}

/// How far video is ahead of the sound in the container.
#[derive(Clone, Copy)]
pub enum Order {
    /// By so many milliseconds (behind, where negative).
    Ahead(i64),
    /// It comes after all of the sound.
    Last,
}

/// Runs the audio stage over the track from packet `joined` on, at `offset`. The GOPs are those that the whole track touches.
pub fn segments(track: &Track, joined: usize, offset: Seconds, channels: u32, order: Order) -> (Vec<PcmSegment>, Arc<Counts>) {
    let grid = grid();
    let (first, last) = extent(track);
    let gops = grid.video.gop(grid.video.nearest(first + offset)).0..=grid.video.gop(grid.video.nearest(last + offset)).0;
    let counts = Arc::new(Counts::default());
    let audio = Audio::open(&track.stream, Cut { grid, lead: LEAD, tail: TAIL, ahead: AHEAD }, Arc::clone(&counts)).expect("opens");
    let (packet_tx, packet_rx) = bounded(8);
    let (cue_tx, cue_rx) = bounded(2);
    let (tx, rx) = unbounded();
    let thread = std::thread::spawn(move || audio.run(packet_rx, cue_rx, vec![Rung { channels, tx }], &Over::new(1, &mezzo::stop::Stop::new()), None));
    let mut gops = gops.map(GopId).peekable();
    let cue = |gop| {
        cue_tx
            .send(Flow::Item(AudioCue { gop, slots: grid.video.gop_slots, more: false, offset, moved: None, whole: false, away: false, last: false }))
            .expect("listens")
    };
    for packet in track.packets.iter().skip(joined) {
        if let (Order::Ahead(millis), Some(pts)) = (order, packet.pts()) {
            let (num, den) = track.stream.time_base;
            let now = Seconds::from_ticks(pts, num, den).expect("in range") + offset + Seconds::new(i128::from(millis), 1000);
            while let Some(gop) = gops.next_if(|gop| grid.video.gop_time(gop.next()) <= now) {
                cue(gop);
            }
        }
        packet_tx
            .send(Flow::Item(Unit { kind: Kind::Audio(0), stream: Arc::clone(&track.stream), packet: packet.clone(), arrival: Seconds::ZERO, hurt: false }))
            .expect("listens");
    }
    packet_tx.send(Flow::End(End::Ended)).expect("listens");
    gops.for_each(cue);
    cue_tx.send(Flow::End(End::Ended)).expect("listens");
    let mut made = Vec::new();
    for item in rx {
        match item {
            Flow::Item(segment) => made.push(segment),
            Flow::End(end) => assert_eq!(end, End::Ended),
        }
    }
    thread.join().expect("no panic").expect("no error");
    (made, counts)
}

pub fn encoder(channels: u32, bitrate: u64) -> Aac {
    Aac::open(&rendition(channels, bitrate)).expect("opens")
}
