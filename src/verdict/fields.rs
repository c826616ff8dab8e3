//! Structured fields for HTTP (RFC 8941), as far as a dictionary needs them: read strictly, whatever was sent, and written.

use std::iter::Peekable;
use std::str::CharIndices;

/// Longest header that is read.
const MAX_LENGTH: usize = 8192;
/// Most members of a dictionary, and of an inner list: what every reader must take (RFC 8941, 3.2 and 3.1.1).
const MAX_MEMBERS: usize = 1024;
const MAX_INNER: usize = 256;
/// Most digits of a number.
const MAX_DIGITS: usize = 15;

/// An item without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// At most 15 digits.
    Integer(i64),
    /// As it is written: nothing here reckons with it.
    Decimal(String),
    /// Printable ASCII.
    String(String),
    /// A word.
    Token(String),
    /// Base 64, as it is written.
    Bytes(String),
    /// Yes or no.
    Boolean(bool),
}

/// What a key stands for; parameters are read and left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// One item.
    Item(Item),
    /// A list of them in parentheses.
    List(Vec<Item>),
}

/// Where a header is not a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {accepted} is accepted")]
pub struct Malformed {
    /// Which byte.
    pub at: usize,
    /// What would be accepted there.
    pub accepted: &'static str,
}

/// Reads a dictionary (RFC 8941, 4.2.2). Of a key that is there twice, the last counts.
///
/// # Errors
/// [`Malformed`] for anything that the grammar does not have: the whole header is to be ignored then.
pub fn dictionary(text: &str) -> Result<Vec<(String, Value)>, Malformed> {
    if text.len() > MAX_LENGTH {
        return Err(Malformed { at: MAX_LENGTH, accepted: "at most 8192 bytes" });
    }
    let mut reader = Reader { length: text.len(), chars: text.char_indices().peekable() };
    let mut members: Vec<(String, Value)> = Vec::new();
    reader.skip(" ");
    while reader.peek().is_some() {
        let key = reader.key()?;
        let value = if reader.take('=') { reader.value()? } else { Value::Item(Item::Boolean(true)) };
        reader.parameters()?;
        members.retain(|(known, _)| *known != key);
        members.push((key, value));
        if members.len() > MAX_MEMBERS {
            return Err(reader.wrong("at most 1024 members"));
        }
        reader.skip(" \t");
        if reader.peek().is_none() {
            break;
        }
        if !reader.take(',') {
            return Err(reader.wrong("a comma, or the end"));
        }
        reader.skip(" \t");
        if reader.peek().is_none() {
            return Err(reader.wrong("a key"));
        }
    }
    Ok(members)
}

struct Reader<'a> {
    length: usize,
    chars: Peekable<CharIndices<'a>>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn wrong(&mut self, accepted: &'static str) -> Malformed {
        Malformed { at: self.chars.peek().map_or(self.length, |(at, _)| *at), accepted }
    }

    fn next_if(&mut self, is: impl Fn(char) -> bool) -> Option<char> {
        self.chars.next_if(|(_, c)| is(*c)).map(|(_, c)| c)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.next_if(|c| c == wanted).is_some()
    }

    fn skip(&mut self, any: &str) {
        while self.next_if(|c| any.contains(c)).is_some() {}
    }

    fn run(&mut self, into: &mut String, is: impl Fn(char) -> bool) {
        while let Some(c) = self.next_if(&is) {
            into.push(c);
        }
    }

    fn key(&mut self) -> Result<String, Malformed> {
        let Some(first) = self.next_if(|c| c.is_ascii_lowercase() || c == '*') else { return Err(self.wrong("a key: a lowercase letter or \"*\" first")) };
        let mut key = String::from(first);
        self.run(&mut key, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c));
        Ok(key)
    }

    fn value(&mut self) -> Result<Value, Malformed> {
        if !self.take('(') {
            return self.item().map(Value::Item);
        }
        let mut list = Vec::new();
        loop {
            self.skip(" ");
            if self.take(')') {
                return Ok(Value::List(list));
            }
            list.push(self.item()?);
            self.parameters()?;
            if list.len() > MAX_INNER {
                return Err(self.wrong("at most 256 items in a list"));
            }
            if !matches!(self.peek(), Some(' ' | ')')) {
                return Err(self.wrong("a space or a closing parenthesis"));
            }
        }
    }

    fn item(&mut self) -> Result<Item, Malformed> {
        match self.peek() {
            Some('-' | '0'..='9') => self.number(),
            Some('"') => self.string(),
            Some(':') => {
                self.take(':');
                let mut bytes = String::new();
                self.run(&mut bytes, |c| c.is_ascii_alphanumeric() || "+/=".contains(c));
                if self.take(':') { Ok(Item::Bytes(bytes)) } else { Err(self.wrong("base 64 and a colon")) }
            }
            Some('?') => {
                self.take('?');
                let known = self.next_if(|c| c == '0' || c == '1').map(|c| Item::Boolean(c == '1'));
                known.ok_or_else(|| self.wrong("0 or 1"))
            }
            Some(c) if c.is_ascii_alphabetic() || c == '*' => {
                let mut token = String::new();
                self.run(&mut token, |c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Ok(Item::Token(token))
            }
            _ => Err(self.wrong("a number, a string, a token, bytes or a boolean")),
        }
    }

    fn number(&mut self) -> Result<Item, Malformed> {
        let mut text = String::new();
        self.run(&mut text, |c| c == '-');
        let sign = text.len();
        self.run(&mut text, |c| c.is_ascii_digit());
        let digits = text.len() - sign;
        if sign > 1 || digits == 0 || digits > MAX_DIGITS {
            return Err(self.wrong("1 to 15 digits, with at most one minus before them"));
        }
        if !self.take('.') {
            return text.parse().map(Item::Integer).map_err(|_| self.wrong("1 to 15 digits"));
        }
        text.push('.');
        let before = text.len();
        self.run(&mut text, |c| c.is_ascii_digit());
        if digits > 12 || !(1..=3).contains(&(text.len() - before)) {
            return Err(self.wrong("a decimal of at most 12 digits, a dot, and 1 to 3 digits"));
        }
        Ok(Item::Decimal(text))
    }

    fn string(&mut self) -> Result<Item, Malformed> {
        self.take('"');
        let mut text = String::new();
        loop {
            match self.chars.next() {
                Some((_, '"')) => return Ok(Item::String(text)),
                Some((_, '\\')) => match self.next_if(|c| c == '"' || c == '\\') {
                    Some(c) => text.push(c),
                    None => return Err(self.wrong("a quotation mark or a backslash behind a backslash")),
                },
                Some((_, c @ ' '..='~')) => text.push(c),
                Some((at, _)) => return Err(Malformed { at, accepted: "printable ASCII in a string" }),
                None => return Err(self.wrong("a quotation mark at the end of a string")),
            }
        }
    }

    fn parameters(&mut self) -> Result<(), Malformed> {
        while self.take(';') {
            self.skip(" ");
            self.key()?;
            if self.take('=') {
                self.item()?;
            }
        }
        Ok(())
    }
}

/// A string as it is written; what is not printable ASCII becomes a question mark.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Examples of the RFC, and what it forbids.
    #[test]
    fn what_the_grammar_has_and_what_it_has_not() {
        let item = |item| Value::Item(item);
        let token = |word: &str| Item::Token(word.to_owned());
        let read =
            dictionary(" en=\"Apple \\\"s\\\"\", da=:w4ZibGV0w6ZydGU=:,\ta=?0, b, c; foo=bar, r=-42.5, l=(\"x\";q=1 mi tu/5) , e=(), n=-999999999999999")
                .expect("reads");
        let expected = [
            ("en", item(Item::String("Apple \"s\"".to_owned()))),
            ("da", item(Item::Bytes("w4ZibGV0w6ZydGU=".to_owned()))),
            ("a", item(Item::Boolean(false))),
            ("b", item(Item::Boolean(true))),
            ("c", item(Item::Boolean(true))),
            ("r", item(Item::Decimal("-42.5".to_owned()))),
            ("l", Value::List(vec![Item::String("x".to_owned()), token("mi"), token("tu/5")])),
            ("e", Value::List(vec![])),
            ("n", item(Item::Integer(-999_999_999_999_999))),
        ];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value)));
        assert_eq!(dictionary("").expect("is empty"), []);
        assert_eq!(dictionary("a=1, b=2, a=3").expect("reads"), [("b".to_owned(), item(Item::Integer(2))), ("a".to_owned(), item(Item::Integer(3)))]);
        for wrong in [
            "a=",
            "a,",
            "A=1",
            "a=1 b=2",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"é\"",
            "a=1234567890123456",
            "a=1.",
            "a=1.2345",
            "a=--1",
            "a=-",
            "a=(1",
            "a=(1,2)",
            "a=:?:",
            "a=?2",
            ",a",
            "a=1;",
            "é",
        ] {
            assert!(dictionary(wrong).is_err(), "{wrong}");
        }
        let long = "a".repeat(MAX_LENGTH + 1);
        assert!(dictionary(&long).is_err() && dictionary(&long[1..]).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_sent(text in "\\PC{0,80}", near in "[a-c=,;() \"\\\\:?0-9.-]{0,60}") {
            let _ = (dictionary(&text), dictionary(&near));
        }

        #[test]
        fn strings_come_back(text in "[ -~]{0,40}") {
            prop_assert_eq!(dictionary(&format!("k={}", quoted(&text))).expect("reads"), vec![("k".to_owned(), Value::Item(Item::String(text)))]);
        }
    }
}
