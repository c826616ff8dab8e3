//! The queue between the thread of a path and the merge, bounded by blocks and by bytes: a block is a datagram of up to 64 KiB, or as much of a stream.

use super::merge::Block;
use crossbeam::channel::{Receiver, Select, Sender, TryRecvError, TrySendError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Blocks that may wait of what cannot be held up: 21 MB of datagrams of seven packets, 8 s of 20 Mb/s.
const BLOCKS: usize = 16_384;
/// Their bytes.
pub const BYTES: usize = 32 << 20;
/// Blocks that may wait of what can be held up, 16 MiB at most.
const PIECES: usize = 256;

/// What became of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// It waits to be taken.
    Done,
    /// There was no room, and it is lost.
    Full,
    /// Nobody listens any more.
    Off,
}

/// Where blocks go in.
pub struct Inlet {
    send: Sender<Block>,
    bytes: Arc<AtomicUsize>,
    waits: bool,
}

/// Where they come out.
pub struct Outlet {
    receive: Receiver<Block>,
    bytes: Arc<AtomicUsize>,
}

/// A queue for what comes at its own pace. Full: what comes is lost.
pub fn lossy() -> (Inlet, Outlet) {
    queue(BLOCKS, false)
}

/// A queue for what can be held up. Full: whoever puts something in waits.
pub fn patient() -> (Inlet, Outlet) {
    queue(PIECES, true)
}

fn queue(blocks: usize, waits: bool) -> (Inlet, Outlet) {
    let ((send, receive), bytes) = (bounded(blocks), Arc::new(AtomicUsize::new(0)));
    (Inlet { send, bytes: Arc::clone(&bytes), waits }, Outlet { receive, bytes })
}

impl Inlet {
    /// Puts one in.
    pub fn put(&self, block: Block) -> Put {
        let size = block.packets.len();
        if self.waits {
            return if self.send.send(block).is_ok() { Put::Done } else { Put::Off };
        }
        // Nobody else puts anything in: what is there can only become less.
        if self.bytes.load(Ordering::Relaxed) + size > BYTES {
            return Put::Full;
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        match self.send.try_send(block) {
            Ok(()) => Put::Done,
            Err(error) => {
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                if matches!(error, TrySendError::Full(_)) { Put::Full } else { Put::Off }
            }
        }
    }
}

impl Outlet {
    /// The next one, if it is there.
    ///
    /// # Errors
    /// Where none is there yet, or none will come.
    pub fn take(&self) -> Result<Block, TryRecvError> {
        self.receive.try_recv().inspect(|block| self.taken(block))
    }

    /// The next one, which is waited for.
    #[cfg(test)]
    pub fn wait(&self) -> Option<Block> {
        self.receive.recv_timeout(std::time::Duration::from_secs(10)).ok().inspect(|block| self.taken(block))
    }

    /// Has `select` look at it.
    pub fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(&self.receive);
    }

    fn taken(&self, block: &Block) {
        // A queue that waits does not count.
        let _ = self.bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, |bytes| bytes.checked_sub(block.packets.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn block(size: usize) -> Block {
        Block { packets: vec![0x47; size], number: None, at: Duration::ZERO }
    }

    #[test]
    fn what_cannot_wait_is_bounded_by_bytes_and_by_blocks() {
        let (inlet, outlet) = lossy();
        let long = 348 * 188;
        let room = BYTES / long;
        for n in 0..2 * room {
            assert_eq!(inlet.put(block(long)), if n < room { Put::Done } else { Put::Full }, "{n}");
        }
        // What was taken makes room for as much again.
        for _ in 0..room / 2 {
            assert_eq!(outlet.take().expect("it is there").packets.len(), long);
        }
        assert_eq!((0..room).filter(|_| inlet.put(block(long)) == Put::Done).count(), room / 2);
        while outlet.take().is_ok() {}
        assert_eq!((0..2 * BLOCKS).filter(|_| inlet.put(block(188)) == Put::Done).count(), BLOCKS);
        drop(outlet);
        assert_eq!(inlet.put(block(188)), Put::Off);
    }
}
