//! TLS of a listener: its certificate and key, read from files and read again when they change.
//!
//! Easily got wrong: files that are replaced one after the other do not fit each other for a moment. What does not fit is told and not used; connections
//! go on with what was read before, and the next change is looked at again.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use plugwork_core::Issue;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig};

use crate::finding::issue;
use crate::wire::Speaks;

/// Larger files are no certificate and no key.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files of a certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and after it those that lead to one that clients know.
    pub certificate: PathBuf,
    /// Its private key, in PKCS #8, PKCS #1 or SEC1. Others must not be able to read it.
    pub key: PathBuf,
}

/// The TLS of one listener. Clones are one.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    /// What the files looked like when they were last read, whether they could be used or not.
    seen: Mutex<[Option<Seen>; 2]>,
}

/// By which a file that changed is known: device, number, length, and when it was written and put there.
type Seen = (u64, u64, u64, i64, i64, i64, i64);

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(files: &TlsFiles) -> Result<Self, Vec<Issue>> {
        let seen = look(files);
        let config = read(files)?;
        Ok(Self(Arc::new(Inner { files: files.clone(), config: ArcSwap::from(config), seen: Mutex::new(seen) })))
    }

    /// The files.
    pub fn files(&self) -> &TlsFiles {
        &self.0.files
    }

    /// Reads the files again, changed or not. New connections are served with what they hold.
    ///
    /// # Errors
    /// Everything that is wrong with them: what was read before is used on.
    pub fn reload(&self) -> Result<(), Vec<Issue>> {
        // Looked at before they are read: a change in between is found the next time.
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner) = look(&self.0.files);
        self.0.config.store(read(&self.0.files)?);
        Ok(())
    }

    /// Reads the files again if they changed; none where they did not.
    pub fn refresh(&self) -> Option<Result<(), Vec<Issue>>> {
        let before = *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (look(&self.0.files) != before).then(|| self.reload())
    }

    /// Looks at the files every two seconds, and says what came of each change. Never ends.
    pub async fn watch(self, told: impl Fn(&TlsFiles, Result<(), Vec<Issue>>)) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let this = self.clone();
            // A disk that hangs must not hold up who serves.
            if let Ok(Some(outcome)) = tokio::task::spawn_blocking(move || this.refresh()).await {
                told(&self.0.files, outcome);
            }
        }
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.config.load_full()
    }
}

/// What client and server agreed on to speak; none where the client offered nothing.
pub(crate) fn agreed(protocol: Option<&[u8]>) -> Option<Speaks> {
    match protocol? {
        b"h2" => Some(Speaks::Http2),
        _ => Some(Speaks::Http1),
    }
}

fn look(files: &TlsFiles) -> [Option<Seen>; 2] {
    [&files.certificate, &files.key].map(|path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()))
    })
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, Vec<Issue>> {
    let mut findings = Vec::new();
    let mut found = |result: Result<Vec<u8>, Issue>| result.map_err(|issue| findings.push(issue)).ok();
    let certificate = found(bytes(&files.certificate, "certificate", 0));
    // Others than its owner and its group may not read it, and but its owner nobody may write it.
    let key = found(bytes(&files.key, "key", 0o027));
    let chain = certificate.map(|bytes| CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>());
    let chain = chain.and_then(|chain| match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            findings.push(about(&files.certificate, "certificate", "holds no certificate", "PEM with `BEGIN CERTIFICATE`"));
            None
        }
        Err(error) => {
            findings.push(about(&files.certificate, "certificate", &format!("is no PEM: {error}"), "PEM with `BEGIN CERTIFICATE`"));
            None
        }
    });
    let key = key.and_then(|bytes| match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Some(key),
        Err(_) => {
            findings.push(about(&files.key, "key", "holds no private key", "PEM with `BEGIN PRIVATE KEY`, not encrypted"));
            None
        }
    });
    let (Some(chain), Some(key)) = (chain, key) else { return Err(findings) };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| {
        let why = match error {
            Error::InconsistentKeys(_) => format!("is not the key of `{}`", files.certificate.display()),
            other => format!("cannot be used with `{}`: {other}", files.certificate.display()),
        };
        vec![about(&files.key, "key", &why, "the key that the first certificate of the file was made for")]
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn bytes(path: &Path, which: &str, closed: u32) -> Result<Vec<u8>, Issue> {
    let failed = |error: std::io::Error| about(path, which, &format!("cannot be read: {error}"), "a file in PEM");
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(about(path, which, "is no file of at most 1 MiB", "a file in PEM"));
    }
    if metadata.mode() & closed != 0 {
        let why = format!("may be used by others (its mode is {:04o})", metadata.mode() & 0o7777);
        return Err(about(path, which, &why, "mode 0600, or 0640 with a group of its own"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn about(path: &Path, which: &str, what: &str, expected: &str) -> Issue {
    issue(format!("tls.{which}"), format!("`{}` {what}", path.display()), expected)
}
