//! The requests to an object store.

use super::service::{SEEN, Service};
use crate::job::output::ObjectsOutput;
use crate::sink::net::Dialer;
use crate::sink::net::http::in_words;
use crate::sink::remote::failure::{Failure, Kind};
use crate::sink::remote::{Carrier, Upload};
use crate::status::Status;
use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{Attribute, Attributes, Error, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, RetryConfig};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Larger objects are put in parts.
const MULTIPART: usize = 32 << 20;
/// The size of a part; S3 takes none below 5 MiB but the last.
const PART: usize = 8 << 20;
/// Bytes under a number do not change: kept for a year, which is for ever in HTTP.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Playlists and manifests are replaced with every segment.
const SHORT: &str = "public, max-age=1";

/// A bucket, and a prefix in it.
pub struct Bucket {
    store: Box<dyn ObjectStore>,
    prefix: Path,
    service: Service,
    /// Whether the store knows puts that do not replace (`If-None-Match: *`); as far as is known.
    creates: AtomicBool,
    status: Option<Arc<Status>>,
}

impl Bucket {
    /// Of an output. Conflicts are counted in `status`.
    pub fn new(output: &ObjectsOutput, status: Option<Arc<Status>>) -> Result<Bucket, String> {
        let dialer = Dialer::new(output.ca.clone(), None);
        if output.endpoint.as_ref().is_none_or(|endpoint| endpoint.scheme() == "https") {
            dialer.check()?;
        }
        let service = Service::new(dialer);
        let prefix = Path::from_url_path(output.url.path()).map_err(|e| e.to_string())?;
        let name = output.url.host_str().unwrap_or_default();
        // What is tried again, and for how long, is the lane's to say.
        let retry = RetryConfig { max_retries: 0, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() };
        let endpoint = output.endpoint.as_ref().map(|endpoint| endpoint.as_str().trim_end_matches('/').to_owned());
        let plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let http = service.clone();
        let store: Result<Box<dyn ObjectStore>, Error> = match output.url.scheme() {
            "s3" => {
                let mut s3 = AmazonS3Builder::from_env().with_bucket_name(name).with_retry(retry).with_http_connector(http);
                s3 = if let Some(endpoint) = endpoint { s3.with_endpoint(endpoint).with_allow_http(plain) } else { s3 };
                s3 = if let Some(region) = &output.region { s3.with_region(region) } else { s3 };
                s3.build().map(|store| Box::new(store) as Box<dyn ObjectStore>)
            }
            "gs" => {
                let mut gs = GoogleCloudStorageBuilder::from_env().with_bucket_name(name).with_retry(retry).with_http_connector(http);
                gs = if let Some(endpoint) = endpoint { gs.with_base_url(&endpoint) } else { gs };
                gs.build().map(|store| Box::new(store) as Box<dyn ObjectStore>)
            }
            _ => {
                let mut az = MicrosoftAzureBuilder::from_env().with_container_name(name).with_retry(retry).with_http_connector(http);
                az = if let Some(endpoint) = endpoint { az.with_endpoint(endpoint).with_allow_http(plain) } else { az };
                az.build().map(|store| Box::new(store) as Box<dyn ObjectStore>)
            }
        };
        let store = store.map_err(|e| format!("{}; accepted: credentials in the environment (docs/outputs.md)", shown(&e)))?;
        Ok(Bucket { store, prefix, service, creates: AtomicBool::new(true), status })
    }

    /// The path of the first of these init segments that is there and differs.
    pub async fn other_init(&self, inits: &[(String, Vec<u8>)]) -> Result<Option<String>, String> {
        for (path, bytes) in inits {
            match self.store.get(&self.at(path)).await {
                Ok(found) => {
                    let found = found.bytes().await.map_err(|e| shown(&e))?;
                    if found != bytes[..] {
                        return Ok(Some(path.clone()));
                    }
                }
                Err(Error::NotFound { .. }) => {}
                Err(e) => return Err(shown(&e)),
            }
        }
        Ok(None)
    }

    fn at(&self, path: &str) -> Path {
        path.split('/').fold(self.prefix.clone(), |at, part| at.join(part))
    }

    async fn put_whole(&self, at: &Path, bytes: &Bytes, attributes: &Attributes, mode: PutMode) -> Result<(), Error> {
        let options = PutOptions { mode, attributes: attributes.clone(), ..PutOptions::default() };
        self.store.put_opts(at, PutPayload::from(bytes.clone()), options).await.map(drop)
    }

    async fn put_parts(&self, at: &Path, bytes: &Bytes, attributes: &Attributes) -> Result<(), Error> {
        let options = PutMultipartOptions { attributes: attributes.clone(), ..PutMultipartOptions::default() };
        let mut upload = self.store.put_multipart_opts(at, options).await?;
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(PART));
            if let Err(e) = upload.put_part(PutPayload::from(part)).await {
                // The first error is the one to tell.
                let _ = upload.abort().await;
                return Err(e);
            }
        }
        upload.complete().await.map(drop)
    }

    /// What is there stays. Where the store cannot be asked to keep it, the same bytes replace themselves.
    async fn put_once(&self, at: &Path, bytes: &Bytes, attributes: &Attributes) -> Result<(), Error> {
        if !self.creates.load(Relaxed) {
            return self.put_whole(at, bytes, attributes, PutMode::Overwrite).await;
        }
        match self.put_whole(at, bytes, attributes, PutMode::Create).await {
            Err(Error::AlreadyExists { .. }) => self.stays(at, bytes).await,
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => self.put_unconditionally(at, bytes, attributes).await,
            Err(e) => match SEEN.try_with(Cell::get).ok().flatten() {
                Some((400 | 501, _)) => self.put_unconditionally(at, bytes, attributes).await,
                _ => Err(e),
            },
            done => done,
        }
    }

    async fn put_unconditionally(&self, at: &Path, bytes: &Bytes, attributes: &Attributes) -> Result<(), Error> {
        self.put_whole(at, bytes, attributes, PutMode::Overwrite).await?;
        if self.creates.swap(false, Relaxed) {
            tracing::info!("the store does not know conditional puts: the same segment from a twin replaces the first");
        }
        Ok(())
    }

    /// An object is there already: of an earlier life, or of a twin.
    async fn stays(&self, at: &Path, bytes: &Bytes) -> Result<(), Error> {
        let there = self.store.head(at).await?;
        if there.size != bytes.len() as u64 {
            self.status.iter().for_each(|status| status.conflicts.add(1));
            tracing::warn!(path = %at, "an object of this name exists with other bytes; it stays as it is");
        }
        Ok(())
    }
}

impl Carrier for Bucket {
    type Line = ();

    fn takes_chunks(&self) -> bool {
        false
    }

    async fn ready(&self, (): &mut ()) -> Result<bool, Failure> {
        Ok(false)
    }

    async fn put(&self, (): &mut (), upload: &Upload<'_>) -> Result<(), Failure> {
        let Some((bytes, _)) = upload.body.get() else { return Err(Failure::new(Kind::Refused, "an object is put whole")) };
        let at = self.at(upload.path);
        let cache = if upload.immutable { FOREVER } else { SHORT };
        let attributes = Attributes::from_iter([(Attribute::ContentType, upload.content_type), (Attribute::CacheControl, cache)]);
        judged(upload.path, async {
            if bytes.len() > MULTIPART {
                self.put_parts(&at, &bytes, &attributes).await
            } else if upload.immutable {
                self.put_once(&at, &bytes, &attributes).await
            } else {
                self.put_whole(&at, &bytes, &attributes, PutMode::Overwrite).await
            }
        })
        .await
    }

    async fn delete(&self, (): &mut (), path: &str) -> Result<(), Failure> {
        judged(path, async {
            match self.store.delete(&self.at(path)).await {
                Err(Error::NotFound { .. }) => Ok(()),
                done => done,
            }
        })
        .await
    }

    fn close(&self, (): &mut ()) {
        self.service.close();
    }
}

/// A request, its failure by the status of the last answer: where there was none, the connection failed.
async fn judged(path: &str, request: impl Future<Output = Result<(), Error>>) -> Result<(), Failure> {
    let (done, seen) = SEEN.scope(Cell::new(None), async { (request.await, SEEN.with(Cell::get)) }).await;
    done.map_err(|error| {
        let failure = match seen {
            Some((status, after)) if status >= 300 => Failure::status(status, "", after),
            _ => Failure::new(Kind::Lost, ""),
        };
        Failure { why: format!("{path}: {}", shown(&error)), ..failure }
    })
}

/// The longest error that is shown, in characters.
const MOST_WORDS: usize = 300;

/// An error without the query of any URL in it, which may be a signature.
fn shown(error: &Error) -> String {
    let words = in_words(error);
    let words: Vec<&str> = words.split_whitespace().map(|word| word.split_once('?').map_or(word, |(before, _)| before)).collect();
    words.join(" ").chars().take(MOST_WORDS).collect()
}
