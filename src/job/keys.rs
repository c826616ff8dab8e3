//! Every key of a job file: what it takes, what it is where it is not written, its flag, and what it does.
//!
//! The JSON Schema and the tables of `docs/job.md` are made of this; tests hold it against what is really read, and against the flags.

mod kind;
mod ladder;
mod more;
mod schema;
mod table;

pub use kind::Kind;
pub use schema::schema;

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What is legal beside its kind: a range.
    pub legal: &'static str,
    /// What it is where it is not written: a value as TOML has it, or words; empty: nothing.
    pub default: &'static str,
    /// Its flag, without dashes; empty: none.
    pub flag: &'static str,
    /// What it does.
    pub does: &'static str,
}

impl Key {
    /// The variable of its flag.
    pub fn variable(&self) -> String {
        format!("MEZZO_{}", self.flag.to_uppercase().replace('-', "_"))
    }

    /// Its row in `docs/job.md`.
    fn row(&self) -> String {
        let kind = self.kind.shown();
        let takes = [kind.as_str(), self.legal].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let default = if is_value(self.default) { format!("`{}`", self.default) } else { self.default.to_owned() };
        let flag = if self.flag.is_empty() { String::new() } else { format!("`--{}` `{}`", self.flag, self.variable()) };
        format!("| `{}` | {takes} | {default} | {flag} | {} |\n", self.name, self.does)
    }
}

/// A table of a job file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name with dots; empty: what stands above all tables.
    pub path: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

impl Section {
    /// Its table in `docs/job.md`.
    pub fn rows(&self) -> String {
        let head = "| key | takes | where it is not written | flag, variable | |\n|---|---|---|---|---|\n";
        self.keys.iter().fold(head.to_owned(), |text, key| text + &key.row())
    }
}

/// All tables, those within others behind them.
pub const SECTIONS: &[Section] = &[
    table::TOP,
    table::TIMELINE,
    table::SELECT,
    table::SELECT_AUDIO,
    table::SOURCE,
    table::STANDBY,
    more::OUTPUT,
    more::SERVE,
    more::LIMITS,
    more::PROTECTION,
    more::PROTECTION_KEYS,
    more::LICENSES,
    more::SESSION_DATA,
    ladder::LADDER,
    ladder::VIDEO,
    ladder::AUDIO,
];

/// The table called `path`.
pub fn section(path: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.path == path)
}

/// Whether a default is a value, not words.
fn is_value(text: &str) -> bool {
    !text.is_empty() && toml::from_str::<toml::Table>(&format!("x = {text}")).is_ok()
}

#[cfg(test)]
#[path = "keys/tests.rs"]
mod tests;
