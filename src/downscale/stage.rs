//! The thread body: frames in, each rung's frames out.

use super::burst::Burst;
use super::device::Sizes;
use super::slate::Slates;
use super::thumbnails::Tap;
use super::{Chain, DownscaleError};
use crate::colour::{HdrMetadata, Target};
use crate::decode::filler;
use crate::encode::queue::RungQueue;
use crate::frame::{Flow, Frame, Picture};
use crate::govern::ladder::Ladder;
use crate::sight::Watcher;
use crossbeam::channel::Receiver;
use hwaccel::device::{Device, Name};
use std::sync::Arc;
use std::time::Instant;

/// Processors from which on sizes are made at once.
const SPREAD_FROM: usize = 4;

/// What is asked, or shown something, beside the scaling.
pub struct Beside {
    /// Puts a slate in where an edit asks for it.
    pub slates: Slates,
    /// Looks at each picture, so that every rung's segment knows what it shows.
    pub watcher: Watcher,
    /// Gets the pictures that thumbnails are made of.
    pub tap: Option<Tap>,
    /// In real time: waits where GOPs come at once.
    pub burst: Option<Burst>,
    /// Says what rungs may cost when a GOP opens.
    pub governor: Option<Ladder>,
}

/// Scales every frame that arrives to all `targets` and gives each rung its own, until the end, which goes to all rungs. `targets` are the distinct pictures of
/// the whole ladder, rungs that are not made here included, so that the chain is the same on every worker; `hdr` is what the source says of its light.
///
/// Of the rungs that several workers share, only the pictures that are wanted here are made, as far as the host makes them; each is what it would be among all.
///
/// A rung that is late loses whole GOPs and holds up nobody (`--pace live`, but see [`Burst`]), or holds up all (`--pace fast`); see [`RungQueue`].
pub fn run(
    rx: &Receiver<Flow<Frame>>,
    targets: &[Target],
    hdr: &HdrMetadata,
    Beside { mut slates, mut watcher, tap, mut burst, mut governor }: Beside,
    mut rungs: Vec<RungQueue>,
) -> Result<(), DownscaleError> {
    let mut chain = Chain::new(targets, hdr)?;
    chain.spread(rayon::current_num_threads() >= SPREAD_FROM);
    let places: Vec<usize> = rungs
        .iter()
        .map(|rung| {
            let target = rung.target();
            targets.iter().position(|t| *t == target).ok_or(DownscaleError::Target { width: target.width, height: target.height })
        })
        .collect::<Result<_, _>>()?;
    let room = |place: usize| rungs.iter().zip(&places).filter(|(rung, at)| **at == place && rung.device().is_some()).map(|(rung, _)| rung.room()).max();
    let room: Vec<usize> = (0..targets.len()).map(|place| room(place).unwrap_or(0)).collect();
    let copied = |place: usize| rungs.iter().zip(&places).any(|(rung, at)| *at == place && rung.device().is_none() && !rung.is_idle());
    let copied = (0..targets.len()).map(copied).collect();
    let smallest = (0..targets.len()).min_by_key(|place| u64::from(targets[*place].width) * u64::from(targets[*place].height));
    let tapped = tap.as_ref().and_then(|tap| targets.iter().position(|target| *target == tap.target));
    let mut made = Made { chain, sizes: Sizes::new(targets, &room), copied, last: None };
    loop {
        match rx.recv() {
            Ok(Flow::Item(frame)) => {
                let frame = slates.pass(frame);
                if frame.opens_gop {
                    let early = burst.as_mut().is_some_and(|burst| burst.edge(frame.gop, Instant::now(), &rungs));
                    governor.as_mut().map_or(Ok(()), |governor| governor.edge(frame.gop, early, &rungs))?;
                }
                let mut wanted = vec![false; targets.len()];
                rungs.iter().zip(&places).filter(|(rung, _)| rung.wants(frame.gop)).for_each(|(_, place)| wanted[*place] = true);
                let tap = tap.as_ref().filter(|tap| tap.wants(&frame)).zip(tapped);
                tap.iter().for_each(|(_, place)| wanted[*place] = true);
                let pictures = made.of(&frame.picture, &wanted)?;
                let picture = |place: usize| pictures.get(place).and_then(Option::as_ref);
                let sight = watcher.see(&frame, smallest.and_then(picture));
                if let Some((tap, picture)) = tap.and_then(|(tap, place)| Some((tap, picture(place)?))) {
                    tap.give(frame.gop, picture);
                }
                for (rung, place) in rungs.iter_mut().zip(&places) {
                    let sent = match picture(*place).filter(|_| rung.wants(frame.gop)) {
                        Some(picture) => rung.send(Frame { picture: made.for_rung(picture, *place, rung.device()), sight, ..frame.clone() }),
                        None => rung.pass(&frame),
                    };
                    sent.map_err(|gone| DownscaleError::Gone(gone.rung))?;
                }
            }
            Ok(Flow::End(end)) => {
                tap.iter().for_each(|tap| tap.end(end));
                return rungs.iter_mut().try_for_each(|rung| rung.end(end)).map_err(|gone| DownscaleError::Gone(gone.rung));
            }
            Err(_) => return Err(DownscaleError::Upstream),
        }
    }
}

/// Makes the pictures of all sizes, wherever the source's picture is.
pub(super) struct Made {
    pub(super) chain: Chain,
    pub(super) sizes: Sizes,
    /// Whether a rung of each target is made in software.
    pub(super) copied: Vec<bool>,
    /// The pictures that were made last of one on a device.
    pub(super) last: Option<Vec<Picture>>,
}

impl Made {
    /// One picture for each target that is `wanted`, and perhaps of others. Where a device does not give up a picture, those before it are shown again, or black.
    pub(super) fn of(&mut self, source: &Picture, wanted: &[bool]) -> Result<Vec<Option<Picture>>, DownscaleError> {
        let surface = match source {
            Picture::Cpu(picture) => {
                self.last = None;
                return self.chain.pick(picture, wanted);
            }
            Picture::Device(surface) => surface,
        };
        let made = self.sizes.scale(surface, &mut self.chain).and_then(|made| {
            let copied = self.copied.iter().zip(wanted).map(|(copied, wanted)| *copied && *wanted);
            let mut copied = made.iter().zip(copied).filter(|(_, copied)| *copied).map(|(picture, _)| picture);
            copied.try_for_each(|picture| picture.host().map(drop).map_err(DownscaleError::Device))?;
            Ok(made)
        });
        match made {
            Err(error @ DownscaleError::Device(_)) => {
                tracing::warn!("{error}: the one before it is shown again");
                match (&self.last, filler::black(source)) {
                    (Some(last), _) => Ok(last.iter().cloned().map(Some).collect()),
                    (None, Picture::Cpu(black)) => self.chain.pick(&black, wanted),
                    (None, Picture::Device(_)) => Err(error),
                }
            }
            made => {
                self.last = made.as_ref().ok().cloned();
                Ok(made?.into_iter().map(Some).collect())
            }
        }
    }

    /// What a rung gets: the picture where it lies where its encoder is on that very device and there is room for it, else the one copy that all others share.
    /// (A copy that the device does not give is for the encoder to fail on.)
    pub(super) fn for_rung(&mut self, picture: &Picture, place: usize, device: Option<&Name>) -> Picture {
        let Picture::Device(surface) = picture else { return picture.clone() };
        let home = device.and_then(Device::open_now).is_some_and(|device| surface.is_on(&device));
        if home && self.sizes.may_hold(place, surface) {
            return picture.clone();
        }
        surface.host().map_or_else(|_| picture.clone(), |copy| Picture::Cpu(Arc::clone(copy)))
    }
}
