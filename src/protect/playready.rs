//! PlayReady's header object (Microsoft PlayReady Header Specification, 4.0 and 4.3).

use super::cipher::Scheme;
use super::key::ContentKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The header object of one key: its total length, one record of type 1, and the header as UTF-16LE.
/// Under `cenc` it is of version 4.0, which every client reads; `cbcs` needs 4.3. The optional checksum is left out: it would be a function of the key.
pub fn object(scheme: Scheme, key: &ContentKey, license: Option<&str>) -> Vec<u8> {
    let record: Vec<u8> = header(scheme, key, license).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes();
    let mut out = u32::try_from(10 + record.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    out.extend(length(1));
    out.extend(length(1));
    out.extend(length(record.len()));
    out.extend(record);
    out
}

fn header(scheme: Scheme, key: &ContentKey, license: Option<&str>) -> String {
    let id = STANDARD.encode(key.id.guid());
    let url = license.map_or(String::new(), |url| format!("<LA_URL>{}</LA_URL>", escape(url)));
    let (version, data) = match scheme {
        Scheme::Cenc => {
            let protect = "<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO>";
            ("4.0.0.0", format!("{protect}<KID>{id}</KID>{url}"))
        }
        Scheme::Cbcs => ("4.3.0.0", format!("<PROTECTINFO><KIDS><KID ALGID=\"AESCBC\" VALUE=\"{id}\"></KID></KIDS></PROTECTINFO>{url}")),
    };
    format!("<WRMHEADER xmlns=\"http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader\" version=\"{version}\"><DATA>{data}</DATA></WRMHEADER>")
}

/// Text within an XML element or attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protect::key::{KeyId, Seed, TrackClass};

    fn text(object: &[u8]) -> String {
        let units: Vec<u16> = object[10..].as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        String::from_utf16(&units).expect("UTF-16")
    }

    #[test]
    fn the_lengths_are_those_of_what_follows_and_the_text_is_xml() {
        let id = KeyId::read("01020304-0506-0708-090a-0b0c0d0e0f10").expect("a UUID");
        let key = Seed::read("XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I").expect("a seed").key(id);
        let key = ContentKey { class: TrackClass::All, id, key, iv: None, told: Vec::new() };
        for (scheme, version) in [(Scheme::Cenc, "4.0.0.0"), (Scheme::Cbcs, "4.3.0.0")] {
            let object = object(scheme, &key, Some("https://l.example/?a=1&b=2"));
            assert_eq!(u32::from_le_bytes(object[..4].try_into().expect("four")) as usize, object.len());
            assert_eq!(u16::from_le_bytes([object[8], object[9]]) as usize, object.len() - 10);
            let text = text(&object);
            let xml = roxmltree::Document::parse(&text).expect("XML");
            assert_eq!(xml.root_element().attribute("version"), Some(version));
            let url = xml.descendants().find(|n| n.has_tag_name(("http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader", "LA_URL")));
            assert_eq!(url.and_then(|n| n.text()), Some("https://l.example/?a=1&b=2"));
            assert!(text.contains("BAMCAQYFCAcJCgsMDQ4PEA=="), "{text}");
        }
    }
}
