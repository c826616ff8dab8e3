//! `[protection]` as written, checked: its secrets read, its outputs among those of the job.

use super::{Hidden, KeyWish, Keys, LISTEN, LicenseWishes, Protection, ProtectionWish, ProtectionWishes, Secret, Server};
use crate::config::ConfigError;
use crate::job::Output;
use crate::job::check::Check;
use crate::job::literal;
use crate::protect::cipher::Scheme;
use crate::protect::key::{ContentKey, KeyId, Seed, TrackClass, sixteen};
use crate::protect::systems::{Licenses, System};
use crate::protect::{Key, KeySet, cpix};
use crate::secrets::without_secrets;
use crate::time::Seconds;
use url::{Host, Url};
use zeroize::Zeroizing;

/// What a secret may be written as.
const SECRET: &str = "\"${NAME}\" (a variable of the environment) or \"file:PATH\"";
/// Most keys of a job, each for a class of its own.
const MAX_KEYS: usize = 6;

impl Check<'_> {
    /// Every `[protection]`, its keys read, its outputs among those of the job.
    pub(in crate::job) fn protection(&self, wishes: ProtectionWishes, outputs: &[Output], listen: bool) -> Result<Vec<Protection>, ConfigError> {
        let wishes = wishes.0;
        let known: Vec<String> = outputs.iter().map(ToString::to_string).chain(listen.then(|| LISTEN.to_owned())).collect();
        // Its place among the outputs, the embedded origin behind them.
        let place = |name: &str| outputs.iter().position(|output| output.is_named(name)).or_else(|| (listen && name == LISTEN).then_some(outputs.len()));
        let mut taken: Vec<usize> = Vec::new();
        for wish in &wishes {
            let Some(named) = &wish.outputs else {
                if wishes.len() > 1 {
                    return Err(self.wrong("protection.outputs", "none", "the outputs of each [[protection]], where there are several"));
                }
                continue;
            };
            for name in named {
                let shown = without_secrets(name);
                let Some(place) = place(name) else { return Err(self.wrong("protection.outputs", format!("{shown:?}"), format!("some of {known:?}"))) };
                if taken.contains(&place) {
                    return Err(self.wrong("protection.outputs", format!("{shown:?} twice"), "each output once"));
                }
                taken.push(place);
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
        let cpix = wish.cpix.map(|place| literal::filled(&place).map_err(|why| self.refused("protection.cpix", &why))).transpose()?;
        let keys = match (wish.keys, wish.seed, cpix) {
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
                Keys::Server(Server { url: self.server(&place)?, headers: headers.collect::<Result<_, ConfigError>>()?, ca: wish.ca }, classes)
            }
            (None, None, Some(path)) => {
                let shown = without_secrets(&path);
                let text = Zeroizing::new(crate::config::read("protection.cpix", path.as_str().as_ref()).map_err(|error| error.of(&shown))?);
                let sets = cpix::periods(&text).map_err(|e| self.wrong("protection.cpix", &shown, e.to_string()))?;
                if sets.is_empty() {
                    return Err(self.wrong("protection.cpix", &shown, "a CPIX document with at least one ContentKey"));
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
    fn server(&self, text: &str) -> Result<Url, ConfigError> {
        let here = |url: &Url| match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let safe = |url: &Url| url.scheme() == "https" && url.has_host() || url.scheme() == "http" && here(url);
        let open = |url: &Url| url.username().is_empty() && url.password().is_none();
        let accepted = "a file, https://…, or http:// to this machine (a proxy); what proves who asks in headers";
        Url::parse(text).ok().filter(|url| safe(url) && open(url)).ok_or_else(|| self.wrong("protection.cpix", without_secrets(text), accepted))
    }

    fn header_name(&self, name: &str) -> Result<String, ConfigError> {
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            Ok(name.to_owned())
        } else {
            Err(self.wrong("protection.headers", format!("{name:?}"), "names of letters, digits and dashes"))
        }
    }

    /// A secret that is written as where it is.
    pub(in crate::job) fn secret(&self, field: &str, hidden: &Hidden) -> Result<Secret, ConfigError> {
        let text = hidden.0.as_str();
        let alone = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| !name.contains(['$', '{', '}']));
        if alone || text.starts_with("file:") { self.expand(field, hidden) } else { Err(self.wrong(field, "(not shown)", SECRET)) }
    }

    /// Text with references in it, or that of a file.
    fn expand(&self, field: &str, hidden: &Hidden) -> Result<Secret, ConfigError> {
        let text = match hidden.0.strip_prefix("file:") {
            Some(path) => literal::from_file(path).map_err(|e| self.wrong(field, format!("file:{path} ({e})"), "a file that can be read"))?,
            None => literal::filled(&hidden.0).map_err(|why| self.refused(field, &why))?,
        };
        Ok(Secret(text))
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
