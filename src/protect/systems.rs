//! What each DRM system wants to be told of a key. A system is one line in [`SYSTEMS`].

use super::boxes::pssh;
use super::cipher::Scheme;
use super::key::{ContentKey, KeyId};
use super::playready;
use serde::Deserialize;

/// A DRM system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// Google Widevine.
    Widevine,
    /// Microsoft PlayReady.
    PlayReady,
    /// Apple FairPlay Streaming.
    FairPlay,
    /// Clear Key of Encrypted Media Extensions: for tests, and where keys are handed out by a server of one's own.
    ClearKey,
}

/// What is known of a system.
pub struct Known {
    /// Which.
    pub system: System,
    /// As it is written in a job.
    pub name: &'static str,
    /// Its UUID (`dashif.org/identifiers/content_protection`): of `pssh` and, but for Clear Key, of `ContentProtection`.
    pub id: [u8; 16],
    /// `ContentProtection@schemeIdUri`.
    pub scheme_uri: &'static str,
    /// `ContentProtection@value`.
    pub value: &'static str,
    /// `KEYFORMAT` in HLS.
    pub format: &'static str,
}

/// Every system.
pub const SYSTEMS: [Known; 4] = [
    Known {
        system: System::Widevine,
        name: "widevine",
        id: 0xedef8ba9_79d6_4ace_a3c8_27dcd51d21ed_u128.to_be_bytes(),
        scheme_uri: "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
        value: "Widevine",
        format: "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
    },
    Known {
        system: System::PlayReady,
        name: "playready",
        id: 0x9a04f079_9840_4286_ab92_e65be0885f95_u128.to_be_bytes(),
        scheme_uri: "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95",
        value: "MSPR 2.0",
        format: "com.microsoft.playready",
    },
    Known {
        system: System::FairPlay,
        name: "fairplay",
        id: 0x94ce86fb_07ff_4f43_adb8_93d2fa968ca2_u128.to_be_bytes(),
        scheme_uri: "urn:uuid:94ce86fb-07ff-4f43-adb8-93d2fa968ca2",
        value: "FairPlay",
        format: "com.apple.streamingkeydelivery",
    },
    Known {
        system: System::ClearKey,
        name: "clearkey",
        // The common system of W3C's `cenc` initialization data, which browsers give to Clear Key.
        id: 0x1077efec_c0b2_4d02_ace3_3c1e52e2fb4b_u128.to_be_bytes(),
        scheme_uri: "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e",
        value: "ClearKey1.0",
        format: "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e",
    },
];

impl System {
    /// What is known of it.
    pub fn known(self) -> &'static Known {
        // Each is in the table, in this order.
        &SYSTEMS[self as usize]
    }

    /// The system of a UUID, where it is known here.
    pub fn of(id: [u8; 16]) -> Option<System> {
        // CPIX calls Clear Key by DASH's identifier, or by W3C's.
        let clear = 0xe2719d58_a985_b3c9_781a_b030af78d30e_u128.to_be_bytes();
        SYSTEMS.iter().find(|known| known.id == id || (known.system == System::ClearKey && id == clear)).map(|known| known.system)
    }
}

/// What a key server says of a key for one system, which goes before what is made here.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Told {
    /// For which, by its UUID.
    pub id: [u8; 16],
    /// A whole `pssh` box.
    pub pssh: Option<Vec<u8>>,
    /// PlayReady's header object, in base64.
    pub object: Option<String>,
    /// Whole lines of a media playlist: `#EXT-X-KEY:…`.
    pub media: Vec<String>,
    /// Whole lines of the multivariant playlist: `#EXT-X-SESSION-KEY:…`.
    pub main: Vec<String>,
}

/// Where licences come from. `{kid}` in an address stands for the key id: a UUID without dashes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Licenses {
    /// Widevine's licence server, for the MPD.
    pub widevine: Option<String>,
    /// PlayReady's licence server.
    pub playready: Option<String>,
    /// FairPlay's `skd://` address; `skd://{kid}` where absent.
    pub fairplay: Option<String>,
    /// A Clear Key licence server, for the MPD; in HLS, where an address means the key itself, `{kid}` must be in it.
    pub clearkey: Option<String>,
    /// The provider in Widevine's `pssh`.
    pub provider: Option<String>,
}

impl Licenses {
    /// The address for a key of a system.
    pub fn url(&self, system: System, id: KeyId) -> Option<String> {
        let url = match system {
            System::Widevine => self.widevine.as_deref(),
            System::PlayReady => self.playready.as_deref(),
            System::FairPlay => Some(self.fairplay.as_deref().unwrap_or("skd://{kid}")),
            System::ClearKey => self.clearkey.as_deref(),
        };
        url.map(|url| url.replace("{kid}", &id.hex()))
    }
}

/// The `pssh` of a key: the key server's, else of our own making. FairPlay has none.
pub fn header(system: System, scheme: Scheme, key: &ContentKey, content: &str, licenses: &Licenses) -> Option<Vec<u8>> {
    let known = system.known();
    if let Some(told) = told(system, key).and_then(|told| told.pssh.clone()) {
        return Some(told);
    }
    match system {
        System::Widevine => Some(pssh(known.id, &[], &widevine(scheme, key.id, content, licenses.provider.as_deref()))),
        System::PlayReady => Some(pssh(known.id, &[], &playready::object(scheme, key, licenses.url(system, key.id).as_deref()))),
        System::FairPlay => None,
        System::ClearKey => Some(pssh(known.id, &[key.id], &[])),
    }
}

/// What the key server says of a key for a system.
pub fn told(system: System, key: &ContentKey) -> Option<&Told> {
    key.told.iter().find(|told| System::of(told.id) == Some(system))
}

/// WidevinePsshData, a protocol buffer: key ids (2), provider (3), content id (4), protection scheme (9).
fn widevine(scheme: Scheme, id: KeyId, content: &str, provider: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = |field: u8, value: &[u8]| {
        out.push(field << 3 | 2);
        varint(value.len() as u64, &mut out);
        out.extend_from_slice(value);
    };
    bytes(2, &id.0);
    provider.iter().for_each(|provider| bytes(3, provider.as_bytes()));
    if !content.is_empty() {
        bytes(4, content.as_bytes());
    }
    out.push(9 << 3);
    varint(u32::from_be_bytes(scheme.kind()).into(), &mut out);
    out
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protect::key::{Key, TrackClass};

    #[test]
    fn each_system_is_in_its_place_in_the_table() {
        for known in &SYSTEMS {
            assert_eq!((known.system.known().name, System::of(known.id)), (known.name, Some(known.system)));
        }
    }

    #[test]
    fn widevine_is_told_id_content_and_scheme() {
        let key = ContentKey { class: TrackClass::All, id: KeyId([0xab; 16]), key: Key::new([0; 16]), iv: None, told: Vec::new() };
        let licenses = Licenses { provider: Some("me".into()), ..Default::default() };
        let made = header(System::Widevine, Scheme::Cbcs, &key, "ch1", &licenses).expect("it has one");
        let data = [&[0x12, 16][..], &[0xab; 16], &[0x1a, 2, b'm', b'e', 0x22, 3, b'c', b'h', b'1', 0x48, 0xf3, 0xc6, 0x89, 0x9b, 0x06]].concat();
        assert_eq!(made[..12], [0, 0, 0, 32 + data.len() as u8, b'p', b's', b's', b'h', 0, 0, 0, 0]);
        assert_eq!(made[12..28], System::Widevine.known().id);
        assert_eq!(made[32..], data);
        assert_eq!(header(System::FairPlay, Scheme::Cbcs, &key, "ch1", &licenses), None);
    }

    #[test]
    fn what_the_key_server_says_goes_first() {
        let told = Told { id: System::ClearKey.known().id, pssh: Some(vec![1, 2, 3]), ..Default::default() };
        let key = ContentKey { class: TrackClass::All, id: KeyId([1; 16]), key: Key::new([0; 16]), iv: None, told: vec![told] };
        assert_eq!(header(System::ClearKey, Scheme::Cenc, &key, "", &Licenses::default()), Some(vec![1, 2, 3]));
        assert_eq!(Licenses::default().url(System::FairPlay, KeyId([1; 16])).as_deref(), Some("skd://01010101010101010101010101010101"));
    }
}
