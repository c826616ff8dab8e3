//! The video decoder: access units in, upright progressive pictures out, in presentation order.

mod device;
mod gradual;
mod renewal;

use super::convert::Planar;
use super::damage::Damage;
use super::deinterlace::{Filter, Work};
use crate::capture::{Leading, StreamInfo, Unit};
use crate::ffmpeg::{open_decoder, share_packet, unregistered_sei};
use crate::plan::SourceFacts;
use crate::sei::parse_st0604;
use crate::time::Seconds;
use device::OnDevice;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::decoder::Opened;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Error, Packet};
use gradual::{Gradual, Healing, Overlap};
use renewal::{Recipe, Renewal};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Add;
use std::sync::Arc;

/// Packets whose facts are kept while their pictures are inside the decoder. Its own delay is at most 16 pictures and a few threads.
const IN_FLIGHT: usize = 512;
/// Packets without a key packet after which decoding starts all the same.
const BLIND_AFTER: u64 = 600;
/// Errors of one call after which the decoder is left alone until the next packet.
const ERRORS_AT_ONCE: u32 = 64;

/// What a decoder that does not open says.
const OPEN: &str = "no decoder opens";

/// A decoded picture of the source.
#[derive(Clone)]
pub struct SourcePicture {
    /// The samples: planar in host memory, or on a device; progressive (or declared so), upright.
    pub picture: Arc<Video>,
    /// When it is shown, in the source's clock; exact, also for a second field.
    pub pts: Seconds,
    /// The first picture, in presentation order, of a random-access period (IDR, CRA, recovery point, I of MPEG-2).
    pub key: bool,
    /// UTC that the source says beside it (ST 0604). Never on a second field.
    pub stamp: Option<Seconds>,
    /// The host's clock when its packet came in.
    pub arrival: Seconds,
    /// How long it is shown, where the container says.
    pub duration: Option<Seconds>,
    /// Its packet was damaged, the decoder concealed errors in it, or that is so of one it may refer to: of any before it, back to the last clean key picture.
    pub damaged: bool,
    /// It is the first of a connection whose stamps say nothing of those before.
    pub renewed: bool,
}

/// What is known of a picture beside its samples, on its way through the filters.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub(super) pts: Seconds,
    pub(super) key: bool,
    pub(super) stamp: Option<Seconds>,
    pub(super) arrival: Seconds,
    pub(super) duration: Option<Seconds>,
    pub(super) damaged: bool,
    pub(super) interlaced: bool,
}

/// What the decoder counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VideoCounters {
    /// Packets that came.
    pub packets: u64,
    /// Packets before the first random-access point, not decoded, and pictures that lead it in presentation, not shown.
    pub before_key: u64,
    /// Errors of the decoder.
    pub errors: u64,
    /// Pictures that came out, after deinterlacing.
    pub pictures: u64,
    /// Pictures that the decoder found damaged.
    pub damaged: u64,
    /// Pictures lost because they had no usable time, or a filter refused them.
    pub lost: u64,
    /// Times that it left a device for the host.
    pub left_device: u64,
    /// Times that a new decoder took over behind damage.
    pub renewed: u64,
}

impl Add for VideoCounters {
    type Output = VideoCounters;

    fn add(self, other: VideoCounters) -> VideoCounters {
        VideoCounters {
            packets: self.packets + other.packets,
            before_key: self.before_key + other.before_key,
            errors: self.errors + other.errors,
            pictures: self.pictures + other.pictures,
            damaged: self.damaged + other.damaged,
            lost: self.lost + other.lost,
            left_device: self.left_device + other.left_device,
            renewed: self.renewed + other.renewed,
        }
    }
}

/// Why a decoder does not open.
#[derive(Debug, thiserror::Error)]
#[error("video stream {index} ({codec}): {OPEN}: {why}")]
pub struct VideoError {
    /// Index in the container.
    pub index: usize,
    /// Codec name.
    pub codec: &'static str,
    /// libav's words.
    pub why: String,
}

/// Decodes one stream. Owned by the decode thread.
pub struct VideoDecoder {
    decoder: Opened,
    recipe: Recipe,
    /// While a new one takes over.
    renewal: Option<Renewal>,
    gradual: Option<Gradual>,
    healing: Option<Healing>,
    overlap: Option<Overlap>,
    /// Where it is at work on one.
    device: Option<OnDevice>,
    time_base: (i32, i32),
    period: Seconds,
    /// Whether packets may hold one field each.
    fields: bool,
    planar: Planar,
    filter: Filter,
    join: Join,
    sent: VecDeque<Sent>,
    next: i64,
    /// The last packet that the present decoder was given.
    fed: i64,
    keys: VecDeque<Sent>,
    /// DTSs of packets without PTS, whose pictures are not out yet.
    unstamped: BTreeSet<(i64, i64)>,
    damage: Damage,
    last: Option<Seconds>,
    filtered: Vec<(Video, Facts)>,
    counters: VideoCounters,
}

/// Facts of a packet inside the decoder. Its pictures carry `number` as PTS.
#[derive(Clone, Copy)]
struct Sent {
    number: i64,
    pts: Option<i64>,
    duration: i64,
    arrival: Seconds,
    key: bool,
    /// It is a key packet from which pictures are refreshed bit by bit.
    gradual: bool,
    leads: bool,
    /// It leads a key picture from which a new decoder takes over, and the old one shows it.
    carried: bool,
}

enum Join {
    Waiting,
    /// The pictures that lead the first key picture refer to what never came. They are decoded (libav's H.264 learns from them how far to reorder), but not shown.
    Leading(Leading),
    Joined,
}

impl VideoDecoder {
    /// A decoder for `info`, with at most `threads` threads for the codec and as many for the filters. Neither number alters a sample.
    ///
    /// # Errors
    /// Where libav has no decoder for the codec, or its parameters are broken.
    pub fn open(info: &StreamInfo, facts: &SourceFacts, threads: usize) -> Result<VideoDecoder, VideoError> {
        let decoder = open_decoder(&info.parameters, info.time_base, threads).map_err(|e| VideoError {
            index: info.index,
            codec: info.parameters.id().name(),
            why: e.to_string(),
        })?;
        let field = facts.rate.period();
        let period = if facts.interlaced { field.times(2) } else { field };
        Ok(VideoDecoder {
            decoder,
            recipe: Recipe { parameters: info.parameters.clone().into(), headers: None, threads },
            renewal: None,
            gradual: None,
            healing: None,
            overlap: None,
            device: None,
            time_base: info.time_base,
            period,
            fields: facts.interlaced,
            planar: Planar::default(),
            filter: Filter::new(Work { deinterlace: facts.interlaced, turn: info.turn, threads, field }),
            join: Join::Waiting,
            sent: VecDeque::new(),
            next: 0,
            fed: 0,
            keys: VecDeque::new(),
            unstamped: BTreeSet::new(),
            damage: Damage::new(threads),
            last: None,
            filtered: Vec::new(),
            counters: VideoCounters::default(),
        })
    }

    /// What was counted so far.
    pub fn counters(&self) -> VideoCounters {
        self.counters
    }

    /// One access unit in; pictures that are ready are appended to `out`, in presentation order. Errors of the decoder are counted, never fatal.
    pub fn push(&mut self, unit: &Unit, out: &mut Vec<SourcePicture>) {
        self.before(unit, out);
        self.decode(unit, out);
        self.after(out);
    }

    fn decode(&mut self, unit: &Unit, out: &mut Vec<SourcePicture>) {
        self.counters.packets += 1;
        if !self.admits(&unit.packet) {
            self.counters.before_key += 1;
            return;
        }
        let Some(mut packet) = share_packet(&unit.packet) else {
            self.counters.errors += 1;
            return;
        };
        self.recipe.learn(&unit.packet);
        let carried = self.carried(&unit.packet, out);
        let number = self.remember(unit, carried);
        packet.set_pts(Some(number));
        packet.set_dts(Some(number));
        self.keep(&unit.packet, &packet, number);
        if !self.refresh(&unit.packet, &packet, number, out) {
            self.send(&packet, number, out);
        }
    }

    /// A packet whose time is its number goes in, and pictures come out.
    fn send(&mut self, packet: &Packet, number: i64, out: &mut Vec<SourcePicture>) {
        self.fed = number;
        let mut sent = self.decoder.send_packet(packet);
        if sent == Err(Error::Other { errno: ffmpeg::error::EAGAIN }) {
            self.receive(out);
            sent = self.decoder.send_packet(packet);
        }
        if let Err(error) = sent {
            self.failed(&error);
        }
        self.receive(out);
    }

    /// The end: everything still held is appended to `out`. No use after.
    pub fn flush(&mut self, out: &mut Vec<SourcePicture>) {
        self.end_renewal(out);
        self.drain(out);
        if self.after(out) {
            self.drain(out);
        }
        self.filter.flush(&mut self.filtered);
        self.hand_out(out);
    }

    /// The decoder gives what it still holds, and takes no more. That it is told may give an error of a packet before.
    fn drain(&mut self, out: &mut Vec<SourcePicture>) {
        match self.decoder.send_eof() {
            Ok(()) => {}
            Err(Error::Eof) => return,
            Err(error) => self.failed(&error),
        }
        self.receive(out);
    }

    /// Whether the packet is decoded at all: nothing is before the first key packet.
    fn admits(&mut self, packet: &Packet) -> bool {
        match &self.join {
            Join::Waiting if packet.is_key() => {
                self.join = Join::Leading(Leading::of(packet, self.time_base));
                self.joined_at(packet, self.next);
            }
            Join::Waiting if self.counters.packets > BLIND_AFTER => self.join = Join::Joined,
            Join::Waiting => return false,
            Join::Leading(leading) if leading.is_over(packet) => self.join = Join::Joined,
            Join::Leading(_) | Join::Joined => {}
        }
        true
    }

    fn remember(&mut self, unit: &Unit, carried: bool) -> i64 {
        let packet = &unit.packet;
        let number = self.next;
        self.next += 1;
        let leads = match &mut self.join {
            Join::Leading(leading) => leading.has(packet),
            Join::Waiting | Join::Joined => false,
        };
        let damaged = self.damage.flagged(packet.is_corrupt()) || unit.hurt;
        let gradual = self.device.is_none() && packet.is_key() && self.is_gradual(packet);
        let sent = Sent { number, pts: packet.pts(), duration: packet.duration(), arrival: unit.arrival, key: packet.is_key(), gradual, leads, carried };
        if damaged && self.fields {
            self.damage.at_field(number);
        } else if damaged {
            self.damage.at(number);
        }
        if let (None, Some(dts)) = (packet.pts(), packet.dts()) {
            self.unstamped.insert((dts, number));
            if self.unstamped.len() > IN_FLIGHT {
                self.unstamped.pop_first();
            }
        }
        if sent.key {
            self.keys.push_back(sent);
            if self.keys.len() > IN_FLIGHT {
                self.keys.pop_front();
            }
        }
        self.sent.push_back(sent);
        if self.sent.len() > IN_FLIGHT {
            self.sent.pop_front();
        }
        number
    }

    fn receive(&mut self, out: &mut Vec<SourcePicture>) {
        let mut errors = 0;
        while errors < ERRORS_AT_ONCE {
            let mut picture = Video::empty();
            match self.decoder.receive_frame(&mut picture) {
                Ok(()) => self.decoded(picture),
                Err(Error::Eof | Error::Other { errno: ffmpeg::error::EAGAIN }) => break,
                Err(error) => {
                    errors += 1;
                    self.failed(&error);
                }
            }
        }
        self.hand_out(out);
    }

    /// The decoder told of an error in one of the last packets that it was given, which for one that is about to be replaced are those before its end.
    fn failed(&mut self, error: &Error) {
        self.counters.errors += 1;
        self.damage.near(self.own(self.fed));
        if let Some(device) = &mut self.device {
            device.failed(error);
        }
    }

    /// A packet's number; but where the decoder is about to be replaced, at most that of the last packet before.
    fn own(&self, number: i64) -> i64 {
        self.renewal.as_ref().map_or(number, |renewal| number.min(renewal.from - 1))
    }

    /// Gives a picture its facts and sends it through the filters.
    fn decoded(&mut self, picture: Video) {
        if self.device.as_mut().is_some_and(|device| !device.takes(&picture)) {
            return;
        }
        let number = picture.pts().or(picture.timestamp());
        let sent = number.and_then(|n| self.sent.iter().rev().find(|s| s.number == n)).copied();
        let Some(sent) = sent else {
            self.counters.lost += 1;
            return;
        };
        if sent.leads {
            self.counters.before_key += 1;
            return;
        }
        let shown = self.renewal.as_ref().map_or(!sent.carried, |renewal| renewal.shows(sent.number, sent.carried));
        if !shown || self.overlap.is_some_and(|overlap| overlap.hides(self.time_at(&sent), sent.number)) {
            return;
        }
        let Some(pts) = self.time_of(&sent) else {
            self.counters.lost += 1;
            return;
        };
        let opens = self.opens_period(&sent);
        let key = opens.is_some() || picture.is_key();
        let seen = picture.is_corrupt() || picture.has_decode_errors();
        if seen {
            self.counters.damaged += 1;
            self.damage.at(self.own(sent.number));
        }
        let clean = self.heals(sent.number) || opens.map_or(picture.is_key() && self.healing.is_none(), |key| !key.gradual);
        let facts = Facts {
            pts,
            key,
            stamp: unregistered_sei(&picture).into_iter().find_map(parse_st0604),
            arrival: sent.arrival,
            duration: Seconds::from_ticks(sent.duration, self.time_base.0, self.time_base.1).filter(|&d| d > Seconds::ZERO),
            damaged: self.damage.reaches(sent.number, clean),
            interlaced: picture.is_interlaced(),
        };
        self.last = Some(pts);
        let Ok(picture) = self.planar.make(picture) else {
            self.counters.lost += 1;
            return;
        };
        if self.filter.push(picture, facts, &mut self.filtered).is_err() {
            self.counters.lost += 1;
        }
    }

    /// The picture's time. A packet without PTS (elementary streams, AVI) has a DTS; pictures come in presentation order, so they take those DTSs in rising order,
    /// afresh from every key picture. Without either, a picture follows the one before it.
    fn time_of(&mut self, sent: &Sent) -> Option<Seconds> {
        if sent.key {
            self.unstamped.retain(|(_, number)| *number >= sent.number);
        }
        let ticks = match sent.pts {
            Some(pts) => Some(pts),
            None => self.unstamped.pop_first().map(|(dts, _)| dts),
        };
        match ticks {
            Some(ticks) => Seconds::from_ticks(ticks, self.time_base.0, self.time_base.1),
            None => self.last.map(|last| last + self.period),
        }
    }

    /// The key packet of the random-access period of which the picture is the first: its own, or one before it (whose own was not shown).
    fn opens_period(&mut self, sent: &Sent) -> Option<Sent> {
        let follows = |key: &Sent| key.number <= sent.number && key.pts.zip(sent.pts).is_none_or(|(key, own)| own >= key);
        self.keys.iter().rposition(follows).and_then(|n| self.keys.drain(..=n).next_back())
    }

    fn hand_out(&mut self, out: &mut Vec<SourcePicture>) {
        for (picture, f) in self.filtered.drain(..) {
            self.counters.pictures += 1;
            let picture = Arc::new(picture);
            out.push(SourcePicture {
                picture,
                pts: f.pts,
                key: f.key,
                stamp: f.stamp,
                arrival: f.arrival,
                duration: f.duration,
                damaged: f.damaged,
                renewed: false,
            });
        }
    }
}

#[cfg(test)]
#[path = "video_tests.rs"]
mod tests;
