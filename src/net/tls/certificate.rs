//! The certificate and its key: read at the start, and again when they change.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use log::{info, warn};
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::{Error as TlsError, ServerConfig};
use thiserror::Error;

use crate::clock::{Millis, Now};
use crate::net::clock::millis;
use crate::net::files::open_at_once;
use crate::net::tls::Acceptor;
use crate::net::tls::buffers::Scratch;

/// How often the files are looked at. A renewal has weeks.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// What a key with a passphrase has in its first lines: PKCS #8, and before that (RFC 1421).
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// A chain has a few KiB, and a key less.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

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
    #[error("--tls-key {}: it is encrypted; it is taken without a passphrase only", .0.display())]
    Encrypted(PathBuf),
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
    /// Those who stay through many renewals share one.
    scratch: Rc<RefCell<Scratch>>,
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
        // Whatever can be read once will do here, as the pipe of a program that decrypts a key.
        let config = read(certificate, key, &tickets, |path| File::open(path))?;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let scratch = Rc::default();
        Ok(Certificate { certificate, key, config, tried, tickets, scratch, check_at: 0 })
    }

    pub fn acceptor(&self) -> Acceptor {
        Acceptor::new(Arc::clone(&self.config), Rc::clone(&self.scratch))
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
        match read(&self.certificate, &self.key, &self.tickets, |path| open_at_once(path, 0)) {
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
    open: impl Fn(&Path) -> io::Result<File>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let bytes = read_file("cert", certificate, &open)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| content("cert", certificate, "certificate", &error))?;
    if chain.is_empty() {
        return Err(content("cert", certificate, "certificate", &pem::Error::NoItemsFound));
    }
    let bytes = read_file("key", key, &open)?;
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let is_encrypted = bytes.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
        match is_encrypted {
            true => CertificateError::Encrypted(key.to_owned()),
            false => content("key", key, "private key", &error),
        }
    })?;
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

fn read_file(
    what: &'static str,
    path: &Path,
    open: impl Fn(&Path) -> io::Result<File>,
) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| CertificateError::Read { what, path: path.to_owned(), error })?;
    Ok(bytes)
}

fn content(what: &'static str, path: &Path, name: &str, error: &pem::Error) -> CertificateError {
    let expected = match error {
        pem::Error::NoItemsFound => format!("there is no {name} in it, in PEM"),
        pem::Error::MissingSectionEnd { end_marker } => {
            let end = String::from_utf8_lossy(end_marker);
            format!("the PEM in it is broken: there is no line -----END {end}-----")
        }
        error => format!("the PEM in it is broken: {error}"),
    };
    CertificateError::Content { what, path: path.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const MINUTE: Millis = 60_000;

    /// Writes a new pair with files beside, so that their numbers differ whatever the clock does.
    fn renew_files(directory: &Path, name: &str) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a pair");
        for (file, pem) in
            [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())]
        {
            let new = directory.join("new");
            fs::write(&new, pem).expect("a file");
            fs::rename(new, directory.join(file)).expect("it takes the other's place");
        }
    }

    fn at(ms: Millis) -> Now {
        Now { ms, unix_ms: ms }
    }

    #[test]
    fn files_are_read_again_once_they_have_changed_and_only_then() {
        let directory = std::env::temp_dir().join(format!("chat-renewal-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        renew_files(&directory, "first");
        let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        let mut loaded = Certificate::load(&certificate, &key).expect("a pair");
        let config = |loaded: &Certificate| Arc::as_ptr(&loaded.config);

        assert!(!loaded.renew(false, at(10)), "nothing has changed");
        assert_eq!(loaded.next_deadline(), 10 + MINUTE);
        let first = config(&loaded);
        renew_files(&directory, "second");
        assert!(loaded.renew(false, at(MINUTE)));
        assert_eq!(loaded.next_deadline(), 2 * MINUTE);
        let second = config(&loaded);
        assert_ne!(first, second);
        assert!(!loaded.renew(false, at(2 * MINUTE)));
        // Who asks is not told that there is nothing new.
        assert!(loaded.renew(true, at(2 * MINUTE)));

        // A certificate whose key is still on its way, as it is between two renames.
        let second = config(&loaded);
        let old_key = fs::read(&key).expect("a file");
        renew_files(&directory, "third");
        let new_key = fs::read(&key).expect("a file");
        fs::write(&key, old_key).expect("a file");
        assert!(!loaded.renew(false, at(3 * MINUTE)), "not of use together");
        assert_eq!(config(&loaded), second, "it stays what it was");
        fs::remove_file(&key).expect("it is there");
        assert!(!loaded.renew(false, at(4 * MINUTE)), "it is gone");
        assert!(!loaded.renew(false, at(5 * MINUTE)), "still");
        assert_eq!(config(&loaded), second);
        fs::write(&key, new_key).expect("a file");
        assert!(loaded.renew(false, at(6 * MINUTE)), "only its key has changed");

        // A link that leads elsewhere, as certbot has it.
        #[cfg(unix)]
        {
            let next = directory.join("next");
            fs::create_dir_all(&next).expect("a directory");
            renew_files(&next, "fourth");
            for file in ["cert.pem", "key.pem"] {
                fs::remove_file(directory.join(file)).expect("it is there");
                std::os::unix::fs::symlink(next.join(file), directory.join(file)).expect("a link");
            }
            assert!(loaded.renew(false, at(7 * MINUTE)));
            renew_files(&next, "fifth");
            assert!(loaded.renew(false, at(8 * MINUTE)));
        }
        fs::remove_dir_all(directory).expect("it is ours");
    }

    /// A certificate and its key, in files of a directory that is removed at the end.
    struct Pair(PathBuf);

    impl Pair {
        fn new(name: &str) -> Pair {
            let name = format!("chat-certificate-{name}-{}", std::process::id());
            let pair = Pair(std::env::temp_dir().join(name));
            fs::create_dir_all(&pair.0).expect("a directory");
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
            let made = made.expect("a certificate");
            fs::write(pair.key(), made.signing_key.serialize_pem()).expect("a file");
            fs::write(pair.certificate(), made.cert.pem()).expect("a file");
            pair
        }

        fn certificate(&self) -> PathBuf {
            self.0.join("cert.pem")
        }

        fn key(&self) -> PathBuf {
            self.0.join("key.pem")
        }

        fn load(&self) -> Result<Certificate, CertificateError> {
            Certificate::load(&self.certificate(), &self.key())
        }
    }

    impl Drop for Pair {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_renewal_waits_for_no_pipe() {
        let pair = Pair::new("pipe");
        let (path, files) = (pair.certificate(), (pair.certificate(), pair.key()));
        let (loaded, is_loaded) = mpsc::channel();
        let (replaced, is_replaced) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            let mut certificate = Certificate::load(&files.0, &files.1).expect("a pair");
            loaded.send(()).expect("it is waited for");
            is_replaced.recv().expect("it is replaced");
            done.send(certificate.renew(true, Now::default())).expect("it is waited for");
        });
        is_loaded.recv_timeout(Duration::from_secs(10)).expect("it is read");
        fs::remove_file(&path).expect("it is there");
        assert!(Command::new("mkfifo").arg(&path).status().expect("it runs").success());
        replaced.send(()).expect("it waits");
        assert_eq!(is_done.recv_timeout(Duration::from_secs(10)), Ok(false));
    }

    #[test]
    fn renewals_share_what_is_decrypted_in() {
        let pair = Pair::new("scratch");
        let mut certificate = pair.load().expect("a pair");
        let before = certificate.acceptor();
        assert!(certificate.renew(true, Now::default()));
        assert!(Rc::ptr_eq(&before.scratch, &certificate.acceptor().scratch));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_in_words() {
        let pair = Pair::new("words");
        let (certificate, key) = (fs::read(pair.certificate()), fs::read(pair.key()));
        let (certificate, key) = (certificate.expect("it is there"), key.expect("it is there"));
        let encrypted = "is encrypted";
        for (what, content, expected) in [
            (
                pair.key(),
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n\
                 -----END ENCRYPTED PRIVATE KEY-----\n",
                encrypted,
            ),
            (
                pair.key(),
                "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                 DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
                encrypted,
            ),
            (pair.key(), "", "there is no private key in it"),
            (
                pair.certificate(),
                "-----BEGIN CERTIFICATE-----\nAAAA\n",
                "there is no line -----END CERTIFICATE-----",
            ),
        ] {
            fs::write(&what, content).expect("it is written");
            let said = pair.load().expect_err(content).to_string();
            assert!(said.contains(expected) && said.contains(".pem"), "{content:?}: {said}");
            fs::write(pair.certificate(), &certificate).expect("it is written");
            fs::write(pair.key(), &key).expect("it is written");
        }
        pair.load().expect("a pair");
    }
}
