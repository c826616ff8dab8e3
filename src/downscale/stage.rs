//! The thread body: frames in, each rung's frames out.

use super::{Chain, DownscaleError};
use crate::colour::{HdrMetadata, Target};
use crate::encode::queue::RungQueue;
use crate::frame::{Flow, Frame, Picture};
use crossbeam::channel::Receiver;

/// Scales every frame that arrives to all `targets` and gives each rung its own, until the end, which goes to all rungs. `targets` are the distinct pictures of
/// the whole ladder, rungs that are not made here included, so that the chain is the same on every worker; `hdr` is what the source says of its light.
///
/// A rung that is late loses whole GOPs and holds up nobody (`--pace live`), or holds up all (`--pace fast`); see [`RungQueue`].
pub fn run(rx: &Receiver<Flow<Frame>>, targets: &[Target], hdr: &HdrMetadata, mut rungs: Vec<RungQueue>) -> Result<(), DownscaleError> {
    let mut chain = Chain::new(targets, hdr)?;
    let places: Vec<usize> = rungs
        .iter()
        .map(|rung| {
            let target = rung.target();
            targets.iter().position(|t| *t == target).ok_or(DownscaleError::Target { width: target.width, height: target.height })
        })
        .collect::<Result<_, _>>()?;
    loop {
        match rx.recv() {
            Ok(Flow::Item(frame)) => {
                let Picture::Cpu(source) = &frame.picture;
                let pictures = chain.scale(source)?;
                for (rung, place) in rungs.iter_mut().zip(&places) {
                    rung.send(Frame { picture: pictures[*place].clone(), ..frame.clone() }).map_err(|gone| DownscaleError::Gone(gone.rung))?;
                }
            }
            Ok(Flow::End(end)) => {
                return rungs.iter().try_for_each(|rung| rung.end(end)).map_err(|gone| DownscaleError::Gone(gone.rung));
            }
            Err(_) => return Err(DownscaleError::Upstream),
        }
    }
}
