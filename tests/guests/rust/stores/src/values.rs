//! wasi:keyvalue: `values VERB STORE …`.

use crate::bindings::keyvalue::store::{self, Bucket, Error};
use crate::bindings::keyvalue::{atomics, batch};
use crate::{joined, number, text, unknown};

pub(crate) fn run(arguments: &[&str]) -> Result<String, String> {
    let [verb, name, rest @ ..] = arguments else { return Err(unknown(arguments)) };
    let store = store::open(name).map_err(|error| format!("open: {}", told(error)))?;
    act(&store, verb, rest).ok_or_else(|| unknown(arguments))?.map_err(told)
}

fn act(store: &Bucket, verb: &str, rest: &[&str]) -> Option<Result<String, Error>> {
    let done = |()| String::new();
    Some(match (verb, rest) {
        ("open", []) => Ok(String::new()),
        ("set", [key, value]) => store.set(key, value.as_bytes()).map(done),
        ("fill", [key, bytes]) => store.set(key, &vec![b'x'; bytes.parse().ok()?]).map(done),
        ("get", [key]) => store.get(key).map(|value| value.map_or_else(|| "none".to_owned(), |value| text(&value))),
        ("exists", [key]) => store.exists(key).map(|there| there.to_string()),
        ("delete", [key]) => store.delete(key).map(done),
        ("list", []) => list(store),
        ("increment", [key, delta]) => atomics::increment(store, key, number(delta).ok()?).map(|sum| sum.to_string()),
        ("set-many", pairs) => {
            let pairs: Vec<_> = pairs.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].as_bytes().to_vec())).collect();
            batch::set_many(store, &pairs).map(done)
        }
        ("get-many", keys) => batch::get_many(store, &owned(keys)).map(|found| {
            joined(found.into_iter().map(|found| found.map_or_else(|| "none".to_owned(), |(key, value)| format!("{key}={}", text(&value)))))
        }),
        ("delete-many", keys) => batch::delete_many(store, &owned(keys)).map(done),
        _ => return None,
    })
}

/// All keys, page after page, and how many pages there were.
fn list(store: &Bucket) -> Result<String, Error> {
    let (mut keys, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = store.list_keys(cursor)?;
        pages += 1;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(format!("{pages}: {}", joined(keys)));
        }
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn told(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no such store".to_owned(),
        Error::AccessDenied => "access denied".to_owned(),
        Error::Other(text) => text,
    }
}
