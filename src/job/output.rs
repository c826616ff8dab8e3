//! Where a job publishes, checked: directories, HTTP origins that are pushed to, object stores. What opens them (tokens, passwords) is named here, never held.

use crate::time::Seconds;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use url::Url;

/// A destination of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A directory.
    Directory(DirectoryOutput),
    /// An HTTP origin, as DASH-IF live media ingest.
    Push(PushOutput),
    /// A bucket and a prefix in it.
    Objects(ObjectsOutput),
}

/// A directory that is published into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectoryOutput {
    /// Its path.
    pub path: PathBuf,
    /// What stays in it.
    pub keep: Keep,
    /// What is synced to the disk.
    pub fsync: Fsync,
}

/// An HTTP origin that is pushed to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushOutput {
    /// Its publishing point, ending in a slash; no user, password, query or fragment.
    pub url: Url,
    /// A query that every request has, as written: `${NAME}` in it is a variable of the environment.
    pub query: Option<String>,
    /// POST or PUT.
    pub method: Method,
    /// What proves who pushes.
    pub login: Login,
    /// A client certificate and its key (PEM).
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Certificates (PEM) that are trusted in the place of the system's.
    pub ca: Option<PathBuf>,
    /// Which playlists and manifests are pushed, too.
    pub manifests: Manifests,
    /// Whether what leaves the window is deleted.
    pub delete: bool,
    /// What waits for it at most.
    pub backlog: Backlog,
}

/// A bucket that is published into, under a prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectsOutput {
    /// `s3://bucket/prefix`, `gs://…`, `az://container/prefix`.
    pub url: Url,
    /// The service, where it is not the provider's own (S3-compatible, an emulator).
    pub endpoint: Option<Url>,
    /// Its region (S3).
    pub region: Option<String>,
    /// Certificates (PEM) that are trusted in the place of the system's.
    pub ca: Option<PathBuf>,
    /// What stays in it.
    pub keep: Keep,
    /// What waits for it at most.
    pub backlog: Backlog,
}

/// What waits for a remote destination at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// Bytes of segments, all tracks together.
    pub bytes: u64,
    /// How far back segments that it did not get are filled in later; three segments where absent.
    pub fill_in: Option<Seconds>,
}

/// The usual [`Backlog::bytes`].
pub const BACKLOG_BYTES: u64 = 256 << 20;

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog { bytes: BACKLOG_BYTES, fill_in: None }
    }
}

/// What stays of an event where the window of the job slides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    /// What the job keeps: its window, and as much again.
    #[default]
    Window,
    /// Everything.
    Event,
    /// The last so many seconds.
    Last(Seconds),
}

/// What is synced to the disk before anything names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Nothing: a power cut may cost the newest files.
    #[default]
    Never,
    /// Segments and init segments, with their folder.
    Segment,
    /// Playlists and manifests, too.
    All,
}

/// How media is pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// As most web servers take files.
    #[default]
    Put,
    /// As some ingest servers want it.
    Post,
}

/// Which playlists and manifests are pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Manifests {
    /// None: the receiver writes its own.
    None,
    /// As players need them: the origin hands out what it is given.
    Players,
    /// As DASH-IF ingest has them: the MPD counts from 1970 itself, without the publishing delay.
    #[default]
    Ingest,
}

impl<'de> Deserialize<'de> for Manifests {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Manifests, D::Error> {
        struct Written;
        impl serde::de::Visitor<'_> for Written {
            type Value = Manifests;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"ingest\" (or true), \"players\", \"none\" (or false)")
            }
            fn visit_bool<E: serde::de::Error>(self, wanted: bool) -> Result<Manifests, E> {
                Ok(if wanted { Manifests::Ingest } else { Manifests::None })
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Manifests, E> {
                match text {
                    "ingest" => Ok(Manifests::Ingest),
                    "players" => Ok(Manifests::Players),
                    "none" => Ok(Manifests::None),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        d.deserialize_any(Written)
    }
}

/// What proves who pushes, beside a client certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Login {
    /// Nothing.
    #[default]
    Open,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Where a secret is read, each time that it is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Secret {
    /// A file; white space around it is left out.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

impl Output {
    /// A directory, with nothing said beside it.
    pub fn directory(path: impl Into<PathBuf>) -> Output {
        Output::Directory(DirectoryOutput { path: path.into(), keep: Keep::default(), fsync: Fsync::default() })
    }

    /// Whether `name` means this one: its path, or its URL, with or without the slash at its end, what opens it, and options.
    pub fn is_named(&self, name: &str) -> bool {
        let own = match self {
            Output::Directory(directory) => return directory.path == Path::new(name),
            Output::Push(push) => &push.url,
            Output::Objects(objects) => &objects.url,
        };
        let place = name.split(['?', '#']).next().unwrap_or_default();
        let Some((scheme, rest)) = place.split_once("://") else { return false };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        Url::parse(&format!("{scheme}://{host}/{path}")).is_ok_and(|url| url.as_str().trim_end_matches('/') == own.as_str().trim_end_matches('/'))
    }

    /// The path of a directory; `None` for what is reached over a network.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Output::Directory(directory) => Some(&directory.path),
            Output::Push(_) | Output::Objects(_) => None,
        }
    }
}

/// As it may be shown: without what opens it.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Directory(directory) => write!(f, "{}", directory.path.display()),
            Output::Push(push) if push.query.is_some() => write!(f, "{}?…", push.url),
            Output::Push(push) => write!(f, "{}", push.url),
            Output::Objects(objects) => write!(f, "{}", objects.url),
        }
    }
}

/// Longer secrets are taken for a mistake.
const MAX_SECRET: u64 = 64 << 10;

impl Secret {
    /// The secret, as it is now.
    ///
    /// # Errors
    /// Where it is not there, or cannot be a secret; names the place, never the value.
    pub fn read(&self) -> Result<String, String> {
        let (found, place) = match self {
            Secret::File(path) => {
                let place = path.display().to_string();
                let size = std::fs::metadata(path).map_err(|e| format!("{place}: {e}"))?.len();
                if size > MAX_SECRET {
                    return Err(format!("{place}: {size} bytes; accepted: a file of up to {MAX_SECRET} bytes"));
                }
                (std::fs::read_to_string(path).map_err(|e| format!("{place}: {e}"))?, place)
            }
            Secret::Variable(name) => (std::env::var(name).map_err(|e| format!("environment variable {name}: {e}"))?, format!("environment variable {name}")),
        };
        let secret = found.trim();
        if secret.is_empty() || secret.chars().any(char::is_control) {
            return Err(format!("{place}: empty, or more than one line; accepted: the secret in one line"));
        }
        Ok(secret.to_owned())
    }
}
