//! The certificate authorities of the system, where OpenSSL would look for them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::CertificateResult;

use crate::error::Shown;
use crate::error::shortage::Shortage;

/// Whom to trust, and what the environment has to do with it.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) roots: RootCertStore,
    /// What the variables that are set bring, for the error of a server that is not trusted.
    pub(super) note: Option<String>,
    /// Something was not read because this machine was short of something. Another time there may be more.
    pub(super) is_cut_short: bool,
}

impl Authorities {
    /// The system's, or Mozilla's where the system has none (bare containers).
    pub(super) fn of_system() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let (file, directories) = (set(FILE), set(DIRECTORIES));
        let found = match (&file, &directories) {
            (None, None) => Found::default().and(rustls_native_certs::load_native_certs()),
            _ => by_variables(file, directories),
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certificates);
        if roots.is_empty() {
            tracing::debug!(target: "tosget::connection", "the system has no authorities: using the built-in list");
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self {
            roots,
            note: (!found.notes.is_empty()).then(|| found.notes.join("; ")),
            is_cut_short: found.is_cut_short,
        }
    }
}

// As OpenSSL has them. Each replaces its own default place and leaves the other's.
const FILE: &str = "SSL_CERT_FILE";
const DIRECTORIES: &str = "SSL_CERT_DIR";

#[derive(Debug, Default)]
struct Found {
    certificates: Vec<CertificateDer<'static>>,
    notes: Vec<String>,
    is_cut_short: bool,
}

impl Found {
    fn and(mut self, read: CertificateResult) -> Self {
        for error in &read.errors {
            tracing::debug!(target: "tosget::connection", %error, "an authority of the system can't be read");
        }
        let shortage = read.errors.iter().find(|error| Shortage::of(*error).is_some());
        if let Some(error) = shortage.filter(|_| !self.is_cut_short) {
            self.is_cut_short = true;
            self.notes.push(format!(
                "not all authorities of the system could be read: {error}"
            ));
        }
        self.certificates.extend(read.certs);
        self
    }

    fn and_named(mut self, variable: &str, path: &Path, read: CertificateResult) -> Self {
        self.notes.push(note(variable, path, &read));
        self.and(read)
    }
}

fn by_variables(file: Option<OsString>, directories: Option<OsString>) -> Found {
    let in_file = |path: &Path| rustls_native_certs::load_certs_from_paths(Some(path), None);
    let in_directory = |path: &Path| rustls_native_certs::load_certs_from_paths(None, Some(path));
    let found = Found::default();
    let found = match file.map(PathBuf::from) {
        Some(path) => found.and_named(FILE, &path, in_file(&path)),
        None => default_file()
            .into_iter()
            .fold(found, |found, path| found.and(in_file(&path))),
    };
    match directories {
        Some(directories) => env::split_paths(&directories)
            .filter(|path| !path.as_os_str().is_empty())
            .fold(found, |found, path| {
                found.and_named(DIRECTORIES, &path, in_directory(&path))
            }),
        None => openssl_probe::candidate_cert_dirs().fold(found, |found, path| found.and(in_directory(path))),
    }
}

/// Where there is no variable for it.
fn default_file() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}

fn note(variable: &str, path: &Path, read: &CertificateResult) -> String {
    match (read.certs.len(), read.errors.first()) {
        (0, Some(error)) => format!("{variable} names {}, which can't be read: {error}", Shown(path)),
        (0, None) => format!("{variable} names {}, which holds no authority", Shown(path)),
        (count, _) => format!("{variable} names {}, which holds {count}", Shown(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_variable_replaces_its_own_place_and_leaves_the_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let own = directory.path().join("own.pem");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(Vec::new())
            .expect("parameters")
            .self_signed(&key);
        fs::write(&own, certificate.expect("a certificate").pem()).expect("written");
        let empty = directory.path().join("empty");
        fs::create_dir(&empty).expect("made");
        let count = |file: Option<&Path>, directories: Option<&Path>| {
            let value = |path: Option<&Path>| path.map(|path| path.as_os_str().to_owned());
            by_variables(value(file), value(directories)).certificates.len()
        };
        let nothing = Path::new("/dev/null");
        let (in_default_directories, in_default_file) =
            (count(Some(nothing), None), count(None, Some(&empty)));
        assert_eq!(count(Some(&own), None), in_default_directories + 1);
        assert_eq!(count(None, Some(directory.path())), in_default_file + 1);
        assert_eq!(count(Some(&own), Some(&empty)), 1);
        assert_eq!(count(Some(nothing), Some(&empty)), 0);
        assert_eq!(
            in_default_file > 0,
            default_file().is_some(),
            "it is read where there is one"
        );
    }

    #[test]
    fn what_a_variable_names_is_told() {
        let notes = by_variables(Some("/nowhere".into()), Some("/dev/null/x:/nowhere".into())).notes;
        assert!(
            notes[0].starts_with("SSL_CERT_FILE names /nowhere, which can't be read"),
            "{notes:?}"
        );
        assert_eq!(notes.len(), 3, "each directory: {notes:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_shortage_is_told_and_is_not_the_last_word() {
        let failed = |errno: rustix::io::Errno| {
            let mut read = CertificateResult::default();
            read.errors.push(rustls_native_certs::Error {
                context: "failed to open",
                kind: rustls_native_certs::ErrorKind::Io {
                    inner: errno.into(),
                    path: "/etc/ssl/certs".into(),
                },
            });
            read
        };
        let found = Found::default()
            .and(failed(rustix::io::Errno::NOENT))
            .and(failed(rustix::io::Errno::MFILE))
            .and(failed(rustix::io::Errno::NFILE));
        assert!(found.is_cut_short);
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
        let found = Found::default().and(failed(rustix::io::Errno::ACCESS));
        assert!(!found.is_cut_short && found.notes.is_empty());
    }
}
