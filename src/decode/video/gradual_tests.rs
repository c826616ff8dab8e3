//! Which key packets of H.264 are recovery points with pictures to go.

use super::*;

/// An SEI unit with a user-data message of `before` bytes and a recovery point that begins with `byte`; then a slice of `kind`.
fn units(before: usize, byte: u8, kind: u8) -> Vec<Vec<u8>> {
    let mut sei = vec![6, 5];
    sei.extend(vec![255; before / 255]);
    sei.push((before % 255) as u8);
    sei.extend(vec![7; before]);
    sei.extend([6, 2, byte, 0x40, 0x80]);
    vec![vec![9, 0xf0], vec![0x67, 1, 2], sei, vec![0x60 | kind, 0x88, 3, 4, 5]]
}

fn coded(units: &[Vec<u8>], length_size: Option<usize>) -> Vec<u8> {
    let one = |unit: &Vec<u8>| match length_size {
        Some(size) => [&(unit.len() as u32).to_be_bytes()[4 - size..], unit].concat(),
        None => [&[0, 0, 0, 1], &unit[..]].concat(),
    };
    units.iter().flat_map(one).collect()
}

#[test]
fn a_count_that_is_not_zero_is_gradual() {
    for length_size in [None, Some(2), Some(4)] {
        for before in [3, 254, 255, 700] {
            let is = |byte: u8, kind: u8| is_recovery(&coded(&units(before, byte, kind), length_size), length_size);
            assert_eq!([is(0x05, 1), is(0x80, 1), is(0x05, 5)], [true, false, false], "{length_size:?}, {before}");
        }
    }
}

#[test]
fn any_bytes_are_survived() {
    let mut all = coded(&units(255, 0x05, 1), None);
    for cut in 0..all.len() {
        for length_size in [None, Some(1), Some(4)] {
            is_recovery(&all[cut..], length_size);
            is_recovery(&all[..cut], length_size);
        }
    }
    all.fill(255);
    assert!(!is_recovery(&all, None) && !is_recovery(&all, Some(4)) && !has_gradual_sei(&all) && !is_recovery(&[], None));
}
