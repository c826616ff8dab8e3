//! The filter graph behind the decoder: fields to pictures (bwdif), and turning upright.
//!
//! Of a source that is interlaced, bwdif is in place for the whole event, so that its delay of one picture is constant. Of another, it is there from the first picture of
//! each run of interlaced ones to the last: what it makes depends on the run alone, and so not on when a worker joined.

use super::video::Facts;
use crate::capture::Turn;
use crate::ffmpeg::{format_number, set_graph_threads};
use crate::time::Seconds;
use ffmpeg_next::Error;
use ffmpeg_next::filter::{self, Graph};
use ffmpeg_next::frame::Video;
use std::collections::VecDeque;

/// How many pictures the graph may hold back before their facts are forgotten. bwdif holds two.
const HELD: usize = 16;

/// The highest rate at which interlaced pictures in a feed that was progressive become one each; above it, one for each field.
const ONE_EACH: u32 = 30;

/// What the graph is to do. It never changes while a stream lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    /// Interlaced pictures become two each; progressive ones pass.
    pub deinterlace: bool,
    /// How to turn.
    pub turn: Turn,
    /// Threads of the filters; they work on slices, which alters nothing.
    pub threads: usize,
    /// The time from a field to the next, where stamps do not say.
    pub field: Seconds,
}

/// How fields become pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fields {
    /// One picture for each; progressive pictures pass.
    Each,
    /// One picture for two.
    Both,
    /// There are none.
    None,
}

/// What a graph is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape {
    size: (u32, u32),
    format: i32,
    fields: Fields,
}

/// Runs pictures through libavfilter. Rebuilt whenever their size, format or scan changes.
pub struct Filter {
    work: Work,
    graph: Option<Built>,
}

struct Built {
    graph: Graph,
    shape: Shape,
    /// Number of the next picture in: the graph counts pictures, not time, so that a jump of the source cannot bend a field's stamp.
    next: i64,
    held: VecDeque<(i64, Facts)>,
    /// The picture before the first of those.
    before: Option<(i64, Facts)>,
}

impl Filter {
    /// Before the first picture.
    pub fn new(work: Work) -> Filter {
        Filter { work, graph: None }
    }

    fn fields(&self, interlaced: bool) -> Fields {
        match (self.work.deinterlace, interlaced) {
            (true, _) => Fields::Each,
            (false, false) => Fields::None,
            (false, true) if self.work.field < Seconds::new(1, i128::from(ONE_EACH)) => Fields::Each,
            (false, true) => Fields::Both,
        }
    }

    /// One picture in; what is ready is appended to `out`, in order.
    ///
    /// # Errors
    /// Where the graph cannot be built for such a picture, or refuses it: the picture is lost.
    pub fn push(&mut self, mut picture: Video, facts: Facts, out: &mut Vec<(Video, Facts)>) -> Result<(), Error> {
        let shape = Shape { size: (picture.width(), picture.height()), format: format_number(&picture), fields: self.fields(facts.interlaced) };
        if self.graph.as_ref().is_some_and(|g| g.shape != shape) {
            self.flush(out);
        }
        if shape.fields == Fields::None && self.work.turn == Turn::None {
            out.push((picture, facts));
            return Ok(());
        }
        let built = match &mut self.graph {
            Some(built) => built,
            None => self.graph.insert(build(&self.work, shape)?),
        };
        picture.set_pts(Some(built.next));
        built.held.push_back((built.next, facts));
        built.next += 1;
        if built.held.len() > HELD {
            built.before = built.held.pop_front();
        }
        built.graph.get("in").ok_or(Error::Bug)?.source().add(&picture)?;
        built.collect(&self.work, out);
        Ok(())
    }

    /// Drains the graph and forgets it.
    pub fn flush(&mut self, out: &mut Vec<(Video, Facts)>) {
        if let Some(mut built) = self.graph.take() {
            let flushed = built.graph.get("in").is_some_and(|mut input| input.source().flush().is_ok());
            if flushed {
                built.collect(&self.work, out);
            }
        }
    }
}

fn build(work: &Work, shape: Shape) -> Result<Built, Error> {
    let Shape { size: (width, height), format, fields } = shape;
    let mut graph = Graph::new();
    set_graph_threads(&mut graph, work.threads);
    let (buffer, sink) = (filter::find("buffer").ok_or(Error::FilterNotFound)?, filter::find("buffersink").ok_or(Error::FilterNotFound)?);
    graph.add(&buffer, "in", &format!("video_size={width}x{height}:pix_fmt={format}:time_base=1/1:pixel_aspect=1/1"))?;
    graph.add(&sink, "out", "")?;
    let mut chain: Vec<&str> = Vec::new();
    chain.extend(match fields {
        Fields::Each => Some("bwdif=mode=send_field:parity=auto:deint=interlaced"),
        Fields::Both => Some("bwdif=mode=send_frame:parity=auto:deint=interlaced"),
        Fields::None => None,
    });
    chain.extend(work.turn.filter());
    // The flags are for a conversion that libavfilter may put in for a format bwdif does not read.
    let spec = format!("sws_flags=accurate_rnd+bitexact+bicubic;{}", chain.join(","));
    graph.output("in", 0)?.input("out", 0)?.parse(&spec)?;
    graph.validate()?;
    Ok(Built { graph, shape, next: 0, held: VecDeque::new(), before: None })
}

impl Built {
    fn collect(&mut self, work: &Work, out: &mut Vec<(Video, Facts)>) {
        loop {
            let mut picture = Video::empty();
            let Some(mut sink) = self.graph.get("out") else { return };
            if sink.sink().frame(&mut picture).is_err() {
                return;
            }
            let Some(pts) = picture.pts() else { continue };
            // bwdif counts in half pictures: even for a picture or its first field, odd for its second field.
            let (number, second) = if self.shape.fields != Fields::None { (pts.div_euclid(2), pts.rem_euclid(2) == 1) } else { (pts, false) };
            while self.held.front().is_some_and(|(n, _)| *n < number) {
                self.before = self.held.pop_front();
            }
            let Some(&(_, facts)) = self.held.front().filter(|(n, _)| *n == number) else { continue };
            let beside = [self.before, self.held.get(1).copied()].map(|beside| beside.filter(|(n, _)| n.abs_diff(number) == 1).map(|(_, facts)| facts));
            let following = beside[1].map(|following| following.pts);
            // Fields are made from those of the pictures beside, too: of others where one is missing.
            let apart = next_to(&facts, self.shape.fields, work.field);
            let made_of_damage = |beside: &Facts| beside.damaged || (beside.pts - facts.pts).abs() > apart;
            let fields = self.shape.fields != Fields::None && facts.interlaced;
            let facts = Facts { damaged: facts.damaged || fields && beside.iter().flatten().any(made_of_damage), ..facts };
            let facts = match second {
                true => second_field(facts, following, work.field),
                false if self.shape.fields == Fields::Each && facts.interlaced => Facts { duration: Some(half(&facts, following, work.field)), ..facts },
                false => facts,
            };
            out.push((picture, facts));
        }
    }
}

/// How far apart two pictures are at most between which none is missing: two fields and a repeated one, of which `field` is one, or both where only pictures come out;
/// or what the container says that this one lasts, and a little.
fn next_to(facts: &Facts, fields: Fields, field: Seconds) -> Seconds {
    let three_and_a_half = if fields == Fields::Both { field.times(7).over(4) } else { field.times(7).over(2) };
    facts.duration.map_or(three_and_a_half, |duration| duration.times(5).over(4).max(three_and_a_half))
}

/// Half of the way to the next picture, where that is plausible; else the nominal time of a field.
fn half(facts: &Facts, following: Option<Seconds>, field: Seconds) -> Seconds {
    let step = following.map(|next| next - facts.pts).filter(|&step| step > field && step < field.times(3));
    step.map_or(field, |step| step.over(2))
}

fn second_field(facts: Facts, following: Option<Seconds>, field: Seconds) -> Facts {
    let half = half(&facts, following, field);
    // The stamp is of the first field; so is the random-access point.
    Facts { pts: facts.pts + half, duration: Some(half), key: false, stamp: None, ..facts }
}
