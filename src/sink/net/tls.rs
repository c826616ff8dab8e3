//! TLS of what is pushed: 1.2 and 1.3, certificates of the system or of a file, one's own where the receiver asks for it.

use super::Io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What connections are secured with.
#[derive(Debug)]
pub struct Tls {
    ca: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    config: Mutex<Option<Arc<ClientConfig>>>,
}

impl Tls {
    pub fn new(ca: Option<PathBuf>, certificate: Option<(PathBuf, PathBuf)>) -> Tls {
        Tls { ca, certificate, config: Mutex::default() }
    }

    /// Secures a connection to `name`. After a failure the files are read again for the next one: they may have been renewed.
    pub async fn wrap(&self, stream: TcpStream, name: &str) -> Result<Box<dyn Io>, String> {
        let config = self.config()?;
        let server = ServerName::try_from(name.to_owned()).map_err(|e| e.to_string())?;
        match TlsConnector::from(config).connect(server, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(e) => {
                self.config.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err(format!("TLS: {e}"))
            }
        }
    }

    pub fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let mut kept = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = kept.as_ref() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.read()?);
        Ok(Arc::clone(kept.insert(config)))
    }

    fn read(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|e| format!("{}: {e}", path.display()))?;
                }
            }
            None => {
                let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if added == 0 {
                    return Err("there are no certificates to trust on this machine; accepted: the package ca-certificates, or ca = a PEM file".into());
                }
            }
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
        let builder = builder.with_root_certificates(roots);
        let Some((certificate, key)) = &self.certificate else { return Ok(builder.with_no_client_auth()) };
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: {e}; accepted: a key (PEM)", key.display()))?;
        builder.with_client_auth_cert(certificates(certificate)?, secret).map_err(|e| format!("{}: {e}", certificate.display()))
    }
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: String| format!("{}: {why}; accepted: certificates (PEM)", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))?;
    if found.is_empty() { Err(wrong("it has none".into())) } else { Ok(found) }
}
