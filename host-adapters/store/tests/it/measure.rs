//! Temporary.
use crate::sample::{AT_MS, enabled, granted, subject, temporary};
use plugwork_core::record::Records;
use std::time::Instant;
#[tokio::test]
async fn measure_many() {
    let store = temporary().await;
    let start = Instant::now();
    for batch in 0..100 {
        let events = (0..1000).flat_map(|i| { let s = subject("default", &format!("i{batch}-{i}")); [granted(s.clone(), ""), enabled(s, "dark")] }).collect();
        store.append(AT_MS, events).await.unwrap();
    }
    eprintln!("append 200k {:?}", start.elapsed());
    for _ in 0..3 {
        let start = Instant::now();
        let n = store.lifecycles().await.unwrap().len();
        eprintln!("lifecycles {n} {:?}", start.elapsed());
    }
    let start = Instant::now();
    let n = store.consents().await.unwrap().len();
    eprintln!("consents {n} {:?}", start.elapsed());
}
