//! What is shown where the feed is away, as people write it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// "black", or the path of a picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FillerWish {
    /// Black.
    Black,
    /// This file; a relative path starts at the folder of the job file.
    Picture(PathBuf),
}

impl FillerWish {
    /// The same, where a relative path starts at `base`.
    pub(super) fn from(self, base: &Path) -> FillerWish {
        match self {
            FillerWish::Black => FillerWish::Black,
            FillerWish::Picture(path) => FillerWish::Picture(base.join(path)),
        }
    }
}

impl FromStr for FillerWish {
    type Err = String;

    fn from_str(text: &str) -> Result<FillerWish, String> {
        match text {
            "" => Err("a filler without a name; accepted: black, or the path of a picture (PNG, JPEG and the like)".to_owned()),
            "black" => Ok(FillerWish::Black),
            path => Ok(FillerWish::Picture(PathBuf::from(path))),
        }
    }
}
