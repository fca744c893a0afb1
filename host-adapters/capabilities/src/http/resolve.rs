//! Names to addresses. What comes out is only a proposal: `dial` decides on each address.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// The addresses of a name, or why there are none.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the addresses of a name. Asked once for each new connection.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`, in the order in which they should be tried. It must end: eight are looked up at once for each grant, and a
    /// lookup keeps its place until then, though nobody may wait for it any more.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolved<'a>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolved<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}
