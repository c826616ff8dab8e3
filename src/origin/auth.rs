//! Who may push: bearer tokens and passwords, from a file or the environment. Kept as hashes, and never shown.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::Engine;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Most secrets.
const MAX_SECRETS: usize = 256;
/// Shortest secret.
const SHORTEST: usize = 8;

/// With or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The secrets that open the ingest; none: it is open to whoever reaches it.
#[derive(Clone, Default)]
pub struct Secrets(Vec<[u8; 32]>);

/// Why secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("token file {path}: {why}; accepted: a file with one TOKEN or USER:PASSWORD a line")]
    File {
        /// As given.
        path: String,
        /// The system's words, or ours.
        why: String,
    },
    /// One that anybody could guess.
    #[error("{place}: a secret of {length} characters; {SHORTEST} and more are accepted")]
    Short {
        /// Where it is.
        place: String,
        /// Its length.
        length: usize,
    },
}

impl Secrets {
    /// Those of a file (one a line; empty lines and lines that begin with # are none), and one of the environment.
    pub fn read(file: Option<&Path>, variable: Option<&str>) -> Result<Secrets, SecretError> {
        let mut secrets = Vec::new();
        if let Some(secret) = variable {
            secrets.push(hashed(secret.trim(), "MEZZO_TOKEN")?);
        }
        if let Some(path) = file {
            let shown = path.display().to_string();
            let wrong = |why: String| SecretError::File { path: shown.clone(), why };
            let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
            for (line, secret) in text.lines().map(str::trim).enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
                secrets.push(hashed(secret, &format!("token file {shown}, line {}", line + 1))?);
            }
            if secrets.is_empty() || secrets.len() > MAX_SECRETS {
                return Err(wrong(format!("it has {} secrets; 1 to {MAX_SECRETS} are accepted", secrets.len())));
            }
        }
        Ok(Secrets(secrets))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the value of an `Authorization` header opens: `Bearer TOKEN`, or `Basic` with the base64 of `USER:PASSWORD`. How long that takes says nothing about the secrets.
    pub fn opens(&self, header: Option<&str>) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some((scheme, value)) = header.and_then(|h| h.split_once(' ')) else { return false };
        let given: Option<Vec<u8>> = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Some(value.trim().as_bytes().to_vec()),
            "basic" => BASE64.decode(value.trim()).ok(),
            _ => None,
        };
        given.is_some_and(|given| {
            let given: [u8; 32] = Sha256::digest(given).into();
            self.0.iter().fold(false, |opens, secret| opens | (*secret == given))
        })
    }
}

fn hashed(secret: &str, place: &str) -> Result<[u8; 32], SecretError> {
    let length = secret.chars().count();
    if length < SHORTEST { Err(SecretError::Short { place: place.to_owned(), length }) } else { Ok(Sha256::digest(secret).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_a_secret_gets_in() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("tokens");
        std::fs::write(&file, "# who pushes\n\nsesame-open\n worker:long/pass~word \n").expect("written");
        let secrets = Secrets::read(Some(&file), Some("from-the-environment")).expect("legal");
        // printf worker:long/pass~word | base64
        for header in ["Bearer sesame-open", "bearer from-the-environment", "Basic d29ya2VyOmxvbmcvcGFzc353b3Jk"] {
            assert!(secrets.opens(Some(header)), "{header}");
        }
        for header in ["Bearer sesame", "Bearer ", "sesame-open", "Basic sesame-open", "Basic d29ya2VyOmxvbmcvcGFzc353b3J", "Digest sesame-open", ""] {
            assert!(!secrets.opens(Some(header)), "{header}");
        }
        assert!(!secrets.opens(None));
        assert!(Secrets::default().opens(None));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("tokens");
        std::fs::write(&file, "sesame-open\nhunter2\n").expect("written");
        let error = Secrets::read(Some(&file), None).err().expect("too short").to_string();
        assert!(error.contains("line 2") && error.contains("7 characters") && !error.contains("hunter2"), "{error}");
        std::fs::write(&file, "\n# nobody\n").expect("written");
        assert!(Secrets::read(Some(&file), None).is_err());
        assert!(Secrets::read(Some(&dir.path().join("absent")), None).is_err());
    }
}
