//! TLS from a certificate file and a key file, which are read again when they change.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// How often it is looked whether the files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// Why a certificate is not used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file is not one.
    #[error("tls-cert {}: {why}; accepted: a PEM file with the certificate, and those that lead to its issuer", path.display())]
    Certificate {
        /// As given.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key file is not one. What it holds is not told.
    #[error("tls-key {}: {why}; accepted: a PEM file with one private key (PKCS #8, PKCS #1 or SEC 1), not encrypted", path.display())]
    Key {
        /// As given.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// They do not belong together.
    #[error("tls-cert {} with tls-key {}: {why}; accepted: a certificate and its own key", certificate.display(), key.display())]
    Pair {
        /// As given.
        certificate: PathBuf,
        /// As given.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// A certificate with its key, and the files that they come from.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    seen: Seen,
}

/// When the files were written, and how long they are.
type Seen = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// Reads both files: PEM, the key not encrypted.
    ///
    /// # Errors
    /// With the name of the file and what is accepted.
    pub fn open(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let seen = look(certificate, key);
        let acceptor = read(certificate, key)?;
        Ok(Tls(Arc::new(Inner { certificate: certificate.to_owned(), key: key.to_owned(), current: Mutex::new(Current { acceptor, seen }) })))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).acceptor.clone()
    }

    /// Reads the files again whenever they have changed, for connections that come later. Where they cannot be used, those before stay. Never returns.
    pub(super) async fn follow(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let tls = self.clone();
            if let Err(e) = tokio::task::spawn_blocking(move || tls.refresh()).await {
                tracing::error!("the certificate is not looked at any more: {e}");
                return;
            }
        }
    }

    /// Whether there was something new.
    fn refresh(&self) -> bool {
        let Inner { certificate, key, current } = &*self.0;
        let seen = look(certificate, key);
        let lock = || current.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().seen == seen {
            return false;
        }
        let read = read(certificate, key);
        let mut current = lock();
        current.seen = seen;
        match read {
            Ok(acceptor) => {
                current.acceptor = acceptor;
                tracing::info!(certificate = %certificate.display(), "a new certificate is used from now on");
            }
            Err(e) => tracing::warn!("{e}; the one before stays in use"),
        }
        true
    }
}

fn look(certificate: &Path, key: &Path) -> Seen {
    [certificate, key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn read(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let wrong = |why: String| TlsError::Certificate { path: certificate.to_owned(), why };
    let chain: Vec<CertificateDer> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(|e| wrong(e.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| TlsError::Key { path: key.to_owned(), why: e.to_string() })?;
    let pair = |why: String| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), why };
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = versions.map_err(|e| pair(e.to_string()))?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, secret).map_err(|e| pair(e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::CertifiedKey;

    fn make(name: &str) -> (String, String) {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn wrong_files_are_named_and_keys_are_not_told() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let [cert, key, other, text] = ["cert.pem", "key.pem", "other.pem", "text.pem"].map(|name| dir.path().join(name));
        let (pem, secret) = make("localhost");
        let foreign = make("localhost").1;
        for (path, what) in [(&cert, &pem), (&key, &secret), (&other, &foreign), (&text, &"words\n".to_owned())] {
            std::fs::write(path, what).expect("written");
        }
        assert!(Tls::open(&cert, &key).is_ok());
        let refused = |cert: &Path, key: &Path| Tls::open(cert, key).err().expect("refused").to_string();
        let absent = dir.path().join("absent.pem");
        for (cert, key, named, expected) in [
            (&absent, &key, &absent, "tls-cert "),
            (&text, &key, &text, "there is no certificate in it"),
            (&key, &key, &key, "tls-cert "),
            (&cert, &absent, &absent, "tls-key "),
            (&cert, &text, &text, "tls-key "),
            (&cert, &cert, &cert, "one private key"),
            (&cert, &other, &other, "its own key"),
        ] {
            let error = refused(cert, key);
            assert!(error.contains(expected) && error.contains(&named.display().to_string()) && error.contains("accepted: "), "{error}");
            let told = secret.lines().chain(foreign.lines()).filter(|l| !l.starts_with("---")).any(|line| error.contains(line));
            assert!(!told, "{error}");
        }
    }

    #[test]
    fn a_new_pair_is_taken_up_and_a_wrong_one_is_not() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let write = |pair: &(String, String), age: u64| {
            for (path, text) in [(&cert, &pair.0), (&key, &pair.1)] {
                std::fs::write(path, text).expect("written");
                let file = std::fs::File::options().write(true).open(path).expect("open");
                file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("its time");
            }
        };
        write(&make("one"), 30);
        let tls = Tls::open(&cert, &key).expect("a pair");
        let used = || Arc::as_ptr(tls.acceptor().config());
        let first = used();
        assert!(!tls.refresh() && used() == first);
        write(&make("two"), 20);
        assert!(tls.refresh() && used() != first);
        let second = used();
        write(&(make("three").0, "no key".to_owned()), 10);
        assert!(tls.refresh() && used() == second, "what cannot be used is not");
        assert!(!tls.refresh(), "and is said once");
        write(&make("four"), 0);
        assert!(tls.refresh() && used() != second);
    }
}
