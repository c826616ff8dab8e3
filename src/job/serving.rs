//! `[serve]`: how what is listened on is served.

use super::check::Check;
use super::protection::{Hidden, Secret};
use crate::config::ConfigError;
use serde::Deserialize;
use std::path::PathBuf;

/// MiB of segments that are held in memory, where the job does not say.
const MEMORY: u64 = 512;
/// A token of the API: one that nobody guesses, and that fits a header.
const SHORTEST_TOKEN: usize = 16;
const LONGEST_TOKEN: usize = 1024;
/// The least, and the most.
const MEMORY_RANGE: std::ops::RangeInclusive<u64> = 16..=1 << 20;

/// `[serve]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingWishes {
    /// A PEM file with the certificate and those that lead to its issuer.
    pub tls_cert: Option<PathBuf>,
    /// A PEM file with its key.
    pub tls_key: Option<PathBuf>,
    /// MiB of segments to hold in memory.
    pub memory: Option<u64>,
    /// What opens the control API: `${NAME}` or `file:PATH`.
    pub api_token: Option<Hidden>,
}

/// How it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The files of the certificate and its key. Absent: not encrypted.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The most bytes of segments that are held in memory.
    pub memory: u64,
    /// What opens the control API, wherever it is asked from. Absent: whoever is on this machine may use it, and nobody else.
    pub api_token: Option<Secret>,
}

impl ServingWishes {
    pub(super) fn over(self, below: ServingWishes) -> ServingWishes {
        ServingWishes {
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            memory: self.memory.or(below.memory),
            api_token: self.api_token.or(below.api_token),
        }
    }
}

impl Check<'_> {
    pub(super) fn serving(&self, wishes: ServingWishes) -> Result<Serving, ConfigError> {
        let tls = match (wishes.tls_cert, wishes.tls_key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (Some(cert), None) => return Err(self.wrong("serve.tls_key", "none", format!("the key file of the certificate {} (--tls-key)", cert.display()))),
            (None, Some(key)) => return Err(self.wrong("serve.tls_cert", "none", format!("the certificate file of the key {} (--tls-cert)", key.display()))),
            (None, None) => None,
        };
        let memory = wishes.memory.unwrap_or(MEMORY);
        if !MEMORY_RANGE.contains(&memory) {
            return Err(self.wrong("serve.memory", memory, format!("{} to {} MiB", MEMORY_RANGE.start(), MEMORY_RANGE.end())));
        }
        let api_token = wishes.api_token.map(|hidden| self.secret("serve.api_token", &hidden)).transpose()?;
        if let Some(token) = &api_token {
            let text = token.text();
            if !(SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
                let accepted = format!("{SHORTEST_TOKEN} to {LONGEST_TOKEN} visible characters of ASCII, no spaces");
                return Err(self.wrong("serve.api_token", "(not shown)", accepted));
            }
        }
        Ok(Serving { tls, memory: memory << 20, api_token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_is_refused_by_the_other_half() {
        let check = Check { file: "job.toml" };
        let wishes = |cert: Option<&str>, key: Option<&str>, memory| ServingWishes {
            tls_cert: cert.map(Into::into),
            tls_key: key.map(Into::into),
            memory,
            api_token: None,
        };
        assert_eq!(check.serving(wishes(None, None, None)), Ok(Serving { tls: None, memory: 512 << 20, api_token: None }));
        assert_eq!(
            check.serving(wishes(Some("c"), Some("k"), Some(16))),
            Ok(Serving { tls: Some(("c".into(), "k".into())), memory: 16 << 20, api_token: None })
        );
        for (wishes, field) in [
            (wishes(Some("c.pem"), None, None), "serve.tls_key"),
            (wishes(None, Some("k.pem"), None), "serve.tls_cert"),
            (wishes(None, None, Some(15)), "serve.memory"),
            (wishes(None, None, Some(u64::MAX)), "serve.memory"),
        ] {
            let error = check.serving(wishes).expect_err("refused").to_string();
            assert!(error.contains(field) && error.contains("job.toml"), "{error}");
        }
    }
}
