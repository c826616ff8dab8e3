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

fn asked(edits: &[Edit], named: bool) -> Vec<Asked> {
    edits.iter().map(|edit| Asked { edit: edit.clone(), named }).collect()
}

/// Asks for edits that name their segments; how many are new.
fn take(book: &mut Book, edits: &[Edit]) -> Result<usize, Refused> {
    book.take(&asked(edits, true), &RUNGS).map(|took| took.iter().filter(|took| took.new).count())
}

#[test]
fn an_edit_counts_from_its_segment_on() {
    let mut book = Book::default();
    let edits = [cap("a", 10, 5), cap("a", 20, 6), cap("b", 15, 7), enabled("a", 12, false), enabled("a", 14, true), slate(3, true), slate(4, false)];
    assert_eq!(take(&mut book, &edits), Ok(7));
    let caps = |rung: &str| [9, 10, 14, 19, 20, 99].map(|gop| book.cap(rung, GopId(gop)));
    assert_eq!(caps("a"), [None, Some(5), Some(5), Some(5), Some(6), Some(6)]);
    assert_eq!(caps("b"), [None, None, None, Some(7), Some(7), Some(7)]);
    assert_eq!([11, 12, 13, 14].map(|gop| book.enabled("a", GopId(gop))), [true, false, false, true]);
    assert_eq!([2, 3, 4, 5].map(|gop| book.is_slate(GopId(gop))), [false, true, false, false]);
}

#[test]
fn the_same_twice_is_the_same_as_once() {
    let mut book = Book::default();
    assert_eq!(take(&mut book, &[cap("a", 10, 5)]), Ok(1));
    book.reach(GopId(50));
    // Neither is there anything to do, nor is it too late.
    assert_eq!(take(&mut book, &[cap("a", 10, 5)]), Ok(0));
    assert_eq!(take(&mut book, &[cap("a", 40, 5)]), Ok(0), "nor where it counted all along");
    assert_eq!(take(&mut book, &[enabled("a", 40, true), slate(40, false)]), Ok(0), "as planned");
    assert_eq!(book.edits().len(), 1);
    assert_eq!(take(&mut book, &[cap("a", 60, 5)]), Ok(1), "what counts there may still be replaced from an earlier segment on");
    assert_eq!(take(&mut book, &[cap("a", 60, 5)]), Ok(0));
    assert_eq!(take(&mut book, &[cap("a", 60, 6)]), Ok(1));
    assert_eq!(take(&mut book, &[cap("a", 60, 7)]), Ok(1));
    assert_eq!((book.edits().len(), book.cap("a", GopId(60))), (2, Some(7)), "replaced while it is still to come");
}

#[test]
fn what_is_begun_is_settled() {
    let mut book = Book::default();
    assert_eq!((book.first_open(), book.default_from()), (GopId(0), Some(GopId(0))));
    book.reach(GopId(7));
    book.reach(GopId(5));
    assert_eq!((book.first_open(), book.default_from()), (GopId(9), Some(GopId(10))));
    assert_eq!(take(&mut book, &[cap("a", 8, 5)]), Err(Refused::Settled { from: 8, first: 9 }));
    assert_eq!(take(&mut book, &[cap("a", 9, 5), slate(8, true)]), Err(Refused::Settled { from: 8, first: 9 }));
    assert!(book.edits().is_empty(), "all or none");
    assert_eq!(take(&mut book, &[cap("a", 9, 5)]), Ok(1));
}

#[test]
fn some_rung_is_always_made() {
    let mut book = Book::default();
    assert_eq!(take(&mut book, &[enabled("a", 10, false)]), Ok(1));
    assert_eq!(take(&mut book, &[enabled("b", 12, false)]), Err(Refused::LastRung { rung: "b".into(), segment: 12 }));
    assert_eq!(take(&mut book, &[enabled("b", 5, false)]), Err(Refused::LastRung { rung: "b".into(), segment: 10 }), "later on none would be left");
    assert_eq!(take(&mut book, &[enabled("a", 11, true)]), Ok(1));
    assert_eq!(take(&mut book, &[enabled("b", 11, false)]), Ok(1));
}

#[test]
fn idrs_are_inside_their_segment() {
    let grid = Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO);
    let mut book = Book::default();
    let idr = |slot: i64| Edit { from: slot / 50, change: Change::Idr { slot } };
    assert_eq!(take(&mut book, &[idr(130), idr(110), idr(160)]), Ok(3));
    assert_eq!((book.idrs(GopId(2), grid), book.idrs(GopId(3), grid), book.idrs(GopId(4), grid)), (vec![10, 30], vec![10], vec![]));
}

#[test]
fn a_full_book_forgets_what_is_over() {
    let mut book = Book::default();
    for n in 0..MOST as i64 {
        take(&mut book, &[slate(n, n % 2 == 0)]).expect("room");
    }
    assert_eq!(take(&mut book, &[cap("a", 5000, 5)]), Err(Refused::Full));
    book.reach(GopId(1500));
    assert_eq!(take(&mut book, &[cap("a", 5000, 5)]), Ok(1));
    assert_eq!(book.edits().len(), 501, "the one that counts from 500 on, and what came after");
    assert!(book.is_slate(GopId(500)) && !book.is_slate(GopId(501)));
}

#[test]
fn what_names_no_segment_is_there_where_it_counts() {
    let mut book = Book::default();
    take(&mut book, &[slate(50, true), cap("a", 10, 5)]).expect("taken");
    assert_eq!(book.default_from(), None, "from the beginning on it would be replaced by what is kept");
    book.reach(GopId(57));
    let from = book.default_from().expect("begun").0;
    let twice = [slate(from, true), cap("a", from, 5), enabled("b", from, true)];
    let took = book.take(&asked(&twice, false), &RUNGS).expect("taken");
    let there = [slate(50, true), cap("a", 10, 5), enabled("b", 0, true)].map(|edit| Took { edit, new: false });
    assert_eq!(took, there, "each by what it counts by: what a twin has, too");
    assert_eq!(book.take(&asked(&[slate(from, false)], false), &RUNGS).map(|took| took[0].new), Ok(true));
}

#[test]
fn the_end_may_be_asked_for_before_the_beginning() {
    let plans = [[enabled("a", 60, true), enabled("a", 50, false)], [slate(60, false), slate(50, true)], [cap("a", 60, 5), cap("a", 40, 6)]];
    for mut plan in plans {
        let of = |plan: &[Edit]| {
            let mut book = Book::default();
            take(&mut book, &[cap("a", 10, 5)]).expect("taken");
            plan.iter().for_each(|edit| assert_eq!(take(&mut book, std::slice::from_ref(edit)), Ok(1)));
            (0..70).map(|gop| (book.enabled("a", GopId(gop)), book.cap("a", GopId(gop)), book.is_slate(GopId(gop)))).collect::<Vec<_>>()
        };
        let shown = of(&plan);
        assert_eq!(shown[60], shown[10], "{plan:?}: as before from 60 on");
        assert_ne!(shown[59], shown[10]);
        plan.reverse();
        assert_eq!(shown, of(&plan));
    }
}

#[test]
fn two_rungs_change_places_at_once() {
    let mut book = Book::default();
    take(&mut book, &[enabled("b", 10, false)]).expect("taken");
    assert_eq!(take(&mut book, &[enabled("a", 20, false), enabled("b", 20, true)]), Ok(2));
    let mut again = Book::default();
    assert_eq!(take(&mut again, book.edits()), Ok(3), "as a restart asks for them");
    assert_eq!(again.edits(), book.edits());
}

proptest! {
    /// What a segment is does not depend on the order in which edits that name different segments were made.
    #[test]
    fn the_order_of_asking_does_not_matter(mut edits in prop::collection::vec((0..4usize, 0..30i64, 0..3u64), 1..12), gop in 0..40i64, turn in 0..12usize) {
        edits.sort();
        edits.dedup_by_key(|edit| (edit.0, edit.1));
        let of = |edits: &[(usize, i64, u64)]| {
            let mut book = Book::default();
            for (what, from, value) in edits {
                let edit = match what {
                    0 | 1 => cap(RUNGS[*what], *from, *value),
                    2 => enabled("a", *from, *value > 0),
                    _ => slate(*from, *value > 0),
                };
                take(&mut book, &[edit]).expect("room");
            }
            (RUNGS.map(|rung| (book.cap(rung, GopId(gop)), book.enabled(rung, GopId(gop)))), book.is_slate(GopId(gop)))
        };
        let forwards = of(&edits);
        edits.reverse();
        prop_assert_eq!(forwards, of(&edits));
        let turn = turn % edits.len();
        edits.rotate_left(turn);
        prop_assert_eq!(forwards, of(&edits));
    }

    /// A restart asks for all that was kept, and shows the same, whatever was asked for and taken before.
    #[test]
    fn a_restart_shows_the_same(edits in prop::collection::vec((0..3usize, 0..20i64, any::<bool>()), 1..16)) {
        let mut book = Book::default();
        for (what, from, on) in &edits {
            let edit = if *what == 2 { slate(*from, *on) } else { enabled(RUNGS[*what], *from, *on) };
            // The last rung stays.
            let _ = take(&mut book, &[edit]);
        }
        let mut again = Book::default();
        prop_assert_eq!(take(&mut again, book.edits()), Ok(book.edits().len()));
        prop_assert_eq!(again.edits(), book.edits());
    }
}
