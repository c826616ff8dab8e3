//! Object stores (S3 and what is compatible with it, Google Cloud Storage, Azure Blob Storage) through the crate `object_store`, over the same connections as a push.
//! Credentials come from the environment, as that crate reads them.

mod bucket;
mod service;

use super::push::OTHER_INIT;
use super::remote::counts::Counts;
use super::remote::{Manifests, Remote, Rules};
use super::{Context, Sink, SinkError};
use crate::job::output::{Keep, ObjectsOutput, Output};
use bucket::Bucket;
use std::sync::Arc;
use std::time::Duration;

/// How long the store is asked for what it has, at the start.
const ASK: Duration = Duration::from_secs(3);
/// The least time for what a request may begin with: credentials, a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Starts putting. That nobody is there is no error: it is tried again with each segment.
pub(super) fn open(output: &ObjectsOutput, context: &Context) -> Result<Box<dyn Sink>, SinkError> {
    let shown = Output::Objects(output.clone()).to_string();
    let counts = Arc::new(Counts::new(&shown));
    let bucket = Bucket::new(output, Some(Arc::clone(&context.status))).map_err(|why| SinkError { path: shown, why })?;
    let rules = Rules { backlog: output.backlog, manifests: Manifests::Players, delete: output.keep != Keep::Event, keep: output.keep, connect: CONNECT };
    Ok(Box::new(Remote::start(bucket, rules, "objects", counts, context)?))
}

/// Whether the init segments that are there already are these. A few seconds at most; what cannot be read is not known, and no error.
pub(super) fn agree(output: &ObjectsOutput, inits: &[(String, Vec<u8>)]) -> Result<(), SinkError> {
    let shown = Output::Objects(output.clone()).to_string();
    let wrong = |why: String| SinkError { path: shown.clone(), why };
    let bucket = Bucket::new(output, None).map_err(wrong)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().map_err(|e| wrong(e.to_string()))?;
    let asked = runtime.block_on(async { tokio::time::timeout(ASK, bucket.other_init(inits)).await });
    drop(bucket);
    runtime.shutdown_background();
    match asked {
        Ok(Ok(Some(path))) => Err(SinkError { path: format!("{shown}{path}"), why: OTHER_INIT.to_owned() }),
        Ok(Ok(None)) => Ok(()),
        Ok(Err(why)) => {
            tracing::info!(output = shown, "cannot be asked for what it has: {why}");
            Ok(())
        }
        Err(_) => {
            tracing::warn!(output = shown, "does not answer yet: it is tried again with each segment");
            Ok(())
        }
    }
}
