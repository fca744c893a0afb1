//! Which server is meant, and as whom it is asked.
//!
//! Easy to get wrong: a token is worth what it opens, so it is read from a file that only its owner reads, and is sent unencrypted to this machine only.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plugwork_core::name::is_label;
use plugwork_edge::admin::SOCKET;

use super::client::{At, Client};
use crate::exit::Failure;
use crate::host::Place;

/// The arguments of every verb that asks a server.
#[derive(clap::Args)]
pub(crate) struct Reach {
    /// The server, as `http://127.0.0.1:PORT`. Default: the one of the state folder, by its socket.
    #[arg(long, value_name = "URL", requires = "token_file")]
    server: Option<String>,
    /// A file with a token. By the socket none is needed.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// On whose behalf, where a server has several tenants.
    #[arg(long, value_name = "TENANT", value_parser = label)]
    pub(crate) tenant: Option<String>,
}

impl Reach {
    /// A client of that server.
    pub(crate) fn client(&self, place: &Place) -> Result<Client, Failure> {
        let token = self.token_file.as_deref().map(token).transpose()?;
        let at = match &self.server {
            Some(url) => At::Port(address(url)?),
            None => At::Socket(place.state()?.join(SOCKET)),
        };
        Ok(Client::new(at, token))
    }

    /// Whether a server is to be asked as somebody who has a token, and not the state folder looked into.
    pub(crate) fn is_said(&self) -> bool {
        self.server.is_some() || self.token_file.is_some()
    }

    /// The tenant as a part of a query, `?` in front.
    pub(crate) fn query(&self) -> String {
        self.tenant.as_ref().map(|tenant| format!("?tenant={tenant}")).unwrap_or_default()
    }
}

/// The name of an application, a plugin or a tenant.
pub(crate) fn label(text: &str) -> Result<String, String> {
    if is_label(text) { Ok(text.to_owned()) } else { Err("expected lower case words joined by `-`".to_owned()) }
}

fn address(url: &str) -> Result<SocketAddr, Failure> {
    let wrong = |what: &str| Failure::usage(format_args!("`{url}` {what}\nhint: `--server http://127.0.0.1:PORT`"));
    let rest = url.strip_prefix("http://").ok_or_else(|| wrong("is no `http://` address"))?;
    let rest = rest.trim_end_matches('/').replace("localhost:", "127.0.0.1:");
    let address: SocketAddr = rest.parse().map_err(|_| wrong("is no address with a port"))?;
    if !is_loopback(address.ip()) {
        return Err(Failure::refused(format_args!(
            "`{url}` is another machine, and a token would go there unencrypted\nhint: `ssh -L 9090:{address} HOST`, then `--server http://127.0.0.1:9090`"
        )));
    }
    Ok(address)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn token(file: &Path) -> Result<String, Failure> {
    /// More than any token has.
    const BYTES_MAX: u64 = 4_096;
    let doing = format!("cannot read the token in `{}`", file.display());
    let metadata = std::fs::metadata(file).map_err(|error| Failure::from(error).while_doing(&doing))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(Failure::refused(format_args!("{doing}: others may read it\nhint: `chmod 600 {}`", file.display())));
    }
    if metadata.len() > BYTES_MAX {
        return Err(Failure::usage(format_args!("{doing}: it has {} bytes", metadata.len())));
    }
    let text = std::fs::read_to_string(file).map_err(|error| Failure::from(error).while_doing(&doing))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(format_args!("{doing}: it holds no token\nhint: `plugwork token issue … -o FILE` writes one")));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_this_machine_only() {
        for url in ["http://127.0.0.1:9", "http://localhost:9/", "http://[::1]:9", "http://127.8.8.8:9"] {
            assert!(address(url).is_ok(), "{url}");
        }
        for url in
            ["https://127.0.0.1:9", "127.0.0.1:9", "http://127.0.0.1", "http://192.0.2.1:9", "http://[2001:db8::1]:9", "http://a.example:9"]
        {
            assert!(address(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_token_that_others_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "secret\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(token(&file).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(token(&file).unwrap(), "secret");
    }
}
