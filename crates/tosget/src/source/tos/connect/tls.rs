//! TLS as the user wants it: whom to trust, who we are, or, on request, trust without proof.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use thiserror::Error;

use super::authorities::Authorities;

/// Whom to trust and who we are.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    /// `false` accepts any certificate from anyone.
    pub(crate) verify: bool,
    /// PEM file of authorities to trust besides the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// PEM files of our certificate chain and its private key.
    pub(crate) client_certificate: Option<(PathBuf, PathBuf)>,
}

impl TlsSettings {
    /// Reads the files and the system's authorities, now and once.
    pub(crate) fn load(&self) -> Result<Loaded, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Refused)?;
        let (mut note, mut is_cut_short) = (None, false);
        let builder = if self.verify {
            let authorities = self.authorities()?;
            (note, is_cut_short) = (authorities.note, authorities.is_cut_short);
            builder.with_root_certificates(authorities.roots)
        } else {
            let verifier = Arc::new(AcceptAnyone(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier)
        };
        let mut config = match &self.client_certificate {
            Some((chain, key)) => builder
                .with_client_auth_cert(certificates(chain)?, private_key(key)?)
                .map_err(TlsError::Refused)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Loaded {
            config: Arc::new(config),
            note,
            is_cut_short,
        })
    }

    fn authorities(&self) -> Result<Authorities, TlsError> {
        let mut authorities = Authorities::of_system();
        if let Some(path) = &self.ca_file {
            for certificate in certificates(path)? {
                let added = authorities.roots.add(certificate);
                added.map_err(TlsError::Refused)?;
            }
        }
        Ok(authorities)
    }
}

/// What was read.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(super) config: Arc<ClientConfig>,
    /// What the environment says of whom to trust.
    pub(super) note: Option<String>,
    is_cut_short: bool,
}

/// TLS for one client, set up when it is first needed: who speaks plain HTTP need not read certificates.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: TlsSettings,
    loaded: OnceLock<Loaded>,
}

impl Tls {
    pub(crate) fn new(settings: TlsSettings) -> Self {
        Self {
            settings,
            loaded: OnceLock::new(),
        }
    }

    /// The configuration; the files are read at the first call that can read them all, and no more.
    pub(crate) fn load(&self) -> Result<Loaded, TlsError> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded.clone());
        }
        let loaded = self.settings.load()?;
        match loaded.is_cut_short {
            true => Ok(loaded),
            false => Ok(self.loaded.get_or_init(|| loaded).clone()),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| TlsError::file(path, source))?;
    match certificates.is_empty() {
        true => Err(TlsError::file(path, pem::Error::NoItemsFound)),
        false => Ok(certificates),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::file(path, source))
}

/// Why TLS can't be set up as asked.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error("can't read the PEM file {}", path.display())]
    File { path: PathBuf, source: pem::Error },
    #[error("a certificate or private key can't be used")]
    Refused(#[source] rustls::Error),
}

impl TlsError {
    fn file(path: &Path, source: pem::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Takes whatever the peer shows. Encryption without knowing to whom.
#[derive(Debug)]
struct AcceptAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
