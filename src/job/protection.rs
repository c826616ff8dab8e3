//! `[protection]`: which outputs are encrypted, how, and with what keys. Secrets are read from the environment or from files, never written in a job.

use super::Job;
use super::check::Check;
use super::value::{Span, Text};
use crate::config::ConfigError;
use crate::protect::cipher::Scheme;
use crate::protect::cpix;
use crate::protect::key::{ContentKey, KeyId, Seed, TrackClass, sixteen};
use crate::protect::systems::{Licenses, System};
use crate::protect::{Key, KeySet};
use crate::time::Seconds;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
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
    pub url: String,
    /// Headers of each request.
    pub headers: Vec<(String, Secret)>,
    /// Certificates in PEM that its own must be signed by; the public ones where absent.
    pub ca: Option<String>,
}

impl Server {
    /// A text without what its headers and its address hide.
    pub fn scrubbed(&self, text: &str) -> String {
        let values = self.headers.iter().map(|(_, value)| value.text().to_owned()).filter(|value| value.len() >= 4);
        let hidden: Vec<String> = values.chain(crate::secrets::hidden(&self.url)).collect();
        crate::secrets::scrub(text, &hidden)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &crate::secrets::without_secrets(&self.url)).finish_non_exhaustive()
    }
}

/// Outputs that carry the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its place in [`Job::protection`]; none: they are clear.
    pub form: Option<usize>,
    /// Directories.
    pub outputs: Vec<PathBuf>,
    /// And the embedded origin.
    pub listen: bool,
}

impl Job {
    /// The outputs by what they carry: the clear ones first, where there are any, then those of each `[protection]`. At least one group, if an empty one.
    pub fn groups(&self) -> Vec<Group> {
        let form = |name: &str| self.protection.iter().position(|p| p.outputs.as_ref().is_none_or(|outputs| outputs.iter().any(|output| output == name)));
        let mut groups: Vec<Group> = std::iter::once(None)
            .chain((0..self.protection.len()).map(Some))
            .map(|of| Group {
                form: of,
                outputs: self.outputs.iter().filter(|output| form(&output.to_string_lossy()) == of).cloned().collect(),
                listen: self.listen.is_some() && form(LISTEN) == of,
            })
            .collect();
        groups.retain(|group| group.listen || !group.outputs.is_empty());
        if groups.is_empty() {
            groups.push(Group { form: None, outputs: Vec::new(), listen: false });
        }
        groups
    }
}

/// What a secret may be written as.
const SECRET: &str = "\"${NAME}\" (a variable of the environment) or \"file:PATH\"";
/// The largest file with a secret, in bytes.
const MAX_SECRET: u64 = 64 << 10;
/// Most keys of a job, each for a class of its own.
const MAX_KEYS: usize = 6;

impl Check<'_> {
    /// Every `[protection]`, its keys read, its outputs among those of the job.
    pub(super) fn protection(&self, wishes: ProtectionWishes, outputs: &[PathBuf], listen: bool) -> Result<Vec<Protection>, ConfigError> {
        let wishes = wishes.0;
        let mut known: Vec<String> = outputs.iter().map(|output| output.to_string_lossy().into_owned()).collect();
        known.extend(listen.then(|| LISTEN.to_owned()));
        let mut taken: Vec<String> = Vec::new();
        for wish in &wishes {
            let Some(named) = &wish.outputs else {
                if wishes.len() > 1 {
                    return Err(self.wrong("protection.outputs", "none", "the outputs of each [[protection]], where there are several"));
                }
                continue;
            };
            for output in named {
                if !known.contains(output) {
                    return Err(self.wrong("protection.outputs", format!("{output:?}"), format!("some of {known:?}")));
                }
                if taken.contains(output) {
                    return Err(self.wrong("protection.outputs", format!("{output:?} twice"), "each output once"));
                }
                taken.push(output.clone());
            }
            if named.is_empty() {
                return Err(self.wrong("protection.outputs", "[]", format!("some of {known:?}")));
            }
        }
        wishes.into_iter().map(|wish| self.one(wish)).collect()
    }

    fn one(&self, wish: ProtectionWish) -> Result<Protection, ConfigError> {
        let Some(scheme) = wish.scheme else { return Err(self.wrong("protection.scheme", "none", "cbcs or cenc")) };
        let systems = wish.systems.clone().unwrap_or_else(|| vec![System::ClearKey]);
        if systems.is_empty() || systems.iter().enumerate().any(|(i, system)| systems[..i].contains(system)) {
            return Err(self.wrong("protection.systems", format!("{systems:?}"), "widevine, playready, fairplay and clearkey, each once, at least one"));
        }
        if scheme == Scheme::Cenc && systems == [System::FairPlay] {
            return Err(self.wrong("protection.systems", "fairplay alone with scheme = \"cenc\"", "scheme = \"cbcs\": FairPlay reads no other"));
        }
        let minute = Seconds::whole(10);
        let rotate = wish.rotate.map(|text| self.span("protection.rotate", text.0.0, minute, Seconds::whole(86_400 * 400))).transpose()?;
        let content = wish.content.clone().unwrap_or_default();
        if content.len() > 256 || content.chars().any(char::is_control) {
            return Err(self.wrong("protection.content", format!("{content:?}"), "up to 256 bytes of text"));
        }
        let classes = self.classes(&wish)?;
        let keys = match (wish.keys, wish.seed, wish.cpix) {
            (Some(keys), None, None) => {
                if rotate.is_some() {
                    return Err(self.wrong("protection.rotate", "beside protection.keys", "seed or cpix where keys rotate"));
                }
                Keys::Given(self.given(keys)?)
            }
            (None, Some(seed), None) => {
                self.named(&content)?;
                let text = self.secret("protection.seed", &seed)?;
                let seed = Seed::read(text.text()).ok_or_else(|| self.wrong("protection.seed", "(not shown)", "base64 of 30 bytes or more"))?;
                Keys::Seed(seed, classes)
            }
            (None, None, Some(place)) if place.contains("://") => {
                self.named(&content)?;
                let headers =
                    wish.headers.iter().map(|(name, value)| Ok((self.header_name(name)?, self.expand(&format!("protection.headers.{name}"), value)?)));
                let ca = wish.ca.as_ref().map(|path| crate::config::read("protection.ca", path)).transpose()?;
                Keys::Server(Server { url: self.server(&place)?, headers: headers.collect::<Result<_, ConfigError>>()?, ca }, classes)
            }
            (None, None, Some(path)) => {
                let text = Zeroizing::new(crate::config::read("protection.cpix", path.as_ref())?);
                let sets = cpix::periods(&text).map_err(|e| self.wrong("protection.cpix", &path, e.to_string()))?;
                if sets.is_empty() {
                    return Err(self.wrong("protection.cpix", &path, "a CPIX document with at least one ContentKey"));
                }
                Keys::File(sets)
            }
            _ => return Err(self.wrong("protection", "no keys, or several sources of them", "one of keys, seed and cpix")),
        };
        let LicenseWishes { widevine, playready, fairplay, clearkey, provider } = wish.licenses;
        let licenses = Licenses { widevine, playready, fairplay, clearkey, provider };
        for (name, url) in
            [("widevine", &licenses.widevine), ("playready", &licenses.playready), ("fairplay", &licenses.fairplay), ("clearkey", &licenses.clearkey)]
        {
            if url.as_ref().is_some_and(|url| url.len() > 2048 || url.chars().any(|c| c.is_control() || c == '"' || c == ' ')) {
                return Err(self.wrong(
                    &format!("protection.licenses.{name}"),
                    format!("{url:?}"),
                    "an address of up to 2048 bytes, without quotes and spaces",
                ));
            }
        }
        Ok(Protection { scheme, outputs: wish.outputs, systems, content, rotate, keys, licenses })
    }

    /// Key ids are derived from the name: two channels of one name would have the same keys.
    fn named(&self, content: &str) -> Result<(), ConfigError> {
        if content.is_empty() { Err(self.wrong("protection.content", "none", "a name that no other channel has: key ids follow from it")) } else { Ok(()) }
    }

    fn classes(&self, wish: &ProtectionWish) -> Result<Vec<TrackClass>, ConfigError> {
        let each = wish.each.clone().unwrap_or_else(|| vec![TrackClass::All]);
        let mut classes: Vec<TrackClass> = TrackClass::EACH.into_iter().filter(|class| each.contains(class)).collect();
        if each.is_empty() || classes.len() != each.len() {
            return Err(self.wrong("protection.each", format!("{each:?}"), "all, audio, video, sd, hd and uhd, each once, at least one"));
        }
        // Nothing may be without a key.
        if ![TrackClass::Audio, TrackClass::Sd, TrackClass::Hd, TrackClass::Uhd].iter().all(|track| classes.iter().any(|class| class.holds(*track))) {
            classes.push(TrackClass::All);
        }
        Ok(classes)
    }

    fn given(&self, wishes: Vec<KeyWish>) -> Result<KeySet, ConfigError> {
        let mut keys: Vec<ContentKey> = Vec::new();
        if wishes.is_empty() || wishes.len() > MAX_KEYS {
            return Err(self.wrong("protection.keys", format!("{} of them", wishes.len()), format!("1 to {MAX_KEYS}")));
        }
        for wish in wishes {
            let class = wish.class.unwrap_or(TrackClass::All);
            let id = KeyId::read(&wish.id).ok_or_else(|| self.wrong("protection.keys.id", format!("{:?}", wish.id), "a UUID"))?;
            let text = self.secret("protection.keys.key", &wish.key)?;
            let key = Key::read(text.text()).ok_or_else(|| self.wrong("protection.keys.key", "(not shown)", "16 bytes: 32 hexadecimal digits, or base64"))?;
            let iv = wish
                .iv
                .as_ref()
                .map(|iv| sixteen(iv).ok_or_else(|| self.wrong("protection.keys.iv", format!("{iv:?}"), "32 hexadecimal digits")))
                .transpose()?;
            if keys.iter().any(|other| other.class == class) {
                return Err(self.wrong("protection.keys.for", format!("{} twice", class.name()), "one key for each of all, audio, video, sd, hd and uhd"));
            }
            if keys.iter().any(|other| other.id == id) {
                return Err(self.wrong("protection.keys.id", format!("{id} twice"), "a key id for one key"));
            }
            keys.push(ContentKey { class, id, key, iv, told: Vec::new() });
        }
        Ok(KeySet { keys })
    }

    /// Keys in the clear go over TLS, or nowhere.
    fn server(&self, url: &str) -> Result<String, ConfigError> {
        let host = url.strip_prefix("http://").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        let here =
            host.is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].iter().any(|l| host == *l || host.strip_prefix(l).is_some_and(|p| p.starts_with(':'))));
        if url.starts_with("https://") || here {
            Ok(url.to_owned())
        } else {
            Err(self.wrong("protection.cpix", crate::secrets::without_secrets(url), "a file, https://…, or http:// to this machine (a proxy)"))
        }
    }

    fn header_name(&self, name: &str) -> Result<String, ConfigError> {
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            Ok(name.to_owned())
        } else {
            Err(self.wrong("protection.headers", format!("{name:?}"), "names of letters, digits and dashes"))
        }
    }

    /// A secret that is written as where it is.
    fn secret(&self, field: &str, hidden: &Hidden) -> Result<Secret, ConfigError> {
        let text = hidden.0.as_str();
        let alone = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| !name.contains(['$', '{', '}']));
        if alone || text.starts_with("file:") { self.expand(field, hidden) } else { Err(self.wrong(field, "(not shown)", SECRET)) }
    }

    /// Text with variables of the environment in it, or that of a file.
    fn expand(&self, field: &str, hidden: &Hidden) -> Result<Secret, ConfigError> {
        if let Some(path) = hidden.0.strip_prefix("file:") {
            use std::io::Read;
            let read = || {
                let mut text = Zeroizing::new(String::new());
                std::fs::File::open(path)?.take(MAX_SECRET).read_to_string(&mut text)?;
                Ok::<_, std::io::Error>(text)
            };
            let text = read().map_err(|e| self.wrong(field, format!("file:{path} ({e})"), "a file that can be read"))?;
            return Ok(Secret(Zeroizing::new(text.trim().to_owned())));
        }
        let mut out = Zeroizing::new(String::new());
        let mut rest = hidden.0.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { return Err(self.wrong(field, "(not shown)", SECRET)) };
            let value =
                std::env::var(name).map(Zeroizing::new).map_err(|_| self.wrong(field, format!("${{{name}}}"), "a variable that is set in the environment"))?;
            out.push_str(before);
            out.push_str(&value);
            rest = behind;
        }
        out.push_str(rest);
        if out.chars().any(char::is_control) {
            return Err(self.wrong(field, "(not shown)", "text in one line"));
        }
        Ok(Secret(out))
    }
}
