//! AV1: only what `decode_tile` reads is protected, in whole blocks that end with the tile, one range for each tile (AV1-ISOBMFF, 4.3).

use super::ranges::{Map, guarded};
use cros_codecs::codec::av1::parser::{ObuAction, ParsedObu, Parser, Tile};

/// Reads the frames of one segment, from its first: what a frame header says depends on those before it.
pub struct Av1 {
    parser: Parser,
}

impl Default for Av1 {
    fn default() -> Av1 {
        let mut parser = Parser::default();
        // A temporal delimiter, which samples are without: it tells the parser that OBUs have sizes.
        guarded(|| parser.read_obu(&[0x12, 0x00]).map(|_| ())).ok();
        Av1 { parser }
    }
}

impl Av1 {
    /// The ranges of a sample.
    pub fn map(&mut self, sample: &[u8], map: &mut Map) -> Result<(), String> {
        let parser = &mut self.parser;
        guarded(|| {
            let mut at = 0;
            while at < sample.len() {
                let obu = match parser.read_obu(&sample[at..])? {
                    ObuAction::Process(obu) => obu,
                    ObuAction::Drop(bytes) => {
                        map.clear(bytes as usize);
                        at += (bytes as usize).max(1);
                        continue;
                    }
                };
                let (used, payload) = (obu.bytes_used, obu.as_ref().len());
                let begin = used - payload;
                match parser.parse_obu(obu)? {
                    ParsedObu::Frame(frame) => {
                        parser.ref_frame_update(&frame.header)?;
                        tiles(&frame.tile_group.tiles, begin + frame.header.header_bytes, used, map)?;
                    }
                    ParsedObu::TileGroup(group) => tiles(&group.tiles, begin, used, map)?,
                    ParsedObu::FrameHeader(header) => {
                        parser.ref_frame_update(&header)?;
                        map.clear(used);
                    }
                    _ => map.clear(used),
                }
                at += used;
            }
            Ok(())
        })
    }
}

/// The tiles of an OBU of `used` bytes, whose places count from byte `begin` of it.
fn tiles(tiles: &[Tile], begin: usize, used: usize, map: &mut Map) -> Result<(), String> {
    let mut at = 0;
    for tile in tiles {
        let (start, size) = (begin + tile.tile_offset as usize, tile.tile_size as usize);
        if start < at || start + size > used {
            return Err(format!("a tile of {size} bytes at {start} does not fit its OBU of {used}"));
        }
        map.clear(start - at);
        map.protect(size, true);
        at = start + size;
    }
    map.clear(used - at);
    Ok(())
}
