//! CPIX documents (DASH-IF CPIX 2.3, as SPEKE 2 uses them): what is asked of a key server, and what it answers. Keys are taken as `PlainValue`, over TLS.
//!
//! Input is hostile until proven otherwise: no document type, a bounded number of nodes and bytes, every value checked.

use super::cipher::Scheme;
use super::key::{ContentKey, Key, KeyId, TrackClass, sixteen};
use super::playready::escape;
use super::ring::KeySet;
use super::systems::{System, Told};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The largest document, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Most nodes of one.
const MAX_NODES: u32 = 100_000;
/// Most bytes of what it says for one system.
const MAX_TOLD: usize = 64 << 10;
/// Most lines of a playlist that it may give for one key and system.
const MAX_LINES: usize = 8;

const CPIX: &str = "urn:dashif:org:cpix";
const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";

/// Why a document is not accepted. It never shows a value of the document that may be a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CpixError {
    /// It is no XML, or not that of a CPIX document.
    #[error("the CPIX document, line {line}: {why}")]
    Document {
        /// From 1.
        line: u32,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// A key that was asked for is not there.
    #[error("the CPIX document has no key {id} for {class} tracks; the key that was asked for is accepted")]
    Missing {
        /// Which.
        id: KeyId,
        /// For which tracks.
        class: &'static str,
    },
}

/// What is asked of a key server: the keys of one crypto period.
#[derive(Debug)]
pub struct Request<'a> {
    /// Name of the content.
    pub content: &'a str,
    /// Scheme.
    pub scheme: Scheme,
    /// Key ids, with what they are for.
    pub ids: &'a [(TrackClass, KeyId)],
    /// Systems that are told of them.
    pub systems: &'a [System],
    /// The crypto period, where keys rotate.
    pub period: Option<u64>,
}

impl Request<'_> {
    /// The document.
    pub fn document(&self) -> String {
        let scheme = self.scheme.name();
        let (mut keys, mut systems, mut rules) = (String::new(), String::new(), String::new());
        let id = self.period.map(|period| format!("period-{period}"));
        let filter = id.as_ref().map_or(String::new(), |id| format!("<cpix:KeyPeriodFilter periodId=\"{id}\"/>"));
        for (class, kid) in self.ids {
            add(&mut keys, format_args!("<cpix:ContentKey kid=\"{kid}\" commonEncryptionScheme=\"{scheme}\"/>"));
            for system in self.systems.iter().filter(|system| **system != System::FairPlay || self.scheme == Scheme::Cbcs) {
                let of = KeyId(system.known().id);
                let wants = "<cpix:PSSH/><cpix:ContentProtectionData/><cpix:HLSSignalingData playlist=\"media\"/><cpix:HLSSignalingData playlist=\"master\"/>";
                add(&mut systems, format_args!("<cpix:DRMSystem kid=\"{kid}\" systemId=\"{of}\">{wants}</cpix:DRMSystem>"));
            }
            let which = match class {
                TrackClass::Audio => "<cpix:AudioFilter/>",
                TrackClass::All => "",
                _ => "<cpix:VideoFilter/>",
            };
            let class = class.intended();
            add(&mut rules, format_args!("<cpix:ContentKeyUsageRule kid=\"{kid}\" intendedTrackType=\"{class}\">{filter}{which}</cpix:ContentKeyUsageRule>"));
        }
        let periods = self.period.zip(id).map_or(String::new(), |(period, id)| {
            format!("<cpix:ContentKeyPeriodList><cpix:ContentKeyPeriod id=\"{id}\" index=\"{period}\"/></cpix:ContentKeyPeriodList>\n")
        });
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<cpix:CPIX contentId=\"{}\" version=\"2.3\" xmlns:cpix=\"{CPIX}\" xmlns:pskc=\"{PSKC}\">\n\
             <cpix:ContentKeyList>{keys}</cpix:ContentKeyList>\n<cpix:DRMSystemList>{systems}</cpix:DRMSystemList>\n{periods}\
             <cpix:ContentKeyUsageRuleList>{rules}</cpix:ContentKeyUsageRuleList>\n</cpix:CPIX>\n",
            escape(self.content)
        )
    }

    /// The keys of an answer: exactly those that were asked for, for the tracks they were asked for.
    pub fn answer(&self, text: &str) -> Result<KeySet, CpixError> {
        let mut found: BTreeMap<KeyId, ContentKey> = read(text)?.into_iter().map(|key| (key.key.id, key.key)).collect();
        let keys = self.ids.iter().map(|(class, id)| {
            let key = found.remove(id).ok_or(CpixError::Missing { id: *id, class: class.name() })?;
            Ok(ContentKey { class: *class, ..key })
        });
        Ok(KeySet { keys: keys.collect::<Result<_, CpixError>>()? })
    }
}

fn add(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args).expect("writing to a String does not fail");
}

/// The keys of a document by crypto period; those without one are for period 0.
pub fn periods(text: &str) -> Result<BTreeMap<u64, KeySet>, CpixError> {
    let mut sets: BTreeMap<u64, KeySet> = BTreeMap::new();
    for Found { key, period } in read(text)? {
        sets.entry(period.unwrap_or(0)).or_default().keys.push(key);
    }
    Ok(sets)
}

struct Found {
    key: ContentKey,
    period: Option<u64>,
}

fn read(text: &str) -> Result<Vec<Found>, CpixError> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|e| wrong(e.pos().row, broken(&e)))?;
    let root = document.root_element();
    if !root.has_tag_name((CPIX, "CPIX")) {
        return Err(wrong(1, "a CPIX element in its namespace (urn:dashif:org:cpix) is accepted".to_owned()));
    }
    let each = |list: &'static str, item: &'static str| children(root, list).flat_map(move |node| children(node, item));
    let indices: Vec<(&str, u64)> =
        each("ContentKeyPeriodList", "ContentKeyPeriod").filter_map(|node| Some((node.attribute("id")?, node.attribute("index")?.parse().ok()?))).collect();
    let rules: Vec<(Option<KeyId>, Node)> =
        each("ContentKeyUsageRuleList", "ContentKeyUsageRule").map(|node| (node.attribute("kid").and_then(KeyId::read), node)).collect();
    let mut keys = Vec::new();
    for node in each("ContentKeyList", "ContentKey") {
        let line = line(&document, node);
        let id = node.attribute("kid").and_then(KeyId::read).ok_or_else(|| wrong(line, "a ContentKey has no kid; a UUID is accepted".to_owned()))?;
        let plain = node.descendants().find(|n| n.has_tag_name((PSKC, "PlainValue"))).and_then(|n| n.text());
        let encrypted = "its value is encrypted, or not there; 16 bytes as PlainValue in base64 are accepted";
        let key = plain.and_then(Key::read).ok_or_else(|| wrong(line, format!("key {id}: {encrypted}")))?;
        let iv = match node.attribute("explicitIV") {
            Some(text) => Some(sixteen(text).ok_or_else(|| wrong(line, format!("key {id}: explicitIV: 16 bytes in base64 are accepted")))?),
            None => None,
        };
        let rule = rules.iter().find(|(kid, _)| *kid == Some(id)).map(|(_, rule)| *rule);
        let class = rule.and_then(|rule| rule.attribute("intendedTrackType")).map_or(Ok(TrackClass::All), |name| {
            let class = TrackClass::EACH.into_iter().find(|class| class.intended() == name);
            class.ok_or_else(|| wrong(line, format!("key {id}: intendedTrackType {name:?}: AUDIO, SD, HD, UHD, VIDEO and ALL are accepted")))
        })?;
        let period = rule.and_then(|rule| children(rule, "KeyPeriodFilter").next()?.attribute("periodId"));
        let period = period.and_then(|period| indices.iter().find(|(id, _)| *id == period).map(|(_, index)| *index));
        let mut told: Vec<Told> = Vec::new();
        for system in each("DRMSystemList", "DRMSystem").filter(|n| n.attribute("kid").and_then(KeyId::read) == Some(id)) {
            told.push(read_system(&document, system)?);
        }
        keys.push(Found { key: ContentKey { class, id, key, iv, told }, period });
    }
    Ok(keys)
}

/// What a DRMSystem element says.
fn read_system(document: &Document, node: Node) -> Result<Told, CpixError> {
    let line = line(document, node);
    let id = node.attribute("systemId").and_then(sixteen).ok_or_else(|| wrong(line, "a DRMSystem has no systemId; a UUID is accepted".to_owned()))?;
    let value = |node: Node| -> Result<Option<Vec<u8>>, CpixError> {
        let name = node.tag_name().name();
        let Some(text) = node.text().map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        let compact: String = text.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(compact).ok().filter(|bytes| bytes.len() <= MAX_TOLD);
        bytes.map(Some).ok_or_else(|| wrong(line, format!("{name}: base64 of at most {MAX_TOLD} bytes is accepted")))
    };
    let mut told = Told { id, ..Told::default() };
    if let Some(bytes) = children(node, "PSSH").next().map(value).transpose()?.flatten() {
        let fits = bytes.len() >= 32
            && bytes[..4] == (bytes.len() as u32).to_be_bytes()
            && &bytes[4..8] == b"pssh"
            && System::of(id).is_some_and(|s| bytes[12..28] == s.known().id);
        if !fits && System::of(id).is_some() {
            return Err(wrong(line, "PSSH: one whole pssh box of the same system is accepted".to_owned()));
        }
        told.pssh = Some(bytes);
    }
    if let Some(bytes) = children(node, "ContentProtectionData").next().map(value).transpose()?.flatten() {
        told.object = object(&String::from_utf8_lossy(&bytes));
    }
    for data in children(node, "HLSSignalingData") {
        let Some(bytes) = value(data)? else { continue };
        let main = data.attribute("playlist") == Some("master");
        let tag = if main { "#EXT-X-SESSION-KEY:" } else { "#EXT-X-KEY:" };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let fair = |line: &String| line.starts_with(tag) && !line.contains("METHOD=NONE") && line.chars().all(|c| !c.is_control());
        if lines.len() > MAX_LINES || !lines.iter().all(fair) {
            return Err(wrong(line, format!("HLSSignalingData: at most {MAX_LINES} lines that begin with {tag} are accepted")));
        }
        if main { told.main = lines } else { told.media = lines }
    }
    Ok(told)
}

/// PlayReady's header object out of the elements for an MPD.
fn object(fragment: &str) -> Option<String> {
    // The fragment may use prefixes that only an MPD declares.
    let around = format!("<x xmlns:cenc=\"urn:mpeg:cenc:2013\" xmlns:mspr=\"urn:microsoft:playready\" xmlns:dashif=\"https://dashif.org/CPS\">{fragment}</x>");
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 1000, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&around, options).ok()?;
    let text = document.descendants().find(|n| n.tag_name().name() == "pro")?.text()?.trim();
    STANDARD.decode(text).ok().map(|bytes| STANDARD.encode(bytes))
}

fn children<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |n| n.has_tag_name((CPIX, name)))
}

fn line(document: &Document, node: Node) -> u32 {
    document.text_pos_at(node.range().start).row
}

fn wrong(line: u32, why: String) -> CpixError {
    CpixError::Document { line, why }
}

/// The parser's own words name parts of the document, which may be a key.
fn broken(error: &roxmltree::Error) -> String {
    let why = match error {
        roxmltree::Error::DtdDetected => "a document type",
        roxmltree::Error::NodesLimitReached => "too many elements",
        roxmltree::Error::UnexpectedEndOfStream | roxmltree::Error::UnclosedRootNode | roxmltree::Error::NoRootNode => "it ends too early",
        roxmltree::Error::UnknownNamespace(..) => "a prefix without a namespace",
        _ => "it is not well-formed",
    };
    format!("{why}; XML without a document type, of at most {MAX_NODES} nodes, is accepted")
}
