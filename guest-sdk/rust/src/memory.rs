//! The allocator of a plugin: talc, with its first 64 KiB in the module itself.
//!
//! Rust's own for this target asks for more memory before its first allocation, in every new instance, and a host that gives each call a new one
//! pays for that twice: when it grows and when it is reset. Here a call that needs little asks for nothing. Not here: components for WASI, whose C library
//! begins with what there is.

use std::alloc::Layout;
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

const PAGE: usize = 64 << 10;

/// 2 GiB but one page.
const PAGES_MAX: usize = (1 << 15) - 1;

/// What an allocation may need on top of its bytes and its alignment.
const OVERHEAD: usize = 256;

#[global_allocator]
static MEMORY: TalcSyncCell<Growing, WasmBinning> = TalcSyncCell::new_wasm(Growing { end: None, began: false });

/// Zeroes to the linker: they take no room in the file.
struct First(UnsafeCell<MaybeUninit<[u8; PAGE]>>);

// SAFETY: a module has one thread, and only the allocator takes its address.
#[allow(unsafe_code, reason = "memory that an allocator gives out is mutable and has one address")]
unsafe impl Sync for First {}

static FIRST: First = First(UnsafeCell::new(MaybeUninit::uninit()));

/// The first page, and then as many as are needed.
#[derive(Debug)]
struct Growing {
    /// Where the part ends that was grown.
    end: Option<NonNull<u8>>,
    began: bool,
}

// SAFETY: nothing in here allocates, and each range is given away once: `FIRST` by the flag, a grown one because growing gives new pages each time.
#[allow(unsafe_code, reason = "this is where memory comes from")]
unsafe impl Source for Growing {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let needed = layout.size().checked_add(layout.align() + OVERHEAD).ok_or(())?;
        if !std::mem::replace(&mut talc.source.began, true) {
            // SAFETY: all of it is this allocator's, and was not given away before.
            let claimed = unsafe { talc.claim(FIRST.0.get().cast(), PAGE) };
            if claimed.is_some() && needed <= PAGE {
                return Ok(());
            }
        }
        let pages = needed.div_ceil(PAGE);
        // So that no address plus a size goes past the last one: talc adds the two, and a size is up to the half of all addresses.
        if memory_size::<0>().saturating_add(pages) > PAGES_MAX {
            return Err(());
        }
        let before = memory_grow::<0>(pages);
        if before == usize::MAX {
            return Err(());
        }
        let base = (before * PAGE) as *mut u8;
        talc.source.end = match talc.source.end.filter(|end| end.as_ptr() == base) {
            // SAFETY: the pages after its end are new, so nobody else's.
            Some(end) => Some(unsafe { talc.extend(end, (base as usize).saturating_add(pages * PAGE) as *mut u8) }),
            // SAFETY: new pages, nobody else's.
            None => unsafe { talc.claim(base, pages * PAGE) },
        };
        talc.source.end.map(drop).ok_or(())
    }
}
