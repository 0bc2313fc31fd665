//! Whom a client trusts: those whose certificate leads to an authority of this system, or to one that
//! was named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs as provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};

use super::ClientError;

/// Whose word is taken for who a server is.
#[derive(Clone, Debug)]
pub enum Trust {
    System,
    /// The authorities in this file, in PEM.
    File(PathBuf),
    /// Anybody's: the line cannot be read on its way, but nobody knows who is at the other end.
    Anybody,
}

/// The beginning of TLS with this host.
pub fn begin(host: &str, trust: &Trust) -> Result<ClientConnection, ClientError> {
    let provider = Arc::new(provider::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let config = match trust {
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
            .with_no_client_auth(),
        Trust::System => builder.with_root_certificates(of_system()?).with_no_client_auth(),
        Trust::File(path) => builder.with_root_certificates(of_file(path)?).with_no_client_auth(),
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ClientError::Name { host: host.to_owned() })?;
    ClientConnection::new(Arc::new(config), name).map_err(ClientError::Tls)
}

/// What cannot be read of them is left out, as elsewhere on the system.
fn of_system() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(ClientError::NoAuthorities) } else { Ok(roots) }
}

fn of_file(path: &Path) -> Result<RootCertStore, ClientError> {
    let failed = |error: String| ClientError::Authorities { path: path.to_owned(), error };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        Err(failed("there is no certificate in it".to_owned()))
    } else {
        Ok(roots)
    }
}

/// Takes every certificate, of which the server has to have the key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
