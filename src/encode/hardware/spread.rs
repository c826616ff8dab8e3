//! Which device makes which rung.

use super::super::{find, nvenc, vaapi};
use super::Hardware;
use crate::plan::Rendition;
use hwaccel::device::Name;

/// All families of hardware encoders.
pub const FAMILIES: [&Hardware; 2] = [&nvenc::NVENC, &vaapi::VAAPI];

/// Gives every rung of `rungs` a device of each family that it lists, out of `devices`: the one that the rung has already (its ladder names it), else the one with the
/// least to do. Rungs with more pixels a second come first, so that loads come out even; the first device wins a tie. Pure.
pub fn spread(rungs: &mut [Rendition], devices: &[Name]) {
    for family in FAMILIES {
        let mut loads: Vec<(Name, u64)> = devices.iter().filter(|name| name.kind() == family.kind).map(|name| (name.clone(), 0)).collect();
        let lists = |rung: &Rendition| rung.backends.iter().any(|name| find(name).is_some_and(|b| b.name == family.name && b.codecs.contains(&rung.codec)));
        let mut order: Vec<&mut Rendition> = rungs.iter_mut().filter(|rung| lists(rung)).collect();
        order.sort_by_key(|rung| (family.device(rung).is_none(), std::cmp::Reverse(pixels(rung))));
        for rung in order {
            let own = family.device(rung);
            let chosen = match &own {
                Some(own) => loads.iter_mut().find(|(name, _)| name == own),
                None => loads.iter_mut().min_by_key(|(_, load)| *load),
            };
            let Some((name, load)) = chosen else { continue };
            *load += pixels(rung);
            if own.is_none() {
                rung.devices.push(name.to_string());
            }
        }
    }
}

/// Pixels a second.
fn pixels(rung: &Rendition) -> u64 {
    let rate = rung.grid.rate;
    u64::from(rung.width) * u64::from(rung.height) * u64::from(rate.num()) / u64::from(rate.den().max(1))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::rendition;
    use super::*;
    use crate::time::Rate;

    fn rung(size: (u32, u32), backends: &[&str], devices: &[&str]) -> Rendition {
        let of = rendition(size, Rate::new(50, 1).expect("legal"), 100, 1_000_000, backends);
        Rendition { devices: devices.iter().map(|d| (*d).to_owned()).collect(), ..of }
    }

    fn names(devices: &[&str]) -> Vec<Name> {
        devices.iter().map(|text| Name::parse(text).expect("a name")).collect()
    }

    #[test]
    fn loads_come_out_even_and_a_ladders_word_counts() {
        let mut rungs = [
            rung((640, 360), &["nvenc"], &[]),
            rung((3840, 2160), &["nvenc", "x264"], &[]),
            rung((1920, 1080), &["nvenc"], &["cuda:0"]),
            rung((1920, 1080), &["nvenc"], &[]),
            rung((1280, 720), &["x264"], &[]),
        ];
        spread(&mut rungs, &names(&["cuda:0", "cuda:1", "/dev/dri/renderD128"]));
        let given: Vec<Vec<String>> = rungs.into_iter().map(|r| r.devices).collect();
        assert_eq!(given, [vec!["cuda:0"], vec!["cuda:1"], vec!["cuda:0"], vec!["cuda:0"], vec![]]);
    }

    #[test]
    fn a_rung_has_one_device_of_each_family_that_it_lists() {
        let mut rungs = [rung((1280, 720), &["nvenc", "vaapi"], &["/dev/dri/renderD129"]), rung((640, 360), &["vaapi"], &[])];
        spread(&mut rungs, &names(&["cuda:0", "/dev/dri/renderD128", "/dev/dri/renderD129"]));
        assert_eq!(rungs[0].devices, ["/dev/dri/renderD129", "cuda:0"]);
        assert_eq!(rungs[1].devices, ["/dev/dri/renderD128"]);
        let mut bare = [rung((640, 360), &["vaapi"], &[])];
        spread(&mut bare, &[]);
        assert!(bare[0].devices.is_empty(), "nothing to give");
    }
}
