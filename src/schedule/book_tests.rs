use super::*;
use crate::time::{Rate, Seconds};
use proptest::prelude::*;

const RUNGS: [&str; 2] = ["a", "b"];

fn enabled(rung: &str, from: i64, enabled: bool) -> Edit {
    Edit { from, change: Change::Enabled { rung: rung.to_owned(), enabled } }
}

fn cap(rung: &str, from: i64, max_bitrate: u64) -> Edit {
    Edit { from, change: Change::Cap { rung: rung.to_owned(), max_bitrate } }
}

fn slate(from: i64, on: bool) -> Edit {
    Edit { from, change: Change::Slate { on } }
}

#[test]
fn an_edit_counts_from_its_segment_on() {
    let mut book = Book::default();
    let edits = [cap("a", 10, 5), cap("a", 20, 6), cap("b", 15, 7), enabled("a", 12, false), enabled("a", 14, true), slate(3, true), slate(4, false)];
    assert_eq!(book.take(&edits, &RUNGS), Ok(7));
    let caps = |rung: &str| [9, 10, 14, 19, 20, 99].map(|gop| book.cap(rung, GopId(gop)));
    assert_eq!(caps("a"), [None, Some(5), Some(5), Some(5), Some(6), Some(6)]);
    assert_eq!(caps("b"), [None, None, None, Some(7), Some(7), Some(7)]);
    assert_eq!([11, 12, 13, 14].map(|gop| book.enabled("a", GopId(gop))), [true, false, false, true]);
    assert_eq!([2, 3, 4, 5].map(|gop| book.is_slate(GopId(gop))), [false, true, false, false]);
}

#[test]
fn the_same_twice_is_the_same_as_once() {
    let mut book = Book::default();
    assert_eq!(book.take(&[cap("a", 10, 5)], &RUNGS), Ok(1));
    book.reach(GopId(50));
    // Neither is there anything to do, nor is it too late.
    assert_eq!(book.take(&[cap("a", 10, 5)], &RUNGS), Ok(0));
    assert_eq!(book.take(&[cap("a", 60, 5)], &RUNGS), Ok(0), "it counts there already");
    assert_eq!(book.take(&[enabled("a", 60, true), slate(60, false)], &RUNGS), Ok(0), "as planned");
    assert_eq!(book.edits().len(), 1);
    assert_eq!(book.take(&[cap("a", 60, 6)], &RUNGS), Ok(1));
    assert_eq!(book.take(&[cap("a", 60, 7)], &RUNGS), Ok(1));
    assert_eq!((book.edits().len(), book.cap("a", GopId(60))), (2, Some(7)), "replaced while it is still to come");
}

#[test]
fn what_is_begun_is_settled() {
    let mut book = Book::default();
    assert_eq!((book.first_open(), book.default_from()), (GopId(0), GopId(0)));
    book.reach(GopId(7));
    book.reach(GopId(5));
    assert_eq!((book.first_open(), book.default_from()), (GopId(9), GopId(10)));
    assert_eq!(book.take(&[cap("a", 8, 5)], &RUNGS), Err(Refused::Settled { from: 8, first: 9 }));
    assert_eq!(book.take(&[cap("a", 9, 5), slate(8, true)], &RUNGS), Err(Refused::Settled { from: 8, first: 9 }));
    assert!(book.edits().is_empty(), "all or none");
    assert_eq!(book.take(&[cap("a", 9, 5)], &RUNGS), Ok(1));
}

#[test]
fn some_rung_is_always_made() {
    let mut book = Book::default();
    assert_eq!(book.take(&[enabled("a", 10, false)], &RUNGS), Ok(1));
    assert_eq!(book.take(&[enabled("b", 12, false)], &RUNGS), Err(Refused::LastRung { rung: "b".into(), segment: 12 }));
    assert_eq!(book.take(&[enabled("b", 5, false)], &RUNGS), Err(Refused::LastRung { rung: "b".into(), segment: 10 }), "later on none would be left");
    assert_eq!(book.take(&[enabled("a", 11, true)], &RUNGS), Ok(1));
    assert_eq!(book.take(&[enabled("b", 11, false)], &RUNGS), Ok(1));
}

#[test]
fn idrs_are_inside_their_segment() {
    let grid = Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO);
    let mut book = Book::default();
    let idr = |slot: i64| Edit { from: slot / 50, change: Change::Idr { slot } };
    assert_eq!(book.take(&[idr(130), idr(110), idr(160)], &RUNGS), Ok(3));
    assert_eq!((book.idrs(GopId(2), grid), book.idrs(GopId(3), grid), book.idrs(GopId(4), grid)), (vec![10, 30], vec![10], vec![]));
}

#[test]
fn a_full_book_forgets_what_is_over() {
    let mut book = Book::default();
    for n in 0..MOST as i64 {
        book.take(&[slate(n, n % 2 == 0)], &RUNGS).expect("room");
    }
    assert_eq!(book.take(&[cap("a", 5000, 5)], &RUNGS), Err(Refused::Full));
    book.reach(GopId(1500));
    assert_eq!(book.take(&[cap("a", 5000, 5)], &RUNGS), Ok(1));
    assert_eq!(book.edits().len(), 501, "the one that counts from 500 on, and what came after");
    assert!(book.is_slate(GopId(500)) && !book.is_slate(GopId(501)));
}

proptest! {
    /// What a segment is does not depend on the order in which edits that name different segments were made.
    #[test]
    fn the_order_of_asking_does_not_matter(mut edits in prop::collection::vec((0..2usize, 0..30i64, 1..9u64), 1..12), gop in 0..40i64) {
        edits.sort();
        edits.dedup_by_key(|edit| (edit.0, edit.1));
        let of = |edits: &[(usize, i64, u64)]| {
            let mut book = Book::default();
            for (rung, from, value) in edits {
                book.put(cap(RUNGS[*rung], *from, *value)).expect("room");
            }
            RUNGS.map(|rung| book.cap(rung, GopId(gop)))
        };
        let forwards = of(&edits);
        edits.reverse();
        prop_assert_eq!(forwards, of(&edits));
    }
}
