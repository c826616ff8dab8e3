use super::*;
use sha2::{Digest, Sha256};

fn pattern(width: u32, height: u32, num: u32, den: u32) -> Pattern {
    Pattern::new(Size::new(width, height).expect("legal size"), Rate::new(num, den).expect("legal rate"))
}

fn drawn(pattern: &Pattern, slot: i64) -> Vec<u8> {
    let mut out = vec![0; pattern.size().bytes()];
    pattern.draw(Slot(slot), &mut out);
    out
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// Mean luma of the inside of the flash patch.
fn flash(pattern: &Pattern, picture: &[u8]) -> usize {
    let a = pattern.flash_area();
    let rim = (a.right - a.left) / 4;
    let rows = a.top + rim..a.bottom - rim;
    let width = pattern.size().width() as usize;
    let sum: usize = rows.clone().map(|y| picture[y * width + a.left + rim..y * width + a.right - rim].iter().map(|&b| usize::from(b)).sum::<usize>()).sum();
    sum / (rows.len() * (a.right - a.left - 2 * rim))
}

#[test]
fn every_slot_is_a_picture_of_its_own_and_always_the_same() {
    let (one, two) = (pattern(320, 180, 25, 1), pattern(320, 180, 25, 1));
    let first: Vec<Vec<u8>> = (0..60).map(|k| drawn(&one, 44_882_303_250 + k)).collect();
    for (k, picture) in first.iter().enumerate().rev() {
        assert_eq!(*picture, drawn(&two, 44_882_303_250 + k as i64), "slot {k} depends on what was drawn before");
    }
    for (k, pair) in first.windows(2).enumerate() {
        let changed = pair[0].iter().zip(&pair[1]).filter(|(a, b)| a != b).count();
        assert!(changed > 5_000, "picture {} differs from the one before in {changed} bytes only", k + 1);
    }
}

#[test]
fn flash_is_in_the_first_picture_of_each_utc_second() {
    for (num, den) in [(25, 1), (30_000, 1001), (60_000, 1001), (50, 1)] {
        let p = pattern(256, 144, num, den);
        let start = 1_795_292_130 * i64::from(num) / i64::from(den);
        for slot in start..start + i64::from(2 * num / den) {
            let second = |s: i64| s * i64::from(den) / i64::from(num);
            let first = second(slot) != second(slot - 1);
            assert_eq!(flash(&p, &drawn(&p, slot)), if first { 235 } else { 16 }, "slot {slot} at {num}/{den}");
        }
    }
}

#[test]
fn any_legal_size_and_slot_can_be_drawn_in_limited_range() {
    for (width, height) in [(256, 144), (258, 146), (320, 180), (720, 576), (270, 480), (1920, 144), (256, 1080), (640, 362)] {
        let p = pattern(width, height, 25, 1);
        for slot in [0, 1, 13, 44_882_303_267, i64::MAX / 1_000_000] {
            assert!(drawn(&p, slot).iter().all(|b| (16..=240).contains(b)), "{width}x{height} slot {slot}");
        }
    }
}

#[test]
fn the_burnt_in_number_is_the_slot_and_can_be_read() {
    for (width, height) in [(256, 144), (320, 180), (720, 576), (1280, 720)] {
        let p = pattern(width, height, 25, 1);
        for slot in [0, 7, 123_456_789, 44_882_303_267] {
            let mut picture = drawn(&p, slot);
            // As a coder might leave it.
            picture.iter_mut().enumerate().for_each(|(i, byte)| *byte = byte.saturating_add((i * 7 % 40) as u8));
            assert_eq!(p.read_slot(&picture, width as usize), Some(Slot(slot)), "{width}x{height}");
        }
        let black = vec![16; p.size().bytes()];
        assert_eq!(p.read_slot(&black, width as usize), None);
        assert_eq!(p.read_slot(&black[..1000], width as usize), None, "cut");
    }
}

#[test]
fn golden() {
    let p = pattern(320, 180, 25, 1);
    let q = pattern(640, 360, 30_000, 1001);
    let seen = [digest(&drawn(&p, 0)), digest(&drawn(&p, 44_882_303_251)), digest(&drawn(&q, 53_804_899_201))];
    assert_eq!(seen, ["6d50a9d95e4a36ab", "849a24b5e120d17f", "04abfe7ca626368e"]);
}

/// Writes pictures to look at: `PATTERN_DIR=/tmp cargo test --lib pattern::picture -- --ignored dump`.
#[test]
#[ignore = "writes files to look at"]
fn dump() {
    let dir = std::env::var("PATTERN_DIR").expect("PATTERN_DIR");
    for (width, height) in [(1280, 720), (320, 180), (540, 960)] {
        let made = std::time::Instant::now();
        let p = pattern(width, height, 25, 1);
        let made = made.elapsed();
        let mut out = vec![0; p.size().bytes()];
        let start = std::time::Instant::now();
        for k in 0..50 {
            p.draw(Slot(44_882_303_250 + k), &mut out);
        }
        eprintln!("{width}x{height}: made in {made:?}, {:?} a picture", start.elapsed() / 50);
        for k in [0, 8, 17] {
            p.draw(Slot(44_882_303_250 + k), &mut out);
            std::fs::write(format!("{dir}/{width}x{height}-{k}.yuv"), &out).expect("writable");
        }
    }
}
