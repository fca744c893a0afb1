//! The sizes a batch may have, as the contract (`wit/table/types.wit`) states them.
//!
//! Only numbers live here. They are part of the published contract: a host that raised one would accept batches
//! that every other host and every SDK refuses.

/// Rows in one batch, 8,192. Beyond it the fixed cost of a call no longer shows (`facts/wasmtime.md` section 9), while
/// memory held twice, once on each side, does.
pub const ROWS_MAX: u32 = 8_192;

/// Columns in one batch, 256.
pub const COLUMNS_MAX: usize = 256;

/// Bytes of one column name, 128; the least is 1.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes over the validity, offsets and values buffers of all columns of one batch: 1 MiB (1,048,576). Names and
/// format strings are not counted; they have limits of their own.
pub const BUFFER_BYTES_MAX: u64 = 1 << 20;

/// Bytes of the time zone name in a timestamp format, 64. The longest name in the IANA database has 32.
pub const ZONE_BYTES_MAX: usize = 64;

/// Digits of a 128 bit decimal, 38: the most for which every number fits.
pub const DECIMAL_PRECISION_DIGITS_MAX: u8 = 38;
