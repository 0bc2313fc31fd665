//! The certificate and its key: read at the start, and again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use log::{info, warn};
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::{Error as TlsError, ServerConfig};
use thiserror::Error;

use crate::clock::{Millis, Now};
use crate::net::clock::millis;
use crate::net::tls::Acceptor;

/// How often the files are looked at. A renewal has weeks.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// What is spoken inside (RFC 7301): clients that name their protocols and not this one, such as
/// those of HTTP/2 alone, are turned away as that asks for; who names none may speak anything.
const ALPN: &[u8] = b"http/1.1";

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum CertificateError {
    #[error("--tls-{what} {}: {error}", .path.display())]
    Read { what: &'static str, path: PathBuf, error: io::Error },
    #[error("--tls-{what} {}: {expected}", .path.display())]
    Content { what: &'static str, path: PathBuf, expected: String },
    #[error("--tls-cert and --tls-key are of no use together: {0}")]
    Pair(TlsError),
    #[error("TLS cannot be had: {0}")]
    Library(TlsError),
}

/// What tells one state of a file from another, in which symbolic links are followed: certbot has
/// them.
type Stamp = Option<(SystemTime, u64, u64)>;

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ServerConfig>,
    /// Those that were tried last, whether they were good or not.
    tried: [Stamp; 2],
    /// Sessions outlive a renewal.
    tickets: Arc<dyn ProducesTickets>,
    check_at: Millis,
}

impl Certificate {
    /// Reads a chain and its key, both in PEM.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn load(certificate: &Path, key: &Path) -> Result<Certificate, CertificateError> {
        let tickets = provider::Ticketer::new().map_err(CertificateError::Library)?;
        let tried = [stamp(certificate), stamp(key)];
        let config = read(certificate, key, &tickets)?;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Certificate { certificate, key, config, tried, tickets, check_at: 0 })
    }

    pub fn acceptor(&self) -> Acceptor {
        Acceptor::new(Arc::clone(&self.config))
    }

    /// When to call [`Certificate::renew`] next.
    pub fn next_deadline(&self) -> Millis {
        self.check_at
    }

    /// Reads the files again if they have changed, or if that is `asked` for. A pair that is broken
    /// changes nothing, and is told of once. Returns whether there is a new one.
    pub fn renew(&mut self, asked: bool, now: Now) -> bool {
        self.check_at = now.ms + millis(CHECK_EVERY);
        // Before they are read: what changes meanwhile is seen the next time.
        let found = [stamp(&self.certificate), stamp(&self.key)];
        if !asked && found == self.tried {
            return false;
        }
        self.tried = found;
        match read(&self.certificate, &self.key, &self.tickets) {
            Ok(config) => {
                info!("the certificate in {} is used from now on", self.certificate.display());
                self.config = config;
                true
            }
            Err(error) => {
                warn!("the certificate stays what it was: {error}");
                false
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&found);
    #[cfg(not(unix))]
    let number = 0;
    Some((found.modified().ok()?, found.len(), number))
}

fn read(
    certificate: &Path,
    key: &Path,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let bytes = read_file("cert", certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| content("cert", certificate, "certificate", &error))?;
    if chain.is_empty() {
        return Err(content("cert", certificate, "certificate", &pem::Error::NoItemsFound));
    }
    let bytes = read_file("key", key)?;
    let private = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| content("key", key, "private key", &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Library)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(CertificateError::Pair)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // All that is known of a session is in its ticket: nothing is kept here for those who are gone.
    config.ticketer = Arc::clone(tickets);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn read_file(what: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|error| CertificateError::Read { what, path: path.to_owned(), error })
}

fn content(what: &'static str, path: &Path, name: &str, error: &pem::Error) -> CertificateError {
    let expected = match error {
        pem::Error::NoItemsFound => format!("there is no {name} in it, in PEM"),
        error => format!("the PEM in it is broken: {error}"),
    };
    CertificateError::Content { what, path: path.to_owned(), expected }
}
