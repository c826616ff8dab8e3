//! Why a run ends before its time, and which of several errors is the first.

use crate::capture::CaptureError;
use crate::decode::samples::AudioError;
use crate::decode::{self, DecodeError};
use crate::downscale::DownscaleError;
use crate::encode::runner;
use crate::mux::MuxError;
use crate::sink::SinkError;
use crate::supervise::{StageError, StageFailure};
use std::convert::Infallible;

/// Why a job did not run, or broke.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The job, its input or its output is wrong; nothing was written (exit code 2).
    #[error("{0}")]
    Wrong(Box<dyn std::error::Error + Send + Sync>),
    /// It broke while running (exit code 1).
    #[error(transparent)]
    Failed(#[from] StageError),
}

impl StageFailure for CaptureError {}

impl StageFailure for SinkError {}

impl StageFailure for DecodeError {
    fn is_echo(&self) -> bool {
        matches!(self, DecodeError::Gone(_))
    }
}

impl StageFailure for AudioError {
    fn is_echo(&self) -> bool {
        matches!(self, AudioError::Upstream(_))
    }
}

impl StageFailure for DownscaleError {
    fn is_echo(&self) -> bool {
        matches!(self, DownscaleError::Gone(_) | DownscaleError::Upstream)
    }
}

impl StageFailure for runner::RunError {
    fn is_echo(&self) -> bool {
        matches!(self, runner::RunError::MuxGone(_) | runner::RunError::Upstream(_))
    }
}

impl StageFailure for MuxError {
    fn is_echo(&self) -> bool {
        matches!(self, MuxError::Broke(_) | MuxError::Gone)
    }
}

impl StageFailure for decode::Gone {
    fn is_echo(&self) -> bool {
        true
    }
}

/// A feed, which has stages of its own.
impl StageFailure for StageError {
    fn is_echo(&self) -> bool {
        self.echo
    }
}

impl StageFailure for Infallible {}

/// The job is wrong.
pub(super) fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> RunError {
    RunError::Wrong(Box::new(error))
}
