//! Destinations as people write them: an address, or a `[[output]]` table with an address and more; and what is made of that.

use super::output::{BACKLOG_BYTES, Backlog, DirectoryOutput, Fsync, Keep, Login, Manifests, Method, ObjectsOutput, Output, PushOutput, Secret};
use super::value::{Span, Text};
use super::{Window, check::Check};
use crate::config::ConfigError;
use crate::secrets::without_secrets;
use crate::time::Seconds;
use serde::Deserialize;
use std::fmt::Write;
use std::path::PathBuf;
use std::str::FromStr;
use url::Url;

/// `[[output]]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputWish {
    /// The path of a directory, or a URL: `http://`, `https://`, `s3://`, `gs://`, `az://`. Behind a `#` in a URL, options of this table may stand: `#method=post&token_env=TOKEN`.
    pub url: PathBuf,
    /// "put" or "post".
    pub method: Option<Method>,
    /// A file with a bearer token.
    pub token_file: Option<PathBuf>,
    /// A variable of the environment with a bearer token.
    pub token_env: Option<String>,
    /// The user of basic authentication.
    pub user: Option<String>,
    /// A file with its password.
    pub password_file: Option<PathBuf>,
    /// A variable of the environment with its password.
    pub password_env: Option<String>,
    /// A client certificate (PEM).
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// Certificates (PEM) that are trusted in the place of the system's.
    pub ca: Option<PathBuf>,
    /// "ingest" (or true), "players", "none" (or false).
    pub manifests: Option<Manifests>,
    /// Whether what leaves the window is deleted.
    pub delete: Option<bool>,
    /// "event", or a span.
    pub window: Option<Text<Keep>>,
    /// "never", "segment" or "all".
    pub fsync: Option<Fsync>,
    /// The service of an object store.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// What waits for it at most, in MiB.
    pub backlog_mib: Option<u32>,
    /// How far back segments that it did not get are filled in later.
    pub fill_in: Option<Text<Span>>,
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Keep, String> {
        match (text, text.parse::<Span>()) {
            ("event", _) => Ok(Keep::Event),
            (_, Ok(span)) => Ok(Keep::Last(span.0)),
            _ => Err(format!("\"{text}\" is not a window of an output; accepted: event, or a span of time (10m, 24h)")),
        }
    }
}

/// What is accepted as an address.
const ADDRESSES: &str = "the path of a directory, or a URL: http://, https://, s3://, gs://, az://";

/// The destinations, in the order of the job: first those that are written as an address, then the tables.
pub(super) fn check(check: &Check, addresses: Vec<PathBuf>, tables: Vec<OutputWish>, window: Window) -> Result<Vec<Output>, ConfigError> {
    let plain = addresses.into_iter().map(|url| OutputWish { url, ..OutputWish::default() });
    let mut outputs: Vec<Output> = Vec::new();
    for wish in plain.chain(tables) {
        let shown = without_secrets(&wish.url.display().to_string());
        let output = One { check, shown: &shown, window }.output(wish)?;
        let again = outputs.iter().any(|other| match (other, &output) {
            (Output::Directory(a), Output::Directory(b)) => a.path == b.path,
            (Output::Push(a), Output::Push(b)) => (&a.url, &a.query) == (&b.url, &b.query),
            (Output::Objects(a), Output::Objects(b)) => (&a.url, &a.endpoint) == (&b.url, &b.endpoint),
            _ => false,
        });
        if again {
            return Err(check.wrong("outputs", format!("\"{shown}\" twice"), "each directory once, and each URL"));
        }
        outputs.push(output);
    }
    Ok(outputs)
}

/// The check of one destination.
struct One<'a> {
    check: &'a Check<'a>,
    shown: &'a str,
    window: Window,
}

impl One<'_> {
    fn wrong(&self, key: &str, value: impl std::fmt::Display, accepted: impl Into<String>) -> ConfigError {
        self.check.wrong(&format!("output \"{}\": {key}", self.shown), value, accepted)
    }

    fn address(&self, why: &str) -> ConfigError {
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        self.check.wrong("outputs", format!("\"{}\"{why}", self.shown), ADDRESSES)
    }

    fn output(&self, wish: OutputWish) -> Result<Output, ConfigError> {
        let Some((scheme, _)) = wish.url.to_str().and_then(|url| url.split_once("://")) else { return self.directory(wish) };
        let scheme = scheme.to_owned();
        let wish = self.with_fragment(wish)?;
        match scheme.as_str() {
            "http" | "https" => self.push(wish),
            "s3" | "gs" | "az" => self.objects(wish),
            _ => Err(self.address("")),
        }
    }

    /// Options behind `#` are read as if they stood in the table.
    fn with_fragment(&self, wish: OutputWish) -> Result<OutputWish, ConfigError> {
        let written = wish.url.to_str().unwrap_or_default().to_owned();
        let Some((url, options)) = written.split_once('#') else { return Ok(wish) };
        let accepted = "KEY=VALUE&KEY=VALUE with keys of [[output]], behind a URL that is no table itself";
        if (OutputWish { url: wish.url.clone(), ..OutputWish::default() }) != wish {
            return Err(self.wrong("#", options, accepted));
        }
        let mut table = format!("url = {}\n", toml::Value::from(url));
        for option in options.split('&') {
            let (key, value) = option.split_once('=').filter(|(key, _)| *key != "url").ok_or_else(|| self.wrong("#", option, accepted))?;
            let plain = matches!(value, "true" | "false") || (key == "backlog_mib" && value.parse::<u32>().is_ok());
            let value = if plain { value.to_owned() } else { toml::Value::from(value).to_string() };
            let _ = writeln!(table, "{key} = {value}");
        }
        toml::from_str(&table).map_err(|e| self.wrong("#", options, e.message().trim().replace('\n', "; ")))
    }

    /// Refuses what is said of `kind`, and means nothing there.
    fn nothing_of(&self, kind: &str, said: &[(&str, bool)]) -> Result<(), ConfigError> {
        match said.iter().find(|(_, said)| *said) {
            Some((key, _)) => Err(self.wrong(key, format!("of {kind}"), format!("none: {kind} has no such setting"))),
            None => Ok(()),
        }
    }

    fn directory(&self, wish: OutputWish) -> Result<Output, ConfigError> {
        if wish.url.as_os_str().is_empty() {
            return Err(self.address(""));
        }
        self.nothing_of("a directory", &of_push(&wish))?;
        self.nothing_of("a directory", &of_objects(&wish))?;
        self.nothing_of("a directory", &of_remote(&wish))?;
        Ok(Output::Directory(DirectoryOutput { keep: self.keep(&wish)?, fsync: wish.fsync.unwrap_or_default(), path: wish.url }))
    }

    fn keep(&self, wish: &OutputWish) -> Result<Keep, ConfigError> {
        let Some(Text(keep)) = wish.window else { return Ok(Keep::Window) };
        if let (Keep::Last(span), Window::Last(window)) = (keep, self.window) {
            self.check.span(&format!("output \"{}\": window", self.shown), span, window, Seconds::whole(400 * 86_400))?;
        }
        if let (Keep::Last(span), Window::Whole) = (keep, self.window) {
            return Err(self.wrong("window", format!("{span} s"), "event: the job's own window is whole, so nothing leaves it"));
        }
        Ok(keep)
    }

    fn backlog(&self, wish: &OutputWish) -> Result<Backlog, ConfigError> {
        let bytes = match wish.backlog_mib {
            None => BACKLOG_BYTES,
            Some(mib @ 8..=65_536) => u64::from(mib) << 20,
            Some(mib) => return Err(self.wrong("backlog_mib", mib, "8 to 65536")),
        };
        let field = format!("output \"{}\": fill_in", self.shown);
        let fill_in = wish.fill_in.map(|text| self.check.span(&field, text.0.0, Seconds::ZERO, Seconds::whole(86_400))).transpose()?;
        Ok(Backlog { bytes, fill_in })
    }

    fn push(&self, wish: OutputWish) -> Result<Output, ConfigError> {
        self.nothing_of("a push", &of_objects(&wish))?;
        self.nothing_of("a push", &[("window", wish.window.is_some()), ("fsync", wish.fsync.is_some())])?;
        let written = wish.url.to_str().unwrap_or_default();
        let (place, query) = written.split_once('?').map_or((written, None), |(place, query)| (place, Some(query.to_owned())));
        if let Some(Err(name)) = query.as_deref().map(variables) {
            return Err(self.wrong("query", name, "${NAME}, NAME a variable of the environment"));
        }
        let (place, user) = without_user(place);
        let url = self.parsed(&place)?;
        let login = self.login(&wish, user)?;
        let certificate = match (wish.certificate.clone(), wish.key.clone()) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(self.wrong("key", "none", "the key of the certificate (PEM)")),
            (None, Some(_)) => return Err(self.wrong("certificate", "none", "the certificate of the key (PEM)")),
        };
        for (key, said) in [("certificate", certificate.is_some()), ("ca", wish.ca.is_some())] {
            if said && url.scheme() == "http" {
                return Err(self.wrong(key, "with http://", "https://, or none"));
            }
        }
        let backlog = self.backlog(&wish)?;
        Ok(Output::Push(PushOutput {
            url,
            query,
            method: wish.method.unwrap_or_default(),
            login,
            certificate,
            ca: wish.ca,
            manifests: wish.manifests.unwrap_or_default(),
            delete: wish.delete.unwrap_or(false),
            backlog,
        }))
    }

    fn objects(&self, wish: OutputWish) -> Result<Output, ConfigError> {
        self.nothing_of("an object store", &of_push(&wish))?;
        self.nothing_of("an object store", &[("fsync", wish.fsync.is_some())])?;
        let written = wish.url.to_str().unwrap_or_default();
        if written.contains(['?', '@']) {
            return Err(self.address("an object store has no user and no query in its address: its credentials come from the environment"));
        }
        let url = self.parsed(written)?;
        if wish.region.is_some() && url.scheme() != "s3" {
            return Err(self.wrong("region", format!("with {}://", url.scheme()), "s3://, or none"));
        }
        let endpoint = match wish.endpoint.as_deref().map(Url::parse) {
            None => None,
            Some(Ok(endpoint)) if matches!(endpoint.scheme(), "http" | "https") && endpoint.has_host() && endpoint.username().is_empty() => Some(endpoint),
            Some(_) => {
                return Err(self.wrong("endpoint", wish.endpoint.as_deref().map(without_secrets).unwrap_or_default(), "http://HOST:PORT or https://HOST:PORT"));
            }
        };
        Ok(Output::Objects(ObjectsOutput {
            url,
            endpoint,
            region: wish.region.clone(),
            ca: wish.ca.clone(),
            keep: self.keep(&wish)?,
            backlog: self.backlog(&wish)?,
        }))
    }

    /// A URL with a host and no more than a path behind it, which ends in a slash.
    fn parsed(&self, text: &str) -> Result<Url, ConfigError> {
        let host = text.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
        let url = Url::parse(text).map_err(|e| self.address(&e.to_string()))?;
        if !host || url.host_str().is_none_or(str::is_empty) || url.path().contains("//") {
            return Err(self.address("it has no host or bucket, or an empty part in its path"));
        }
        if url.path().ends_with('/') {
            return Ok(url);
        }
        let longer = format!("{}/", url.path());
        let mut url = url;
        url.set_path(&longer);
        Ok(url)
    }

    fn login(&self, wish: &OutputWish, in_url: Option<(String, Option<String>)>) -> Result<Login, ConfigError> {
        let named = |key: &str, file: &Option<PathBuf>, env: &Option<String>| match (file, env) {
            (Some(_), Some(_)) => Err(self.wrong(&format!("{key}_file"), format!("beside {key}_env"), "one of them")),
            (Some(file), None) => Ok(Some(Secret::File(file.clone()))),
            (None, Some(env)) if is_variable(env) => Ok(Some(Secret::Variable(env.clone()))),
            (None, Some(_)) => Err(self.wrong(&format!("{key}_env"), "(not shown)", "the name of a variable of the environment: letters, digits and _")),
            (None, None) => Ok(None),
        };
        let token = named("token", &wish.token_file, &wish.token_env)?;
        let password = named("password", &wish.password_file, &wish.password_env)?;
        let (user, password) = match in_url {
            Some(_) if wish.user.is_some() || password.is_some() => return Err(self.wrong("user", "beside one in the URL", "one of them")),
            Some((user, written)) => {
                let variable = written.as_deref().and_then(|text| text.strip_prefix("${")?.strip_suffix('}')).filter(|name| is_variable(name));
                let accepted = "USER:${NAME}@ with NAME a variable of the environment; or [[output]] with user and password_file";
                let name = variable.ok_or_else(|| self.wrong("url", "a password as it is, or none, in it", accepted))?;
                (Some(user), Some(Secret::Variable(name.to_owned())))
            }
            None => (wish.user.clone(), password),
        };
        match (token, user, password) {
            (None, None, None) => Ok(Login::Open),
            (Some(token), None, None) => Ok(Login::Bearer(token)),
            (None, Some(user), Some(password)) if !user.is_empty() && !user.contains(':') => Ok(Login::Basic { user, password }),
            (None, Some(_), Some(_)) => Err(self.wrong("user", "empty, or with a colon", "a name without a colon")),
            (Some(_), ..) => Err(self.wrong("token", "beside user or password", "one way to prove who pushes")),
            (None, ..) => Err(self.wrong("user", "without password, or the other way round", "user, and password_file or password_env")),
        }
    }
}

fn of_push(wish: &OutputWish) -> [(&'static str, bool); 10] {
    [
        ("method", wish.method.is_some()),
        ("token_file", wish.token_file.is_some()),
        ("token_env", wish.token_env.is_some()),
        ("user", wish.user.is_some()),
        ("password_file", wish.password_file.is_some()),
        ("password_env", wish.password_env.is_some()),
        ("certificate", wish.certificate.is_some()),
        ("key", wish.key.is_some()),
        ("manifests", wish.manifests.is_some()),
        ("delete", wish.delete.is_some()),
    ]
}

fn of_objects(wish: &OutputWish) -> [(&'static str, bool); 2] {
    [("endpoint", wish.endpoint.is_some()), ("region", wish.region.is_some())]
}

fn of_remote(wish: &OutputWish) -> [(&'static str, bool); 3] {
    [("ca", wish.ca.is_some()), ("backlog_mib", wish.backlog_mib.is_some()), ("fill_in", wish.fill_in.is_some())]
}

/// The address without user and password, and those: the password as written.
fn without_user(place: &str) -> (String, Option<(String, Option<String>)>) {
    let Some((scheme, rest)) = place.split_once("://") else { return (place.to_owned(), None) };
    let end = rest.find('/').unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else { return (place.to_owned(), None) };
    let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password.to_owned())));
    (format!("{scheme}://{host}{}", &rest[end..]), Some((user.to_owned(), password)))
}

/// The names of the variables in `text`; or the first that is none.
pub fn variables(text: &str) -> Result<Vec<&str>, &str> {
    text.split("${").skip(1).map(|part| part.split_once('}').map(|(name, _)| name).filter(|name| is_variable(name)).ok_or(part)).collect()
}

/// Whether it can be the name of a variable of the environment.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;
