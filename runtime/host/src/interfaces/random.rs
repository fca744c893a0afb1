//! `wasi:random` over `wasmtime-wasi`: its limit for one call, and the plugin's limit for a second.
//!
//! These functions have no way to say no, so a plugin past its limit traps with the denial's text.

use std::sync::Arc;

use wasmtime::component::HasData;
use wasmtime_wasi::random::WasiRandomCtx;

use crate::account::Account;

pub(crate) struct HasRandom;

impl HasData for HasRandom {
    type Data<'a> = Drawing<'a>;
}

/// An instance's source of randomness, charged to its plugin.
pub(crate) struct Drawing<'a> {
    pub(crate) inner: &'a mut WasiRandomCtx,
    pub(crate) account: &'a Arc<Account>,
}

impl Drawing<'_> {
    /// Charged when drawn: how many bytes one call gives is for the inner limit to say, and no call gives more than that.
    fn charged<T>(&self, bytes: usize, drawn: T) -> wasmtime::Result<T> {
        match self.account.may_draw_random(bytes as u64) {
            Ok(()) => Ok(drawn),
            Err(denial) => Err(wasmtime::format_err!("{denial}")),
        }
    }
}

mod p2 {
    use super::Drawing;
    use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

    impl random::Host for Drawing<'_> {
        fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
            let bytes = random::Host::get_random_bytes(self.inner, length)?;
            self.charged(bytes.len(), bytes)
        }

        fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
            let number = random::Host::get_random_u64(self.inner)?;
            self.charged(8, number)
        }
    }

    impl insecure::Host for Drawing<'_> {
        fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
            let bytes = insecure::Host::get_insecure_random_bytes(self.inner, length)?;
            self.charged(bytes.len(), bytes)
        }

        fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
            let number = insecure::Host::get_insecure_random_u64(self.inner)?;
            self.charged(8, number)
        }
    }

    impl insecure_seed::Host for Drawing<'_> {
        fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
            insecure_seed::Host::insecure_seed(self.inner)
        }
    }
}

mod p3 {
    use super::Drawing;
    use wasmtime_wasi::p3::bindings::random::{insecure, insecure_seed, random};

    impl random::Host for Drawing<'_> {
        fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
            let bytes = random::Host::get_random_bytes(self.inner, length)?;
            self.charged(bytes.len(), bytes)
        }

        fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
            let number = random::Host::get_random_u64(self.inner)?;
            self.charged(8, number)
        }
    }

    impl insecure::Host for Drawing<'_> {
        fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
            let bytes = insecure::Host::get_insecure_random_bytes(self.inner, length)?;
            self.charged(bytes.len(), bytes)
        }

        fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
            let number = insecure::Host::get_insecure_random_u64(self.inner)?;
            self.charged(8, number)
        }
    }

    impl insecure_seed::Host for Drawing<'_> {
        fn get_insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
            insecure_seed::Host::get_insecure_seed(self.inner)
        }
    }
}
