use super::cipher::Scheme;
use super::cpix::*;
use super::key::{Key, KeyId, TrackClass};
use super::systems::System;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn ids() -> [(TrackClass, KeyId); 2] {
    [(TrackClass::Audio, KeyId([1; 16])), (TrackClass::Video, KeyId([2; 16]))]
}

fn request(ids: &[(TrackClass, KeyId)]) -> Request<'_> {
    Request { content: "a<b>&\"c", scheme: Scheme::Cbcs, ids, systems: &[System::Widevine, System::FairPlay], period: Some(7) }
}

/// What a key server does with a request: it fills the keys in.
fn answered(request: &str, inner: &str) -> String {
    let mut text = request.to_owned();
    for n in [1u8, 2] {
        let (kid, key) = (KeyId([n; 16]), STANDARD.encode([0x40 + n; 16]));
        let empty = format!("<cpix:ContentKey kid=\"{kid}\" commonEncryptionScheme=\"cbcs\"/>");
        assert!(text.contains(&empty), "{text}");
        let value = format!("<cpix:Data><pskc:Secret><pskc:PlainValue>{key}</pskc:PlainValue></pskc:Secret></cpix:Data>");
        let iv = STANDARD.encode([0x60 + n; 16]);
        text = text.replace(&empty, &format!("<cpix:ContentKey explicitIV=\"{iv}\" kid=\"{kid}\" commonEncryptionScheme=\"cbcs\">{value}</cpix:ContentKey>"));
    }
    text.replace("<cpix:PSSH/>", inner)
}

#[test]
fn an_answer_has_the_keys_that_were_asked_for() {
    let ids = ids();
    let request = request(&ids);
    let document = request.document();
    let xml = roxmltree::Document::parse(&document).expect("well-formed");
    assert_eq!(xml.root_element().attribute("contentId"), Some("a<b>&\"c"));
    let set = request.answer(&answered(&document, "<cpix:PSSH/>")).expect("complete");
    let read: Vec<_> = set.keys.iter().map(|k| (k.class, k.id, k.key.clone(), k.iv)).collect();
    let key = |n: u8| Key::new([0x40 + n; 16]);
    assert_eq!(read, [(ids[0].0, ids[0].1, key(1), Some([0x61; 16])), (ids[1].0, ids[1].1, key(2), Some([0x62; 16]))]);
    // The same as a file: by period, with what each key is for.
    let sets = periods(&answered(&document, "<cpix:PSSH/>")).expect("complete");
    assert_eq!(sets.keys().copied().collect::<Vec<_>>(), [7]);
    assert_eq!(sets[&7], set);
}

#[test]
fn what_it_says_of_systems_is_kept_as_far_as_it_can_be_right() {
    let ids = ids();
    let request = Request { systems: &[System::Widevine], ..request(&ids) };
    let pssh = super::boxes::pssh(System::Widevine.known().id, &[], b"theirs");
    let line = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://theirs\"";
    let inner =
        format!("<cpix:PSSH>{}</cpix:PSSH><cpix:HLSSignalingData playlist=\"media\">{}</cpix:HLSSignalingData>", STANDARD.encode(&pssh), STANDARD.encode(line));
    let set = request.answer(&answered(&request.document(), &inner)).expect("complete");
    assert_eq!(set.keys[0].told[0].pssh.as_ref(), Some(&pssh));
    assert!(set.keys[0].told[0].media == [line] || set.keys[0].told[0].media.is_empty(), "{:?}", set.keys[0].told);
    for (inner, why) in [
        (format!("<cpix:PSSH>{}</cpix:PSSH>", STANDARD.encode(&pssh[4..])), "pssh"),
        ("<cpix:PSSH>%%%</cpix:PSSH>".to_owned(), "base64"),
        (format!("<cpix:HLSSignalingData playlist=\"media\">{}</cpix:HLSSignalingData>", STANDARD.encode("#EXT-X-KEY:METHOD=NONE")), "EXT-X-KEY"),
        (format!("<cpix:HLSSignalingData playlist=\"media\">{}</cpix:HLSSignalingData>", STANDARD.encode("#EXTINF:2\nevil.m4s")), "EXT-X-KEY"),
    ] {
        let error = request.answer(&answered(&request.document(), &inner)).expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_wrong_document_is_refused_without_showing_a_key() {
    let ids = ids();
    let request = request(&ids);
    let good = answered(&request.document(), "");
    let key = STANDARD.encode([0x41; 16]);
    assert!(good.contains(&key));
    let laughs = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>".to_owned();
    for (text, why) in [
        (String::new(), "ends too early"),
        (laughs, "document type"),
        (good.replace("urn:dashif:org:cpix", "urn:other"), "namespace"),
        (good.replace(&key, &format!("{key}A")), "PlainValue"),
        (good.replace("PlainValue>", "EncryptedValue>"), "PlainValue"),
        (good.replace(&KeyId([2; 16]).to_string(), &KeyId([3; 16]).to_string()), "no key 02020202"),
        (good[..good.len() / 2].to_owned(), "line"),
        (good.replace(&key, &format!("{key}</wrong>")), "well-formed"),
        (good.replace("AUDIO", "SMELL"), "SMELL"),
    ] {
        let error = request.answer(&text).expect_err("refused").to_string();
        assert!(error.contains(why) && !error.contains(&key), "{error}");
    }
}
