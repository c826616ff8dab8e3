//! What is published encrypted: chunk by chunk, beside the clear form, with keys that change and keys that do not come.

use super::readback_tests::messages;
use super::run_tests::{Out, publish, settings};
use super::test_kit::{audio, demux, encode, grid, rendition, video};
use super::thumbnails::{Feed, Layout, Sheet};
use super::*;
use crate::inspect::{self, Code, InitFacts};
use crate::job::protection::{Keys, Protection};
use crate::protect::cipher::{self, ONE_IN_TEN, Scheme, Vector};
use crate::protect::key::{ContentKey, Seed, TrackClass};
use crate::protect::systems::{Licenses, System};
use crate::protect::{Key, KeyId, KeySet, Subsample, iv};
use crate::sink::Readers;
use crate::time::Grid;
use ffmpeg_next::media::Type;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

/// Keys change every four segments of 2.4 s: before the third.
const FIRST: i64 = 850_000_002;
const CUT: Chunking = Chunking { slots: 10, prft: false };

fn slots() -> Grid {
    grid(25, 1, 60)
}

fn seed() -> Seed {
    Seed::read("XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I").expect("a seed")
}

fn form(scheme: Scheme, keys: Keys, live: bool) -> Arc<Form> {
    let (outputs, content, systems) = (None, "channel".to_owned(), vec![System::Widevine]);
    let asked = Protection { scheme, outputs, systems, content, rotate: Some(Seconds::whole(10)), keys, licenses: Licenses::default() };
    Form::open(&asked, slots(), live).expect("opens").0
}

/// Three whole GOPs and a short one of pictures, and their sound: the tracks, and what their encoders say.
fn show() -> (Vec<TrackSpec>, Vec<ToMux>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("source.mp4");
    encode(&path, "25", 60, 200);
    let (pictures, sound) = (demux(&path, Type::Video), demux(&path, Type::Audio));
    let tracks =
        vec![video(0, rendition("v", 320, 180, 1_000_000, slots()), pictures.config.clone()), audio(1, "a", 96_000, slots(), "eng", sound.config.clone())];
    let mut input = messages(&tracks[0], &pictures, GopId(FIRST));
    input.extend(messages(&tracks[1], &sound, GopId(FIRST)));
    (tracks, input)
}

type Chunks = BTreeMap<(String, i64, u32), Vec<u8>>;

fn chunks(items: &[Publish]) -> Chunks {
    let chunk = |item: &Publish| match item {
        Publish::Chunk { track, number, index, bytes, .. } => Some(((track.clone(), number.0, *index), bytes.to_vec())),
        _ => None,
    };
    items.iter().filter_map(chunk).collect()
}

fn numbers(items: &[Publish], name: &str) -> Vec<i64> {
    items.iter().filter_map(|i| if let Publish::Segment { track, number, .. } = i { (track == name).then_some(number.0) } else { None }).collect()
}

/// In the form of the settings, and in another.
fn both(tracks: Vec<TrackSpec>, settings: Settings, form: Option<Arc<Form>>, stored: Stored, input: Vec<ToMux>) -> (Out, Vec<Publish>) {
    let (tx, published) = crossbeam::channel::unbounded();
    let out = publish(tracks, Settings { others: vec![Other { form, stored, tx }], ..settings }, input).expect("muxes");
    (out, published.iter().collect())
}

/// The samples of a chunk alone, decrypted by what it says itself, and the id of its key.
fn unlocked(bytes: &[u8], init: &InitFacts, video: bool) -> (KeyId, Vec<Vec<u8>>) {
    let facts = inspect::segment(bytes, Some(init)).expect("reads");
    assert_eq!(facts.findings.iter().find(|f| f.code == Code::Encryption), None);
    let [chunk] = facts.chunks.as_slice() else { panic!("{} fragments", facts.chunks.len()) };
    let (id, iv_size) = chunk.encryption.group.expect("it names its key");
    let (id, key) = (KeyId(id), seed().key(KeyId(id)));
    let (flags, _, data) = chunk.encryption.senc.clone().expect("senc");
    let mut senc = &bytes[data];
    let mut samples = Vec::new();
    for sample in &chunk.samples {
        let counter = take(&mut senc, usize::from(iv_size)).try_into().ok();
        let count = if flags & 2 == 0 { 0 } else { u16::from_be_bytes(take(&mut senc, 2).try_into().expect("two")) };
        let range = |_| Subsample {
            clear: u16::from_be_bytes(take(&mut senc, 2).try_into().expect("two")),
            protected: u32::from_be_bytes(take(&mut senc, 4).try_into().expect("four")),
        };
        let ranges: Vec<Subsample> = (0..count).map(range).collect();
        let mut out = bytes[sample.offset..sample.offset + sample.size as usize].to_vec();
        let constant = || Vector::Constant(iv::constant(id), if video { ONE_IN_TEN } else { (0, 0) });
        cipher::decrypt(&key, counter.map_or_else(constant, Vector::Counter), &mut out, &ranges);
        samples.push(out);
    }
    (id, samples)
}

fn take<'a>(from: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = from.split_at(n);
    *from = rest;
    taken
}

#[test]
fn every_chunk_is_encrypted_by_itself_and_a_segment_is_its_chunks() {
    let (tracks, input) = show();
    for scheme in [Scheme::Cbcs, Scheme::Cenc] {
        let form = form(scheme, Keys::Seed(seed(), vec![TrackClass::All]), false);
        let settings = Settings { chunking: Some(CUT), form: Some(form), ..settings() };
        let (out, clear) = both(tracks.clone(), settings, None, Stored::default(), input.clone());
        assert_eq!(out.counts("findings undecodable gaps segments"), [0, 0, 0, 8]);
        let (locked, open) = (chunks(&out.items), chunks(&clear));
        assert!(locked.len() >= 30 && locked.keys().eq(open.keys()), "{} chunks", locked.len());
        let mut whole: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for ((track, number, index), bytes) in &locked {
            let init = inspect::init(&out.files[&format!("{track}/init.mp4")]).expect("reads");
            let (id, samples) = unlocked(bytes, &init, track == "v");
            let period = u64::try_from(number / 4).expect("not negative");
            assert_eq!(id, KeyId::derived("channel", scheme, TrackClass::All, Some(period)));
            let was = &open[&(track.clone(), *number, *index)];
            let facts = inspect::segment(was, None).expect("reads");
            let wanted: Vec<Vec<u8>> = facts.samples().map(|s| was[s.offset..s.offset + s.size as usize].to_vec()).collect();
            assert!(samples == wanted, "{scheme:?} {track} {number}.{index}");
            let all: Vec<u8> = wanted.concat();
            assert!(bytes.len() < all.len() || !bytes.windows(all.len()).any(|w| w == all), "{track} {number}.{index} is clear");
            whole.entry(format!("{track}/{number}.m4s")).or_default().extend(bytes);
        }
        for item in &out.items {
            let Publish::Segment { path, bytes, verdict, .. } = item else { continue };
            assert!(whole[path] == bytes[..], "{path} is not its chunks");
            assert_eq!(verdict.hash, <[u8; 32]>::from(Sha256::digest(bytes)), "the verdict is on what is published");
        }
        in_playlists(&out);
    }
}

/// Keys stand where they change, before the first part as well; ranges of pictures are those of the encrypted bytes.
fn in_playlists(out: &Out) {
    for (readers, name) in
        [(Readers::Whole, "v/media.m3u8"), (Readers::Chunked, "v/media.m3u8"), (Readers::Chunked, "a/media.m3u8"), (Readers::All, "v/iframes.m3u8")]
    {
        let texts = out.items.iter().filter_map(|item| match item {
            Publish::Text { path, bytes, readers: r, .. } if path == name && *r == readers => Some(String::from_utf8(bytes.to_vec()).expect("text")),
            _ => None,
        });
        let mut edges = BTreeSet::new();
        for text in texts {
            let mut key = false;
            for line in text.lines() {
                key |= line.starts_with("#EXT-X-KEY:");
                let uri = line.split("URI=\"").nth(1).filter(|_| line.starts_with("#EXT-X-PART:") || line.starts_with("#EXT-X-PRELOAD")).unwrap_or(line);
                let Some(number) = uri.split('.').next().and_then(|n| n.parse::<i64>().ok()) else { continue };
                if std::mem::take(&mut key) {
                    edges.insert(number);
                }
                assert!(!edges.is_empty(), "{name}: media without a key before it\n{text}");
            }
        }
        assert_eq!(edges, BTreeSet::from([FIRST, FIRST + 2]), "{name} {readers:?}");
    }
    let mut ranges = 0;
    let text = out.text("v/iframes.m3u8");
    for (range, uri) in text.lines().zip(text.lines().skip(1)).filter_map(|(a, b)| Some((a.strip_prefix("#EXT-X-BYTERANGE:")?, b))) {
        let (length, offset) = range.split_once('@').expect("an offset");
        let facts = inspect::segment(&out.files[&format!("v/{uri}")], None).expect("reads");
        let place = iframes::Place { offset: offset.parse().expect("a number"), length: length.parse().expect("a number") };
        assert_eq!(iframes::Place::of(&facts), Some(place));
        ranges += 1;
    }
    assert_eq!(ranges, 4);
}

#[test]
fn without_its_key_nothing_of_a_segment_goes_out_and_the_clear_form_has_it() {
    let (tracks, input) = show();
    for chunking in [None, Some(CUT)] {
        let class = TrackClass::All;
        let key = ContentKey { class, id: KeyId([7; 16]), key: Key::new([8; 16]), iv: None, told: Vec::new() };
        let known = BTreeMap::from([(FIRST as u64 / 4, KeySet { keys: vec![key] })]);
        let form = form(Scheme::Cbcs, Keys::File(known), true);
        let counts = form.counts();
        let settings = Settings { chunking, form: Some(form), ..settings() };
        let (out, clear) = both(tracks.clone(), settings, None, Stored::default(), input.clone());
        for track in ["v", "a"] {
            assert_eq!((numbers(&out.items, track), numbers(&clear, track).len()), (vec![FIRST, FIRST + 1], 4));
            let text = out.text(&format!("{track}/media.m3u8"));
            assert_eq!(text.matches("#EXT-X-GAP").count(), 2, "{text}");
        }
        assert!(chunks(&out.items).keys().all(|(_, number, _)| *number < FIRST + 2), "a chunk is out without its key");
        assert!(!out.items.iter().any(|i| matches!(i, Publish::Abort { .. })), "what never began is not given up");
        assert_eq!((counts.missing.load(Relaxed), out.counts("gaps")), (4, [4]));
    }
}

#[test]
fn a_form_that_lacks_segments_gets_them_and_the_other_leaves_them() {
    let (tracks, input) = show();
    for chunking in [None, Some(CUT)] {
        let form = form(Scheme::Cenc, Keys::Seed(seed(), vec![TrackClass::All]), false);
        let stored = ["v", "a"].map(|track| (track.to_owned(), vec![GopId(FIRST - 1), GopId(FIRST), GopId(FIRST + 1)])).to_vec();
        let behind = Stored { segments: ["v", "a"].map(|track| (track.to_owned(), vec![GopId(FIRST - 1)])).to_vec(), ..Stored::default() };
        let (layout, _) = Layout::of(&[rendition("v", 320, 180, 1_000_000, slots())], slots()).expect("there is one");
        let (sheets_tx, sheets) = crossbeam::channel::unbounded();
        sheets_tx.send(Sheet { number: 1, bytes: b"jpeg".to_vec() }).expect("open");
        drop(sheets_tx);
        let thumbnails = Some(Feed { layout, sheets, stored: Vec::new() });
        let (out, other) = both(tracks.clone(), Settings { chunking, stored, thumbnails, ..settings() }, Some(form), behind, input.clone());
        for track in ["v", "a"] {
            assert_eq!((numbers(&out.items, track), numbers(&other, track)), (vec![FIRST + 2, FIRST + 3], (FIRST..FIRST + 4).collect()));
        }
        let sheet = |items: &[Publish]| items.iter().filter(|i| matches!(i, Publish::Text { path, .. } if path == "thumbnails/1.jpg")).count();
        assert_eq!((sheet(&out.items), sheet(&other)), (1, 1), "every form has the thumbnails");
        let early: Vec<_> = chunks(&out.items).into_keys().filter(|(_, number, _)| *number < FIRST + 2).collect();
        assert!(early.is_empty(), "{early:?} are stored");
    }
}
