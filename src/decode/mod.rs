//! Decoding: once, for all rungs.

mod convert;
pub mod deinterlace;
pub mod video;
