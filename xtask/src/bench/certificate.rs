//! A certificate for 127.0.0.1 and the authority that vouches for it, made for one benchmark.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

use crate::failure::{About, Failure, Result};

/// Three PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) authority: PathBuf,
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    pub(crate) fn make_in(directory: &Path) -> Result<Self> {
        let (authority, chain, key) =
            generate().map_err(|error| Failure::new(format!("no certificate could be made: {error}")))?;
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            fs::write(&path, text).about(path.display()).map(|()| path)
        };
        Ok(Self {
            authority: write("ca.pem", authority)?,
            chain: write("cert.pem", chain)?,
            key: write("key.pem", key)?,
        })
    }
}

/// The PEM texts in the order of the fields.
fn generate() -> std::result::Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "tosget benchmark");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let server = server.signed_by(&key, &authority)?;
    Ok((authority.pem(), server.pem(), key.serialize_pem()))
}
