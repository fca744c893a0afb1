//! Filling a folder in every way there is, and being told when it is full.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};

pub(crate) fn run(arguments: &[&str]) -> io::Result<String> {
    let number = |text: &str| text.parse::<u64>().map_err(io::Error::other);
    match arguments {
        ["fill", path, bytes] => fill(File::create(path)?, number(bytes)?),
        ["fill-on", path, bytes] => fill(OpenOptions::new().append(true).create(true).open(path)?, number(bytes)?),
        ["overwrite", path, bytes] => fill(OpenOptions::new().write(true).open(path)?, number(bytes)?),
        ["write-at", path, offset, bytes] => {
            let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            file.seek(SeekFrom::Start(number(offset)?))?;
            fill(file, number(bytes)?)
        }
        ["set-size", path, bytes] => {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            file.set_len(number(bytes)?).map(|()| String::new())
        }
        ["make-files", folder, count] => until_told(number(count)?, |index| File::create(format!("{folder}/{index}")).map(drop)),
        ["make-folders", folder, count] => until_told(number(count)?, |index| fs::create_dir(format!("{folder}/d{index}"))),
        ["make-links", path, count] => until_told(number(count)?, |index| fs::hard_link(path, format!("{path}.{index}"))),
        ["open-many", path, count] => {
            let mut open = Vec::new();
            until_told(number(count)?, |_| File::open(path).map(|file| open.push(file)))
        }
        // Removed while open: the bytes are still on the disk.
        ["orphans", bytes, count] => {
            let mut open = Vec::new();
            let told = until_told(number(count)?, |index| {
                let path = format!("/orphan-{index}");
                let mut file = File::create(&path)?;
                let written = file.write_all(&vec![b'o'; usize::try_from(number(bytes)?).unwrap_or(0)]);
                fs::remove_file(&path)?;
                open.push(file);
                written
            });
            drop(open);
            told
        }
        ["read-often", path, times] => {
            let mut seen = BTreeSet::new();
            for _ in 0..number(times)? {
                seen.insert(fs::read_to_string(path).unwrap_or_else(|error| format!("{:?}", error.kind())));
            }
            Ok(seen.into_iter().collect::<Vec<_>>().join(" "))
        }
        ["write-often", path, times] => {
            for _ in 0..number(times)? {
                let _ = fs::write(path, "changed by the guest");
                let _ = fs::remove_file(path);
            }
            Ok(String::new())
        }
        other => Err(io::Error::other(format!("`{other:?}` is nothing this guest does"))),
    }
}

/// Writes so many bytes in pieces.
fn fill(mut file: File, bytes: u64) -> io::Result<String> {
    let mut left = usize::try_from(bytes).unwrap_or(0);
    while left > 0 {
        let now = left.min(10_000);
        file.write_all(&vec![b'x'; now])?;
        left -= now;
    }
    Ok(String::new())
}

/// Does something so often, or until it fails: how often it worked, and what was told then.
fn until_told(count: u64, mut act: impl FnMut(u64) -> io::Result<()>) -> io::Result<String> {
    for index in 0..count {
        if let Err(error) = act(index) {
            return Ok(format!("{index} {:?}", error.kind()));
        }
    }
    Ok(count.to_string())
}
