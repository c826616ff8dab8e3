//! Sizes made on the device that a picture is on.
//!
//! Each is made of the next larger one, the largest of the source: a device's scaler looks at a few neighbours of a sample, however far apart the sizes are. Only the size
//! changes there. What is of another colour, range or depth than the source, or has black around it, is made on the host from one copy of the source.

use super::{Chain, DownscaleError, colour, fit};
use crate::colour::Target;
use crate::ffmpeg::{self, Colour, Layout};
use crate::frame::Picture;
use ffmpeg_next::format::Pixel;
use hwaccel::scale::Scale;
use hwaccel::surface::Surface;
use std::cmp::Reverse;
use std::sync::{Arc, Weak};

/// Pictures of a size that rungs may hold on the device, whatever the length of a GOP; beyond it they get the host's copy.
const MOST: usize = 160;
/// Pictures of a size that this stage itself holds: the last ones, and those at hand.
const OWN: usize = 4;

/// Makes the pictures of all targets of one that is on a device.
pub struct Sizes {
    targets: Vec<Target>,
    /// How many pictures of each target the rungs may hold on the device.
    room: Vec<usize>,
    /// Those that they hold.
    given: Vec<Vec<Weak<Surface>>>,
    current: Option<(Key, Vec<Step>)>,
    /// It failed, and is not tried again.
    broken: bool,
    last: Option<(Arc<Surface>, Vec<Picture>)>,
}

/// All of a picture, beside its samples, that decides what the device makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    format: Pixel,
    tags: Colour,
    size: (u32, u32),
}

/// A size that is made on the device.
struct Step {
    target: usize,
    /// Index of the step that it is made of; of the source where there is none.
    of: Option<usize>,
    /// Absent where it is the source as it is.
    graph: Graph,
}

enum Graph {
    Pass,
    Scale(Option<Scale>),
}

impl Sizes {
    /// For `targets`, of each of which rungs on devices hold up to `room` pictures at once.
    pub fn new(targets: &[Target], room: &[usize]) -> Sizes {
        let room: Vec<usize> = room.iter().map(|room| (*room).min(MOST)).collect();
        Sizes { targets: targets.to_vec(), given: room.iter().map(|_| Vec::new()).collect(), room, current: None, broken: false, last: None }
    }

    /// One picture per target: on the device as far as that makes it, the rest, and where it fails all, by `chain` on the host. The same source twice in a row gives the same
    /// pictures without work.
    ///
    /// # Errors
    /// The device does not give the source's copy where it is needed, or the host's chain refuses it.
    pub fn scale(&mut self, source: &Arc<Surface>, chain: &mut Chain) -> Result<Vec<Picture>, DownscaleError> {
        if let Some((last, pictures)) = &self.last
            && Arc::ptr_eq(last, source)
        {
            return Ok(pictures.clone());
        }
        self.last = None;
        let made = if self.broken { Err(None) } else { self.make(source).map_err(Some) };
        let made = made.unwrap_or_else(|why| {
            if let Some(why) = why {
                tracing::warn!("scaling on the device failed: {why}; all sizes are made on the host from here on");
                (self.broken, self.current) = (true, None);
            }
            vec![None; self.targets.len()]
        });
        let missing: Vec<bool> = made.iter().map(Option::is_none).collect();
        let others = if missing.contains(&true) {
            chain.some(source.host().map_err(|error| DownscaleError::Device(error.to_string()))?, &missing)?
        } else {
            vec![None; made.len()]
        };
        let pictures: Vec<Picture> = made.into_iter().zip(others).filter_map(|(made, other)| made.map(Picture::Device).or(other)).collect();
        self.last = Some((Arc::clone(source), pictures.clone()));
        Ok(pictures)
    }

    /// Whether a rung may hold this picture of target `index`, and counts it where it may. A picture of the decoder's own pool is for nobody to hold.
    pub fn may_hold(&mut self, index: usize, picture: &Arc<Surface>) -> bool {
        let Some((given, room)) = self.given.get_mut(index).zip(self.room.get(index)) else { return false };
        let of_source = self.last.as_ref().is_some_and(|(source, _)| picture.is_of_the_pool_of(source));
        if given.last().is_some_and(|last| last.as_ptr() == Arc::as_ptr(picture)) {
            return true;
        }
        given.retain(|held| held.strong_count() > 0);
        let free = !of_source && given.len() < *room;
        if free {
            given.push(Arc::downgrade(picture));
        }
        free
    }

    fn make(&mut self, source: &Arc<Surface>) -> Result<Vec<Option<Arc<Surface>>>, String> {
        let picture = source.picture();
        let key = Key { format: source.format(), tags: ffmpeg::colour(picture), size: (picture.width(), picture.height()) };
        if self.current.as_ref().is_none_or(|(known, _)| *known != key) {
            self.current = Some((key, self.steps(&key)));
        }
        let mut made: Vec<Option<Arc<Surface>>> = vec![None; self.targets.len()];
        let mut pictures: Vec<Arc<Surface>> = Vec::new();
        for Step { target, of, graph } in self.current.iter_mut().flat_map(|(_, steps)| steps) {
            let from = of.and_then(|of| pictures.get(of)).unwrap_or(source);
            let picture = match graph {
                Graph::Pass => Arc::clone(from),
                Graph::Scale(graph) => {
                    if graph.as_ref().is_none_or(|graph| !graph.takes(from)) {
                        let Target { width, height, .. } = self.targets[*target];
                        let room = u32::try_from(self.room[*target] + OWN).unwrap_or(u32::MAX);
                        *graph = Some(Scale::new(from, (width, height), room)?);
                    }
                    Arc::new(graph.as_mut().ok_or("no graph")?.run(from)?)
                }
            };
            made[*target] = Some(Arc::clone(&picture));
            pictures.push(picture);
        }
        Ok(made)
    }

    /// What is made on the device of a source like this, largest first.
    fn steps(&self, key: &Key) -> Vec<Step> {
        let mut order: Vec<usize> = (0..self.targets.len()).filter(|index| fits(key, &self.targets[*index])).collect();
        order.sort_by_key(|index| Reverse(u64::from(self.targets[*index].width) * u64::from(self.targets[*index].height)));
        let mut steps: Vec<Step> = Vec::new();
        for target in order {
            let Target { width, height, .. } = self.targets[target];
            let of = steps.iter().rposition(|step| self.targets[step.target].width >= width && self.targets[step.target].height >= height);
            // A rung would hold the decoder's own picture: it gets a copy.
            let pass = key.size == (width, height) && self.room[target] == 0;
            steps.push(Step { target, of, graph: if pass { Graph::Pass } else { Graph::Scale(None) } });
        }
        let size = |index: usize| format!("{}x{}", self.targets[index].width, self.targets[index].height);
        let here: Vec<String> = steps.iter().map(|step| size(step.target)).collect();
        let there: Vec<String> = (0..self.targets.len()).filter(|index| steps.iter().all(|step| step.target != *index)).map(size).collect();
        let list = |list: Vec<String>| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
        tracing::info!("made on the device: {}; on the host: {}", list(here), list(there));
        steps
    }
}

/// Whether nothing but the size has to change.
fn fits(key: &Key, target: &Target) -> bool {
    let depth = if key.format == Pixel::P010LE { 10 } else { 8 };
    let layout = Layout { depth, components: 3, rgb: false, sub: (1, 1), full_range: false, plane: [0, 1, 2] };
    let source = colour::source(&layout, &key.tags, key.size.0, key.size.1);
    let alike = source == colour::target(&Target { width: source.width, height: source.height, ..*target });
    let inner = fit::fit(key.size, key.tags.sar, (target.width, target.height));
    let whole = (inner.width, inner.height) == (target.width, target.height);
    alike && whole && target.width <= key.size.0 && target.height <= key.size.1
}
