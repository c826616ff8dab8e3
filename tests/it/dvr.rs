//! The window that reaches further back than memory: from the files of a directory that is published into.

use crate::common::{ask, plan, segment};
use mezzo::serve::Server;
use mezzo::sink::directory::Directory;
use mezzo::sink::store::Store;
use mezzo::sink::{Publish, Sink, stored};
use mezzo::status::Status;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const TRACK: &str = "avc-360p";
/// Larger than a block, and than what the system's buffers take.
const SIZE: usize = 3 << 20;

fn bytes(number: i64) -> Vec<u8> {
    (0..SIZE).map(|i| (i as i64 * 31 + number) as u8).collect()
}

#[test]
fn what_memory_has_no_room_for_is_served_from_the_disk() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let tracks = [TRACK.to_owned()];
    let status = Arc::new(Status::new(&plan(), true));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let open = || Store::with_folder(2 * SIZE as u64, [], Some(dir.path().to_owned()));
    let mut tags = Vec::new();
    {
        let store = open();
        let directory = Directory::open(dir.path(), &tracks, status.clone()).expect("a directory");
        let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(store.clone()), Box::new(directory)];
        let init = Publish::Init { path: format!("{TRACK}/init.mp4"), bytes: b"init".as_slice().into() };
        sinks.iter_mut().for_each(|sink| sink.publish(&init).expect("stored"));
        for number in 0..6 {
            let item = segment(TRACK, number, &bytes(number));
            sinks.iter_mut().for_each(|sink| sink.publish(&item).expect("stored"));
            tags.push(store.get(&format!("{TRACK}/{number}.m4s")).expect("in memory at first").etag);
        }
        assert_eq!((store.usage().segments, store.usage().filed), (2, 4));
        look(address, &store, &status, &tags);
    }
    // A restart finds all of it, with the same tags.
    let store = open();
    store.restore(dir.path(), &stored::scan(dir.path(), &tracks).expect("scan")).expect("restore");
    look(address, &store, &status, &tags);

    let server = Server::start(address, store.clone(), status).expect("started");
    let code = |number: i64| ask(server.address(), "GET", &format!("/live/{TRACK}/{number}.m4s"), &[]).code;
    store.clone().publish(&Publish::Remove { path: format!("{TRACK}/0.m4s") }).expect("removed");
    assert_eq!(code(0), 410, "it has left the window, though the file may be there still");
    std::fs::remove_file(dir.path().join(TRACK).join("1.m4s")).expect("removed");
    assert_eq!([code(1), code(1), code(2)], [410, 410, 200]);
    // One that shrinks while it is read is cut off, not filled up.
    let mut reader = TcpStream::connect(server.address()).expect("connect");
    reader.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    reader.write_all(format!("GET /live/{TRACK}/3.m4s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
    reader.read_exact(&mut [0; 12]).expect("an answer");
    std::fs::File::options().write(true).open(dir.path().join(TRACK).join("3.m4s")).expect("open").set_len(10).expect("cut");
    let mut got = Vec::new();
    let _ = reader.read_to_end(&mut got);
    let head = got.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let same = got[head..].iter().zip(bytes(3)).all(|(a, b)| *a == b);
    assert!(same, "what came of it is right");
}

fn look(address: SocketAddr, store: &Store, status: &Arc<Status>, tags: &[String]) {
    let server = Server::start(address, store.clone(), status.clone()).expect("started");
    let to = server.address();
    for (number, tag) in tags.iter().enumerate() {
        let (path, bytes) = (format!("/live/{TRACK}/{number}.m4s"), bytes(number as i64));
        let got = ask(to, "GET", &path, &[]);
        assert_eq!((got.code, got.header("etag"), got.header("content-type")), (200, tag.as_str(), "video/mp4"), "{number}");
        assert!(got.body == bytes && got.header("cache-control").contains("immutable") && got.header("accept-ranges") == "bytes", "{number}");
        let length = SIZE.to_string();
        let head = ask(to, "HEAD", &path, &[]);
        assert_eq!((head.code, head.header("content-length"), head.header("etag"), head.body.len()), (200, length.as_str(), tag.as_str(), 0));
        let part = ask(to, "GET", &path, &["range: bytes=200000-500000"]);
        assert_eq!((part.code, part.header("content-range").to_owned()), (206, format!("bytes 200000-500000/{SIZE}")));
        assert!(part.body == bytes[200_000..=500_000], "{number}");
        assert_eq!(ask(to, "GET", &path, &["range: bytes=-1"]).body, bytes[SIZE - 1..]);
        assert_eq!(ask(to, "GET", &path, &[&format!("range: bytes={SIZE}-")]).code, 416);
        assert_eq!(ask(to, "GET", &path, &[&format!("if-none-match: {tag}")]).code, 304);
    }
}
