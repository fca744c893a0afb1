//! A Unix socket's file: how it gets its place, and how it leaves it.
//!
//! Easily got wrong: it outlives its server. One that nobody answers behind is replaced; one with a server behind it, and any other file, is never. And between
//! binding a socket and giving it its mode there is a moment, so it is made where nobody else may enter, and appears under its name with its mode.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use plugwork::observer::through;

/// The file of a socket, removed when this is dropped: unless by then it is another server's.
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity) {
            // Where that fails the next server finds it stale.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Listens on a socket of that name, for whom this mode lets connect. What a server that is gone left there is replaced.
///
/// # Errors
/// [`ErrorKind::AddrInUse`]: a server answers there. [`ErrorKind::AlreadyExists`]: it is no socket. Or the folder cannot be written.
pub(crate) fn bind(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(".").rand_bytes(4).tempdir_in(folder)?;
    let staged = made.path().join("s");
    // Through their folders, here and below: a socket's path may have 108 bytes only.
    let listener = UnixListener::bind(through(&File::open(made.path())?, "s"))?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&staged, Permissions::from_mode(mode))?;
    let metadata = fs::symlink_metadata(&staged)?;
    let file = SocketFile { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) };
    // A link is made only where there is nothing: two servers that start at once cannot both have it.
    match fs::hard_link(&staged, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            remove_stale(folder, path)?;
            fs::hard_link(&staged, path)?;
        }
        other => other?,
    }
    Ok((listener, file))
}

/// Removes a socket that nobody answers behind.
fn remove_stale(folder: &Path, path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file of that name which is no socket; move it away"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match UnixStream::connect(through(&File::open(folder)?, &name)) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another server answers there")),
    }
}
