//! wasi:blobstore: `objects VERB CONTAINER …`.
//!
//! Easy to get wrong: the stream of a value must be dropped before the value is finished.

use crate::bindings::blobstore::blobstore;
use crate::bindings::blobstore::container::Container;
use crate::bindings::blobstore::types::{IncomingValue, ObjectId, OutgoingValue};
use crate::bindings::wasi::io::streams::StreamError;
use crate::{joined, number, text, unknown};

/// Bytes that a stream takes in one call.
const PIECE_BYTES: usize = 4_096;

pub(crate) fn run(arguments: &[&str]) -> Result<String, String> {
    let [verb, name, rest @ ..] = arguments else { return Err(unknown(arguments)) };
    let container = || blobstore::get_container(name);
    let done = |()| String::new();
    match (*verb, rest) {
        ("create", []) => blobstore::create_container(name).map(|_| String::new()),
        ("there", []) => blobstore::container_exists(name).map(|there| there.to_string()),
        ("remove", []) => blobstore::delete_container(name).map(done),
        ("write", [object, text]) => write(&container()?, object, text.as_bytes()).map(done),
        ("fill", [object, bytes]) => {
            let bytes = usize::try_from(number(bytes)?).map_err(|error| error.to_string())?;
            write(&container()?, object, &vec![b'x'; bytes]).map(done)
        }
        ("abandon", [object, text]) => {
            let value = OutgoingValue::new_outgoing_value();
            container()?.write_data(object, &value)?;
            put(&value, text.as_bytes()).map(done)
        }
        ("read", [object]) => read(&container()?, object, 0, u64::MAX),
        ("read", [object, start, end]) => read(&container()?, object, number(start)?, number(end)?),
        ("stream", [object]) => stream(&container()?, object),
        ("size", [object]) => container()?.object_info(object).map(|info| info.size.to_string()),
        ("has", [object]) => container()?.has_object(object).map(|there| there.to_string()),
        ("delete", [object]) => container()?.delete_object(object).map(done),
        ("clear", []) => container()?.clear().map(done),
        ("list", []) => list(&container()?),
        ("copy", [object, to, new]) => blobstore::copy_object(&id(name, object), &id(to, new)).map(done),
        ("move", [object, to, new]) => blobstore::move_object(&id(name, object), &id(to, new)).map(done),
        _ => Err(unknown(arguments)),
    }
}

fn id(container: &str, object: &str) -> ObjectId {
    ObjectId { container: container.to_owned(), object: object.to_owned() }
}

fn write(container: &Container, object: &str, bytes: &[u8]) -> Result<(), String> {
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(object, &value)?;
    put(&value, bytes)?;
    OutgoingValue::finish(value)
}

fn put(value: &OutgoingValue, bytes: &[u8]) -> Result<(), String> {
    let stream = value.outgoing_value_write_body().map_err(|()| "no stream".to_owned())?;
    for piece in bytes.chunks(PIECE_BYTES) {
        stream.blocking_write_and_flush(piece).map_err(|error| match error {
            StreamError::LastOperationFailed(error) => error.to_debug_string(),
            StreamError::Closed => "closed".to_owned(),
        })?;
    }
    Ok(())
}

fn read(container: &Container, object: &str, start: u64, end: u64) -> Result<String, String> {
    let value = container.get_data(object, start, end)?;
    IncomingValue::incoming_value_consume_sync(value).map(|bytes| text(&bytes))
}

/// The length of what comes out of the stream.
fn stream(container: &Container, object: &str) -> Result<String, String> {
    let stream = IncomingValue::incoming_value_consume_async(container.get_data(object, 0, u64::MAX)?)?;
    let mut bytes = 0;
    while let Ok(piece) = stream.blocking_read(1 << 16) {
        bytes += piece.len();
    }
    Ok(bytes.to_string())
}

fn list(container: &Container) -> Result<String, String> {
    let (objects, mut names) = (container.list_objects()?, Vec::new());
    loop {
        let (some, ended) = objects.read_stream_object_names(2)?;
        names.extend(some);
        if ended {
            names.sort();
            return Ok(joined(names));
        }
    }
}
