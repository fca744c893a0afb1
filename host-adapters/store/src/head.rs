//! The head beside the chain: `records.head`, by which a chain that lost its end is noticed.
//!
//! Written after each commit and before the append is acknowledged, so it names a record that is durable. It may lag behind (a crash
//! between the two, or no room for it), never run ahead. It only ever moves forward, also between processes.

use plugwork_core::record::{Broken, Head, Key, PublicKey, Record, Signature, Why};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::folder::Folder;

pub(crate) const NAME: &str = "records.head";
/// The text has about 250 bytes.
pub(crate) const BYTES_MAX: u64 = 1024;

#[derive(Serialize, Deserialize)]
struct Text {
    #[serde(flatten)]
    head: Head,
    signature: Signature,
}

/// The head of an empty chain.
pub(crate) fn empty() -> Head {
    Head { sequence: 0, digest: Record::beginning() }
}

/// The head that was kept. A file that is missing, cannot be read, or is not signed by this key counts as broken: otherwise deleting it
/// would hide a chain cut short.
pub(crate) fn read(folder: &Folder, key: &PublicKey) -> Result<Head> {
    let text = folder.read(NAME, BYTES_MAX)?.and_then(|bytes| serde_json::from_slice::<Text>(&bytes).ok());
    match text {
        Some(text) if text.head.is_signed(&text.signature, key) => Ok(text.head),
        _ => Err(Broken { sequence: 0, why: Why::HeadFile }.into()),
    }
}

/// Writes the first head of a new chain. The caller holds the lock.
pub(crate) fn begin(folder: &Folder, key: &Key) -> Result<()> {
    write(folder, empty(), key)
}

/// Moves the kept head forward; one that is further already stays.
pub(crate) fn advance(folder: &Folder, head: Head, key: &Key) -> Result<()> {
    let _lock = folder.lock()?;
    if read(folder, &key.public())?.sequence < head.sequence { write(folder, head, key) } else { Ok(()) }
}

fn write(folder: &Folder, head: Head, key: &Key) -> Result<()> {
    let text = serde_json::to_vec(&Text { head, signature: head.sign(key) }).expect("numbers and text are JSON");
    folder.replace(NAME, &text)
}
