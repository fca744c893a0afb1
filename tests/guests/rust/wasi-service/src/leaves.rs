//! What a guest leaves running, or open, behind a whole answer.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::Response;
use wasip3::wit_bindgen::backpressure_inc;
use wasip3::{spawn_local, wit_stream};

use crate::bad::{spin, streams};
use crate::text;

pub(crate) fn handle(what: &str) -> Response {
    leave(what);
    text("done".to_owned())
}

fn leave(what: &str) {
    let _goes_on = match what {
        "a-little" => spawn_local(wait_for(20_000_000)),
        "a-sleep" => spawn_local(wait_for(3_600_000_000_000)),
        "a-loop" => spawn_local(async {
            // The answer is out by then.
            wait_for(20_000_000).await;
            spin();
        }),
        "tasks" => spawn_local(async {
            loop {
                spawn_local(wait_for(3_600_000_000_000));
                wait_for(0).await;
            }
        }),
        "work" => spawn_local(async {
            loop {
                wait_for(1_000_000).await;
            }
        }),
        "streams" => return streams(),
        "a-reader" => spawn_local(async {
            let (_writer, mut reader) = wit_stream::new::<u8>();
            drop(reader.read(Vec::with_capacity(1)).await);
        }),
        "a-writer" => spawn_local(async {
            let (mut writer, _reader) = wit_stream::new::<u8>();
            writer.write_all(vec![1]).await;
        }),
        "backpressure" => return backpressure_inc(),
        _ => return,
    };
}
