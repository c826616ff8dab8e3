//! What players are told of a track's key: lines of HLS, elements of DASH.

use super::cipher::Scheme;
use super::key::{ContentKey, KeyId};
use super::playready;
use super::systems::{self, Licenses, System};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dash_mpd_core::{CencPssh, ContentProtection, Laurl, MsprPro};

/// What the multivariant playlist and the manifest say of a track.
#[derive(Clone, Debug)]
pub struct Signal {
    /// The key id that its initialisation segment names; representations of one adaptation set have the same.
    pub id: KeyId,
    /// `EXT-X-SESSION-KEY` lines. None where keys rotate: the media playlists say them.
    pub session: Vec<String>,
    /// `ContentProtection` elements, the common one first.
    pub dash: Vec<ContentProtection>,
}

/// What is said of keys, whatever the key.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Scheme.
    pub scheme: Scheme,
    /// Systems that are told.
    pub systems: Vec<System>,
    /// Where licences come from.
    pub licenses: Licenses,
    /// The name of the content, in Widevine's `pssh`.
    pub content: String,
}

impl Voice {
    /// Every `pssh` of a key.
    pub fn pssh(&self, key: &ContentKey) -> Vec<u8> {
        self.systems.iter().filter_map(|system| self.header(*system, key)).flatten().collect()
    }

    fn header(&self, system: System, key: &ContentKey) -> Option<Vec<u8>> {
        systems::header(system, self.scheme, key, &self.content, &self.licenses)
    }

    /// The `EXT-X-KEY` lines of a key.
    pub fn media(&self, key: &ContentKey) -> Vec<String> {
        self.lines("#EXT-X-KEY:", key, |told| &told.media)
    }

    /// The `EXT-X-SESSION-KEY` lines of a key.
    pub fn session(&self, key: &ContentKey) -> Vec<String> {
        self.lines("#EXT-X-SESSION-KEY:", key, |told| &told.main)
    }

    fn lines(&self, tag: &str, key: &ContentKey, told: fn(&systems::Told) -> &Vec<String>) -> Vec<String> {
        let of = |system: &System| match systems::told(*system, key).map(told) {
            Some(lines) if !lines.is_empty() => lines.clone(),
            _ => self.attributes(*system, key).map(|attributes| format!("{tag}{attributes}")).into_iter().collect(),
        };
        self.systems.iter().flat_map(of).collect()
    }

    /// RFC 8216bis 4.4.4.4; the values of each system as its vendor documents them.
    fn attributes(&self, system: System, key: &ContentKey) -> Option<String> {
        let method = if self.scheme == Scheme::Cbcs { "SAMPLE-AES" } else { "SAMPLE-AES-CTR" };
        let (id, format) = (key.id.hex(), system.known().format);
        let data = |kind: &str, bytes: &[u8]| format!("data:text/plain;{kind}base64,{}", STANDARD.encode(bytes));
        Some(match system {
            System::Widevine => {
                let uri = data("", &self.header(system, key)?);
                format!("METHOD={method},URI=\"{uri}\",KEYID=0x{id},KEYFORMAT=\"{format}\",KEYFORMATVERSIONS=\"1\"")
            }
            System::PlayReady => {
                let uri = format!("data:text/plain;charset=UTF-16;base64,{}", self.object(key));
                format!("METHOD={method},URI=\"{uri}\",KEYFORMAT=\"{format}\",KEYFORMATVERSIONS=\"1\"")
            }
            // FairPlay knows `cbcs` alone.
            System::FairPlay if self.scheme == Scheme::Cenc => return None,
            System::FairPlay => {
                let uri = self.licenses.url(system, key.id)?;
                format!("METHOD={method},URI=\"{uri}\",KEYFORMAT=\"{format}\",KEYFORMATVERSIONS=\"1\"")
            }
            System::ClearKey => match self.licenses.url(system, key.id).filter(|_| self.licenses.clearkey.as_ref().is_some_and(|url| url.contains("{kid}"))) {
                Some(url) => format!("METHOD={method},URI=\"{url}\",KEYID=0x{id},KEYFORMAT=\"identity\",KEYFORMATVERSIONS=\"1\""),
                None => {
                    let uri = data("", &self.header(system, key)?);
                    format!("METHOD={method},URI=\"{uri}\",KEYID=0x{id},KEYFORMAT=\"{format}\",KEYFORMATVERSIONS=\"1\"")
                }
            },
        })
    }

    fn object(&self, key: &ContentKey) -> String {
        systems::told(System::PlayReady, key)
            .and_then(|told| told.object.clone())
            .unwrap_or_else(|| STANDARD.encode(playready::object(self.scheme, key, self.licenses.url(System::PlayReady, key.id).as_deref())))
    }

    /// The elements of a track (ISO/IEC 23009-1, 5.8.4.1; 23001-7, 11.2). Without a key, where keys rotate, the systems' own data are in the segments.
    pub fn dash(&self, id: KeyId, key: Option<&ContentKey>) -> Vec<ContentProtection> {
        let common = ContentProtection {
            schemeIdUri: "urn:mpeg:dash:mp4protection:2011".into(),
            value: Some(self.scheme.name().into()),
            default_KID: Some(id.to_string()),
            ..Default::default()
        };
        let of = |system: &System| {
            let known = system.known();
            let pssh = key.and_then(|key| self.header(*system, key)).map(|bytes| CencPssh { content: Some(STANDARD.encode(bytes)) });
            let object = key.filter(|_| *system == System::PlayReady).map(|key| MsprPro { content: Some(self.object(key)), ..Default::default() });
            // A PlayReady client takes it from its header object, a FairPlay one not from the MPD.
            let url = key.filter(|_| matches!(system, System::Widevine | System::ClearKey)).and_then(|key| self.licenses.url(*system, key.id));
            ContentProtection {
                schemeIdUri: known.scheme_uri.into(),
                value: Some(known.value.into()),
                cenc_pssh: pssh.into_iter().collect(),
                msprpro: object,
                laurl: url.map(|url| Laurl { content: Some(url), ..Default::default() }),
                ..Default::default()
            }
        };
        // FairPlay is for HLS: there is no DASH client of it but Safari's, which wants no element.
        let systems = self.systems.iter().filter(|system| **system != System::FairPlay);
        std::iter::once(common).chain(systems.map(of)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protect::key::{Key, TrackClass};
    use crate::protect::systems::Told;

    fn voice(scheme: Scheme) -> Voice {
        let systems = vec![System::Widevine, System::PlayReady, System::FairPlay, System::ClearKey];
        Voice { scheme, systems, licenses: Licenses { playready: Some("https://l.example/pr".into()), ..Default::default() }, content: "channel".into() }
    }

    fn key() -> ContentKey {
        ContentKey { class: TrackClass::All, id: KeyId([0x11; 16]), key: Key::new([0xcd; 16]), iv: None, told: Vec::new() }
    }

    #[test]
    fn each_system_has_its_line_and_fairplay_only_under_cbcs() {
        let formats = |lines: &[String]| -> Vec<String> {
            lines.iter().map(|l| l.split("KEYFORMAT=\"").nth(1).and_then(|l| l.split('"').next()).unwrap_or_default().to_owned()).collect()
        };
        let each = [
            "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
            "com.microsoft.playready",
            "com.apple.streamingkeydelivery",
            "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e",
        ];
        let lines = voice(Scheme::Cbcs).media(&key());
        assert_eq!(formats(&lines), each);
        assert!(lines.iter().all(|l| l.starts_with("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"")), "{lines:?}");
        let lines = voice(Scheme::Cenc).session(&key());
        assert_eq!(formats(&lines), [each[0], each[1], each[3]]);
        assert!(lines.iter().all(|l| l.starts_with("#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES-CTR,")));
    }

    #[test]
    fn a_key_server_speaks_for_itself() {
        let line = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://theirs\"".to_owned();
        let told = Told { id: System::FairPlay.known().id, media: vec![line.clone()], ..Default::default() };
        let lines = voice(Scheme::Cbcs).media(&ContentKey { told: vec![told], ..key() });
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2], line);
    }

    #[test]
    fn the_manifest_has_the_common_element_first_and_no_data_where_keys_rotate() {
        let elements = voice(Scheme::Cenc).dash(KeyId([0x11; 16]), Some(&key()));
        assert_eq!(elements[0].default_KID.as_deref(), Some("11111111-1111-1111-1111-111111111111"));
        assert!(elements[2].msprpro.is_some() && elements[1..].iter().all(|e| e.cenc_pssh.len() == 1), "{elements:?}");
        let elements = voice(Scheme::Cenc).dash(KeyId([0x11; 16]), None);
        assert!(elements.len() == 4 && elements.iter().all(|e| e.cenc_pssh.is_empty() && e.msprpro.is_none()));
    }
}
