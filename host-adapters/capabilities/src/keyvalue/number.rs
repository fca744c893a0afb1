//! The one meaning of `increment`, for every back end.
//!
//! Easy to get wrong: a value may be any 64-bit decimal number that was set, a negative one too, but an answer has room for none below 0.

use plugwork::interfaces::storage::StorageError;
use plugwork_core::Issue;

/// A decimal number of 64 bits, absent being 0, and as much more; at most 2^63 - 1.
pub(super) fn sum(value: Option<&[u8]>, delta: u64) -> Result<u64, StorageError> {
    let invalid = |what: &str, expected: &str| {
        StorageError::Invalid(Issue { what: what.to_owned(), at: "value".to_owned(), expected: expected.to_owned() })
    };
    let number = match value {
        None => 0,
        Some(value) => std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or_else(|| invalid("not a number", "a decimal number of 64 bits"))?,
    };
    let sum = i64::try_from(delta).ok().and_then(|delta| number.checked_add(delta));
    sum.and_then(|sum| u64::try_from(sum).ok()).ok_or_else(|| invalid("the sum is out of range", "0 to 9223372036854775807"))
}
