//! Thumbnails for the seek bar: which pictures a sheet of tiles holds, which sheets there are, and the text around them.
//!
//! Sheet j holds the first pictures of the GOPs [j n, (j + 1) n), every e-th of them, in rows from the top left, and is `thumbnails/<j>.jpg`: like a segment, it follows
//! from its number. DASH: the tiles of DASH-IF IOP (`http://dashif.org/guidelines/thumbnail_tile`). HLS has no standard for them; `EXT-X-IMAGE-STREAM-INF`,
//! `EXT-X-IMAGES-ONLY` and `EXT-X-TILES` are Roku's, which Shaka Player and others read, and unknown tags are skipped by the rest.

use super::hls::{VERSION, decimal};
use super::listing::{Entry, Listing};
use crate::colour::Target;
use crate::job::Window;
use crate::plan::Rendition;
use crate::time::{GopId, Grid, Seconds};
use crossbeam::channel::Receiver;
use std::fmt::Write;

/// Name of the folder, and of the DASH representation.
pub const NAME: &str = "thumbnails";
/// Tiles of a row, and rows.
const TILES: (u32, u32) = (5, 2);
/// The longer side of a tile, in pixels; less where the smallest rung is.
const SIDE: u32 = 256;
/// The least between two pictures.
const APART: Seconds = Seconds::TWO;
/// Bits that a pixel of a sheet may take on average; what needs more is coded more coarsely.
const BITS_A_PIXEL: u64 = 2;
/// The most of an event that sheets are kept of.
const MOST_HOURS: i64 = 6;

/// How sheets are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Pixels across a tile, even.
    pub width: u32,
    /// Lines of a tile, even.
    pub height: u32,
    /// The grid of the rungs.
    pub grid: Grid,
    /// One GOP in so many gives a picture.
    pub every: u32,
}

/// A finished sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Its number.
    pub number: i64,
    /// JPEG.
    pub bytes: Vec<u8>,
}

/// Where sheets come from, and which of them are stored already.
#[derive(Clone, Debug)]
pub struct Feed {
    /// How they are made.
    pub layout: Layout,
    /// In order. When full, who makes them waits; the muxer takes them as they come.
    pub sheets: Receiver<Sheet>,
    /// Numbers of those that an earlier run stored.
    pub stored: Vec<GopId>,
}

impl Layout {
    /// Of pictures of the smallest rung of standard range, which the target says; none where there is no such rung.
    pub fn of(rungs: &[Rendition], grid: Grid) -> Option<(Layout, Target)> {
        let smallest = rungs.iter().filter(|r| !r.signal().is_hdr()).min_by_key(|r| u64::from(r.width) * u64::from(r.height))?;
        let longer = smallest.width.max(smallest.height).max(1);
        let side = |of: u32| ((u64::from(of) * u64::from(SIDE.min(longer)) / u64::from(longer)) as u32 & !1).max(2);
        let (num, den) = grid.gop_duration().fraction();
        let every = u32::try_from(APART.times(den).over(num.max(1)).ceil_ticks(1)).unwrap_or(1).max(1);
        Some((Layout { width: side(smallest.width), height: side(smallest.height), grid, every }, smallest.target()))
    }

    /// How many tiles a sheet has.
    pub fn tiles(&self) -> u32 {
        TILES.0 * TILES.1
    }

    /// Pixels across a sheet, and its lines.
    pub fn sheet(&self) -> (u32, u32) {
        (self.width * TILES.0, self.height * TILES.1)
    }

    /// The sheet and the tile that the first picture of `gop` belongs to; none where it is not in any.
    pub fn place(&self, gop: GopId) -> Option<(i64, u32)> {
        let every = i64::from(self.every);
        let picture = gop.0.div_euclid(every);
        let tiles = i64::from(self.tiles());
        (gop.0.rem_euclid(every) == 0).then(|| (picture.div_euclid(tiles), picture.rem_euclid(tiles) as u32))
    }

    /// Left and top of a tile in its sheet.
    pub fn corner(&self, tile: u32) -> (u32, u32) {
        (tile % TILES.0 * self.width, tile / TILES.0 * self.height)
    }

    /// The most bytes of a sheet.
    pub fn budget(&self) -> u64 {
        let (width, height) = self.sheet();
        u64::from(width) * u64::from(height) * BITS_A_PIXEL / 8
    }

    fn tile_span(&self) -> Seconds {
        self.grid.gop_duration().times(i128::from(self.every))
    }

    fn span(&self) -> Seconds {
        self.tile_span().times(i128::from(self.tiles()))
    }

    fn bandwidth(&self) -> u64 {
        let (num, den) = self.span().fraction();
        u64::try_from((i128::from(self.budget()) * 8 * den).div_euclid(num.max(1)) + 1).unwrap_or(u64::MAX)
    }
}

/// `thumbnails/<number>.jpg`.
pub fn path(number: i64) -> String {
    format!("{NAME}/{number}.jpg")
}

/// `thumbnails/images.m3u8`.
pub fn playlist_path() -> String {
    format!("{NAME}/images.m3u8")
}

/// Which sheets there are.
#[derive(Debug)]
pub struct Thumbnails {
    layout: Layout,
    listing: Listing,
}

impl Thumbnails {
    /// Those of `window`, beginning with what is `stored` (in any order). The second: what of it is to be removed.
    pub fn new(layout: Layout, window: Window, mut stored: Vec<GopId>) -> (Thumbnails, Vec<String>) {
        let most = Seconds::whole(MOST_HOURS * 3600);
        let window = Window::Last(if let Window::Last(span) = window { span.min(most) } else { most });
        let mut thumbnails = Thumbnails { layout, listing: Listing::new(window, layout.span()) };
        stored.sort_unstable();
        stored.dedup();
        let leave = stored.into_iter().flat_map(|number| thumbnails.take(number.0)).collect();
        (thumbnails, leave)
    }

    /// A sheet is there: the paths of what has left. One that is not newer than the last changes nothing.
    pub fn take(&mut self, number: i64) -> Vec<String> {
        let (layout, number) = (self.layout, GopId(number));
        let entry = |number: GopId| Entry { number, start: layout.span().times(i128::from(number.0)), duration: layout.span(), gap: false };
        let mut leave = Vec::new();
        match self.listing.last() {
            Some(last) if last >= number => return Vec::new(),
            Some(last) => leave.extend(self.listing.gap(last.next(), number, entry)),
            None => {}
        }
        leave.extend(self.listing.push(entry(number)));
        leave.into_iter().map(|number| path(number.0)).collect()
    }

    /// Whether there is one to be listed.
    pub fn any(&self) -> bool {
        self.listing.entries().iter().any(|entry| !entry.gap)
    }

    /// The playlist of sheets.
    pub fn playlist(&self, ended: bool) -> String {
        let Layout { width, height, .. } = self.layout;
        let (entries, target) = (self.listing.entries(), self.layout.span().ceil_ticks(1).max(1));
        let sequence = entries.front().map_or(0, |e| e.number.0);
        let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n#EXT-X-IMAGES-ONLY\n");
        for Entry { number, start, duration, gap } in entries {
            let gap = if *gap { "#EXT-X-GAP\n" } else { "" };
            let (date, duration, tile, (across, down)) = (start.to_rfc3339(), decimal(*duration), decimal(self.layout.tile_span()), TILES);
            put(
                &mut text,
                format_args!(
                    "#EXT-X-PROGRAM-DATE-TIME:{date}\n{gap}#EXTINF:{duration},\n#EXT-X-TILES:RESOLUTION={width}x{height},LAYOUT={across}x{down},DURATION={tile}\n{number}.jpg\n"
                ),
            );
        }
        text + if ended { "#EXT-X-ENDLIST\n" } else { "" }
    }

    /// The line in the multivariant playlist, once there is a sheet.
    pub fn stream(&self) -> String {
        let (bandwidth, Layout { width, height, .. }, uri) = (self.layout.bandwidth(), self.layout, playlist_path());
        let line = || format!("#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={width}x{height},CODECS=\"jpeg\",URI=\"{uri}\"\n");
        if self.any() { line() } else { String::new() }
    }

    /// `manifest` with an adaptation set of sheets, once there is one.
    pub fn described(&self, manifest: String) -> String {
        const END: &str = "</Period>";
        if !self.any() {
            return manifest;
        }
        let (num, den) = self.layout.span().fraction();
        let ((width, height), (across, down), bandwidth, id) =
            (self.layout.sheet(), TILES, self.layout.bandwidth(), manifest.matches("<AdaptationSet").count());
        let set = format!(
            "<AdaptationSet id=\"{id}\" contentType=\"image\" mimeType=\"image/jpeg\" segmentAlignment=\"true\">\n\
             <SegmentTemplate media=\"$RepresentationID$/$Number$.jpg\" duration=\"{num}\" startNumber=\"0\" timescale=\"{den}\"/>\n\
             <Representation id=\"{NAME}\" bandwidth=\"{bandwidth}\" width=\"{width}\" height=\"{height}\">\n\
             <EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/thumbnail_tile\" value=\"{across}x{down}\"/>\n\
             </Representation>\n</AdaptationSet>\n"
        );
        manifest.replacen(END, &(set + END), 1)
    }
}

fn put(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::test_kit::{grid, rendition};

    fn layout() -> Layout {
        let rungs = [rendition("a", 1920, 1080, 1, grid(25, 1, 50)), rendition("b", 640, 360, 1, grid(25, 1, 50))];
        let (layout, target) = Layout::of(&rungs, grid(25, 1, 50)).expect("there is one");
        assert_eq!((target.width, layout.width, layout.height, layout.every, layout.sheet()), (640, 256, 144, 1, (1280, 288)));
        layout
    }

    #[test]
    fn a_tile_has_its_place_by_its_number() {
        let layout = layout();
        let places = [0, 4, 5, 9, 10, 850_000_007].map(|gop| layout.place(GopId(gop)));
        assert_eq!(places, [Some((0, 0)), Some((0, 4)), Some((0, 5)), Some((0, 9)), Some((1, 0)), Some((85_000_000, 7))]);
        assert_eq!([0, 4, 5, 9].map(|tile| layout.corner(tile)), [(0, 0), (1024, 0), (0, 144), (1024, 144)]);
        // Segments of 200 ms: one in ten.
        let (short, _) = Layout::of(&[rendition("p", 180, 320, 1, grid(25, 1, 5))], grid(25, 1, 5)).expect("there is one");
        assert_eq!((short.every, short.width, short.height), (10, 144, 256));
        assert_eq!([0, 1, 10, 99, 100].map(|gop| short.place(GopId(gop))), [Some((0, 0)), None, Some((0, 1)), None, Some((1, 0))]);
    }

    #[test]
    fn text_of_a_window_with_a_gap() {
        let (mut thumbnails, leave) = Thumbnails::new(layout(), Window::Last(Seconds::whole(60)), vec![GopId(7), GopId(5)]);
        assert!(leave.is_empty() && thumbnails.any());
        assert_eq!((thumbnails.take(8), thumbnails.take(8), thumbnails.take(3)), (vec![], vec![], vec![]));
        let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:20
#EXT-X-MEDIA-SEQUENCE:6
#EXT-X-IMAGES-ONLY
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:02:00.000Z
#EXT-X-GAP
#EXTINF:20.000,
#EXT-X-TILES:RESOLUTION=256x144,LAYOUT=5x2,DURATION=2.000
6.jpg
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:02:20.000Z
#EXTINF:20.000,
#EXT-X-TILES:RESOLUTION=256x144,LAYOUT=5x2,DURATION=2.000
7.jpg
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:02:40.000Z
#EXTINF:20.000,
#EXT-X-TILES:RESOLUTION=256x144,LAYOUT=5x2,DURATION=2.000
8.jpg
";
        assert_eq!(thumbnails.playlist(false), expected);
        let left: Vec<String> = (9..16).flat_map(|number| thumbnails.take(number)).collect();
        assert_eq!(left, ["thumbnails/5.jpg", "thumbnails/7.jpg", "thumbnails/8.jpg"]);
        assert_eq!(thumbnails.stream(), "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=36865,RESOLUTION=256x144,CODECS=\"jpeg\",URI=\"thumbnails/images.m3u8\"\n");
    }
}
