//! `[protection]`: which outputs are encrypted, how, and with what keys. Secrets are read from the environment or from files, never written in a job.

mod check;
mod shown;

use super::value::{Span, Text};
use super::{Job, Output};
use crate::protect::KeySet;
use crate::protect::cipher::Scheme;
use crate::protect::key::{Seed, TrackClass};
use crate::protect::systems::{Licenses, System};
use crate::time::Seconds;
use serde::Deserialize;
pub use shown::Shown;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use url::Url;
use zeroize::Zeroizing;

/// The embedded origin, among the names of outputs.
pub const LISTEN: &str = "listen";

/// `[protection]` as written, or several `[[protection]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProtectionWishes(pub Vec<ProtectionWish>);

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectionWish {
    /// "cbcs" or "cenc".
    pub scheme: Option<Scheme>,
    /// The outputs that it is for, "listen" among them; all where absent.
    pub outputs: Option<Vec<String>>,
    /// Who is told of keys.
    pub systems: Option<Vec<System>>,
    /// Name of the content, for key ids and key servers.
    pub content: Option<String>,
    /// A new key after so long.
    pub rotate: Option<Text<Span>>,
    /// Which tracks have a key of their own.
    pub each: Option<Vec<TrackClass>>,
    /// Keys, each with its id.
    pub keys: Option<Vec<KeyWish>>,
    /// Where all keys follow from.
    pub seed: Option<Hidden>,
    /// A CPIX document, or the address of a key server.
    pub cpix: Option<String>,
    /// Headers of requests to it.
    #[serde(default)]
    pub headers: BTreeMap<String, Hidden>,
    /// Certificates that its own must be signed by.
    pub ca: Option<PathBuf>,
    /// Where licences come from.
    #[serde(default)]
    pub licenses: LicenseWishes,
}

/// A key as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyWish {
    /// Which tracks; all where absent.
    #[serde(rename = "for")]
    pub class: Option<TrackClass>,
    /// A UUID.
    pub id: String,
    /// `${NAME}` or `file:PATH`.
    pub key: Hidden,
    /// The constant vector of `cbcs`.
    pub iv: Option<String>,
}

/// `[protection.licenses]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseWishes {
    widevine: Option<String>,
    playready: Option<String>,
    fairplay: Option<String>,
    clearkey: Option<String>,
    provider: Option<String>,
}

/// Text that may be, or lead to, a secret: it is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// As written.
    pub fn new(text: impl Into<String>) -> Hidden {
        Hidden(text.into())
    }

    /// As it is written.
    pub(super) fn written(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A secret as it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for ProtectionWishes {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<ProtectionWishes, D::Error> {
        struct Written;
        impl<'de> serde::de::Visitor<'de> for Written {
            type Value = ProtectionWishes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[protection], or several [[protection]]")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<ProtectionWishes, A::Error> {
                ProtectionWish::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|one| ProtectionWishes(vec![one]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<ProtectionWishes, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(ProtectionWishes)
            }
        }
        d.deserialize_any(Written)
    }
}

/// How some outputs are protected, checked.
#[derive(Clone, Debug)]
pub struct Protection {
    /// How samples are encrypted.
    pub scheme: Scheme,
    /// The outputs that it is for; none: all of them.
    pub outputs: Option<Vec<String>>,
    /// Who is told of keys.
    pub systems: Vec<System>,
    /// Name of the content.
    pub content: String,
    /// A new key after so long.
    pub rotate: Option<Seconds>,
    /// Where keys come from.
    pub keys: Keys,
    /// Where licences come from.
    pub licenses: Licenses,
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum Keys {
    /// The job.
    Given(KeySet),
    /// A secret that each key follows from.
    Seed(Seed, Vec<TrackClass>),
    /// A CPIX document, by crypto period.
    File(BTreeMap<u64, KeySet>),
    /// A key server, asked for these classes of tracks.
    Server(Server, Vec<TrackClass>),
}

/// A key server.
#[derive(Clone)]
pub struct Server {
    /// Where it is asked (POST).
    pub url: Url,
    /// Headers of each request.
    pub headers: Vec<(String, Secret)>,
    /// Certificates (PEM) that are trusted in the place of the system's.
    pub ca: Option<PathBuf>,
}

impl Server {
    /// A text without what its headers and its address hide.
    pub fn scrubbed(&self, text: &str) -> String {
        let values = self.headers.iter().map(|(_, value)| value.text().to_owned()).filter(|value| value.len() >= 4);
        let hidden: Vec<String> = values.chain(crate::secrets::hidden(self.url.as_str())).collect();
        crate::secrets::scrub(text, &hidden)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &crate::secrets::without_secrets(self.url.as_str())).finish_non_exhaustive()
    }
}

/// Outputs that carry the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its place in [`Job::protection`]; none: they are clear.
    pub form: Option<usize>,
    /// Directories and what is reached over a network.
    pub outputs: Vec<Output>,
    /// And the embedded origin.
    pub listen: bool,
}

impl Group {
    /// The first directory, in which an earlier life of the job is found.
    pub fn directory(&self) -> Option<&Path> {
        self.outputs.iter().find_map(Output::path)
    }
}

impl Protection {
    /// Whether it is for an output that one of its names means (`named`).
    fn holds(&self, named: impl Fn(&str) -> bool) -> bool {
        self.outputs.as_ref().is_none_or(|outputs| outputs.iter().any(|output| named(output)))
    }
}

impl Job {
    /// The outputs by what they carry: the clear ones first, where there are any, then those of each `[protection]`. At least one group, if an empty one.
    pub fn groups(&self) -> Vec<Group> {
        let form = |output: &Output| self.protection.iter().position(|p| p.holds(|name| output.is_named(name)));
        let listen = self.protection.iter().position(|p| p.holds(|name| name == LISTEN));
        let mut groups: Vec<Group> = std::iter::once(None)
            .chain((0..self.protection.len()).map(Some))
            .map(|of| Group {
                form: of,
                outputs: self.outputs.iter().filter(|output| form(output) == of).cloned().collect(),
                listen: self.listen.is_some() && listen == of,
            })
            .collect();
        groups.retain(|group| group.listen || !group.outputs.is_empty());
        if groups.is_empty() {
            groups.push(Group { form: None, outputs: Vec::new(), listen: false });
        }
        groups
    }
}
