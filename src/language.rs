//! Language tags: ISO 639-2, as containers have it, and the shortest tag of RFC 5646, as playlists want it.

/// The code of a language that is not known (ISO 639-2).
pub const UNKNOWN: &str = "und";

/// The longest tag.
const MAX_TAG: usize = 35;

/// ISO 639-2 (terminologic, then bibliographic where it differs) to ISO 639-1. Source: the registration authority's code list.
const SHORT: &[(&str, &str)] = &[
    ("ara", "ar"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("cze", "cs"),
    ("dan", "da"),
    ("deu", "de"),
    ("ger", "de"),
    ("ell", "el"),
    ("gre", "el"),
    ("eng", "en"),
    ("est", "et"),
    ("eus", "eu"),
    ("baq", "eu"),
    ("fas", "fa"),
    ("per", "fa"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("gle", "ga"),
    ("glg", "gl"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ind", "id"),
    ("isl", "is"),
    ("ice", "is"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("msa", "ms"),
    ("may", "ms"),
    ("nld", "nl"),
    ("dut", "nl"),
    ("nor", "no"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slo", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("vie", "vi"),
    ("cym", "cy"),
    ("wel", "cy"),
    ("zho", "zh"),
    ("chi", "zh"),
];

/// The tag for `code`; nothing where the language is unknown (`und`, `mis`, `mul`, `zxx`), the code itself where it has no shorter one.
pub fn tag(code: &str) -> Option<&str> {
    if matches!(code, "" | "und" | "mis" | "mul" | "zxx") {
        return None;
    }
    Some(SHORT.iter().find(|(long, _)| *long == code).map_or(code, |(_, short)| short))
}

/// Whether `text` is a language tag as far as one can tell: a primary part of two or three lower-case letters, and subtags of two to eight letters and digits.
pub fn is_legal(text: &str) -> bool {
    let mut parts = text.split('-');
    let primary = parts.next().is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_lowercase()));
    primary && text.len() <= MAX_TAG && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The three letters of ISO 639-2 for a tag (`pt-BR` is `por`); `und` where there are none. A code of three letters stays as it is.
pub fn code(tag: &str) -> &str {
    let primary = primary(tag);
    match primary.len() {
        3 if primary.bytes().all(|b| b.is_ascii_lowercase()) => primary,
        2 => SHORT.iter().find(|(_, short)| *short == primary).map_or(UNKNOWN, |(long, _)| long),
        _ => UNKNOWN,
    }
}

/// Whether two tags or codes are of one language: `ger`, `deu` and `de-AT` are. A language that is not known is like no other.
pub fn same(a: &str, b: &str) -> bool {
    tag(primary(a)).is_some_and(|short| Some(short) == tag(primary(b)))
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_tags_of_one_language_are_the_same() {
        for (a, b) in [("ger", "deu"), ("de", "ger"), ("pt-BR", "por"), ("eng", "en"), ("qaa", "qaa")] {
            assert!(same(a, b) && same(b, a), "{a} {b}");
        }
        for (a, b) in [("eng", "deu"), ("und", "und"), ("", ""), ("mul", "mul")] {
            assert!(!same(a, b), "{a} {b}");
        }
        for (tag, three) in [("pt-BR", "por"), ("de", "deu"), ("ger", "ger"), ("xx", "und"), ("D\u{e4}n", "und"), ("", "und")] {
            assert_eq!(code(tag), three, "{tag}");
        }
        assert!(is_legal("zh-Hant-TW") && is_legal("eng") && !is_legal("e") && !is_legal("english") && !is_legal("en_GB") && !is_legal("en-\""));
    }
}
