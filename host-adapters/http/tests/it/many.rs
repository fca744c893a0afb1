//! Many requests at once.

use crate::world::{ask, limits, request, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_at_once_are_each_answered_by_an_instance_of_their_own() {
    let stage = stage(limits()).await;
    let calls = stage.runtime.usage()[0].calls;
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let service = stage.service();
            tokio::spawn(async move { ask(&service, request("/c")).await.text().to_owned() })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), "1", "no instance was asked before");
    }
    // An instance costs two: one to be made, one to be asked.
    assert_eq!(stage.runtime.usage()[0].calls - calls, 200);
    assert_eq!(stage.instances(), 0);
}
