//! What the references of a job (`${NAME}`, `${file:PATH}`) were filled in with: wherever text is shown, the reference stands in the place of its value.

use std::sync::{PoisonError, RwLock};
use url::Url;
use zeroize::Zeroizing;

/// A value shorter than this is not looked for in texts: it would be found in every word.
pub const SHORT: usize = 4;
/// And one that is shorter than this only where it is a word of its own.
const LONG: usize = 8;
/// Most references of a process, and most parts of inputs that are looked for in the lines of libraries.
const MOST: usize = 1024;
/// Where the characters begin that stand for references while a text is taken apart: a plane that has none of its own.
const FIRST: u32 = 0xF_0000;

/// What stands for a reference in a text that is judged, not shown.
pub const MARK: char = '\u{F0000}';

static KNOWN: RwLock<Known> = RwLock::new(Known { names: Vec::new(), values: Vec::new(), hidden: Vec::new() });

struct Known {
    /// References as they are written.
    names: Vec<String>,
    /// Values as they may be met, and the place of their reference. The longest first, for one may be a part of another.
    values: Vec<(Zeroizing<String>, usize)>,
    /// What else opens inputs, the longest first.
    hidden: Vec<Zeroizing<String>>,
}

/// From here on `name` stands where `value` would be shown.
///
/// # Errors
/// There are too many.
pub fn remember(name: &str, value: &str) -> Result<(), String> {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let place = known.names.iter().position(|other| other == name).unwrap_or(known.names.len());
    let is_new = |form: &Zeroizing<String>| form.len() >= SHORT && known.values.iter().all(|(value, _)| value != form);
    let forms: Vec<Zeroizing<String>> = forms(value).into_iter().filter(is_new).collect();
    if forms.is_empty() {
        return Ok(());
    }
    if place >= MOST {
        return Err(format!("more than {MOST} references; accepted: up to {MOST}"));
    }
    if place == known.names.len() {
        known.names.push(name.to_owned());
    }
    known.values.extend(forms.into_iter().map(|form| (form, place)));
    known.values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    Ok(())
}

/// From here on libraries' lines are shown without these, too.
pub fn hide(secrets: Vec<String>) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for secret in secrets.into_iter().map(Zeroizing::new) {
        if known.hidden.len() < MOST && !known.hidden.contains(&secret) {
            known.hidden.push(secret);
        }
    }
    known.hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
}

/// The text with a character in the place of each value.
pub fn masked(text: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mark = |place: usize| u32::try_from(place).ok().and_then(|n| char::from_u32(FIRST + n)).unwrap_or(MARK).to_string();
    known.values.iter().fold(text.to_owned(), |text, (value, place)| replaced(text, value, &mark(*place)))
}

/// The text with `by` in the place of `value`: of a short one only where it is a word of its own.
fn replaced(text: String, value: &str, by: &str) -> String {
    if !text.contains(value) {
        return text;
    }
    if value.len() >= LONG {
        return text.replace(value, by);
    }
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (at, _) in text.match_indices(value) {
        if apart(text[..at].chars().next_back()) && apart(text[at + value.len()..].chars().next()) {
            out.push_str(&text[done..at]);
            out.push_str(by);
            done = at + value.len();
        }
    }
    out + &text[done..]
}

/// A [`masked`] text without what is hidden of any input.
pub fn without_hidden(text: String) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.hidden.iter().fold(text, |text, secret| replaced(text, secret, "…"))
}

/// A [`masked`] text with the references in the place of those characters.
pub fn shown(text: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let place = u32::from(c).checked_sub(FIRST).and_then(|n| usize::try_from(n).ok());
        match place.and_then(|place| known.names.get(place)) {
            Some(name) => out.push_str(name),
            None => out.push(c),
        }
    }
    out
}

/// A value as it is, as an address has it that was taken apart and put together, and as libav reads it; each once.
fn forms(value: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![Zeroizing::new(value.to_owned())];
    let mut add = |form: Zeroizing<String>| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    add(decoded(value));
    if let Ok(mut url) = Url::parse("https://host/") {
        url.set_path(value);
        url.set_query(Some(value));
        add(Zeroizing::new(url.path().trim_start_matches('/').to_owned()));
        add(Zeroizing::new(url.query().unwrap_or_default().to_owned()));
    }
    // A host.
    if value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        add(Zeroizing::new(value.to_ascii_lowercase()));
    }
    if let Ok(url) = Url::parse(value) {
        add(Zeroizing::new(url.to_string()));
    }
    forms
}

/// With `%26` and the like as what they stand for.
fn decoded(value: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok()).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        match (*first, digits.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(byte),
        }
        rest = behind;
    }
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}
