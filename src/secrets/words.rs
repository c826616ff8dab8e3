//! The words of a GStreamer description, as gst-launch tells them apart.

use std::ops::Range;

/// Where the words are: what is in quotes belongs together, and so do a property and its value, with or without spaces around the `=`.
pub fn words(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(skipped) = text[at..].find(|c: char| !c.is_whitespace()) {
        let begin = at + skipped;
        let end = begin + word(&text[begin..]);
        let goes_on = |last: &Range<usize>| text[last.clone()].ends_with('=') || text[begin..].starts_with('=');
        match found.last_mut().filter(|last| goes_on(last)) {
            Some(last) => last.end = end,
            None => found.push(begin..end),
        }
        at = end;
    }
    found
}

/// How long the word is that `text` begins with: up to a space that is not in quotes or behind a backslash. Quotes begin a word or a value, and are none where they do not end.
fn word(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let opens = matches!(c, '"' | '\'') && (at == 0 || text[..at].ends_with('='));
        let step = match c {
            '\\' => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            c if c.is_whitespace() => return at,
            _ if opens => quoted(&text[at..]).unwrap_or(1),
            c => c.len_utf8(),
        };
        at += step;
    }
    at
}

/// How long the quotation is that `text` begins with, quotes included.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then(|| at + quote.len_utf8())
    })
}

/// The fields of a value that is a structure, such as `headers,Authorization=(string)…`: name and value each.
pub fn fields(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split([',', ';', '{', '}']).filter_map(|field| field.split_once('=')).map(|(name, value)| {
        let value = value.trim_matches(QUOTES);
        let value = value.strip_prefix('(').and_then(|typed| typed.split_once(')')).map_or(value, |(_, value)| value);
        (name.trim_matches(QUOTES), value.trim_matches(QUOTES))
    })
}

/// Whether a text is an address as a whole, and no structure that has one in it.
pub fn is_address(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
}

/// Whether it can stand before `://`.
fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// What may stand around a value.
pub const QUOTES: [char; 4] = ['"', '\'', ' ', '\\'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_and_its_value_are_one_word() {
        let split = |text: &str| words(text).into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>();
        assert_eq!(split("srtsrc  a = b c= d e =f ! tsdemux"), ["srtsrc", "a = b", "c= d", "e =f", "!", "tsdemux"]);
        assert_eq!(split(r#"a="b c" d='e \' f' g=h\ i j=k"l "m n" o="p q"#), [r#"a="b c""#, r"d='e \' f'", r"g=h\ i", r#"j=k"l"#, r#""m n""#, r#"o="p"#, "q"]);
        assert_eq!(split(" = \\"), ["= \\"]);
        assert_eq!(split("é=ü\u{a0}ö \""), ["é=ü", "ö", "\""]);
    }

    #[test]
    fn a_structure_has_fields() {
        assert_eq!(fields(r#"x,a=(string)b, c="d",e"#).collect::<Vec<_>>(), [("a", "b"), ("c", "d")]);
    }
}
