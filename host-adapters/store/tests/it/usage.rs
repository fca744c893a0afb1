//! The contract of `UsageLedger`: sums that only grow, pages in order, and nothing of one tenant for another. Memory and SQLite both run it.

use plugwork_core::metering::{Memory, UsageHour, UsageKey, UsageLedger, UsageQuery, UsageSum};
use plugwork_core::record::Records;

use crate::sample::{self, AT_MS, UNINDEX, execute, raw, temporary};

fn row(hour: u64, tenant: &str, application: &str, requests: u64) -> UsageHour {
    let key = UsageKey { hour, tenant: tenant.to_owned(), application: application.to_owned(), plugin: "p".to_owned() };
    UsageHour { key, sum: UsageSum { requests, cpu_ms: 2, memory_byte_ms: 3, egress_bytes: 4, host_calls: 5, faults: 6 } }
}

async fn contract(ledger: &dyn UsageLedger) {
    assert!(ledger.usage(UsageQuery::default()).await.unwrap().is_empty());
    ledger.add_usage(vec![row(7, "b", "shop", 1), row(8, "a", "shop", 1), row(7, "a", "shop", 1)]).await.unwrap();
    ledger.add_usage(vec![row(7, "a", "shop", 10), row(7, "a", "blog", 1)]).await.unwrap();
    let all = ledger.usage(UsageQuery::default()).await.unwrap();
    let seen: Vec<_> =
        all.iter().map(|row| (row.key.hour, row.key.tenant.as_str(), row.key.application.as_str(), row.sum.requests)).collect();
    assert_eq!(seen, [(7, "a", "blog", 1), (7, "a", "shop", 11), (7, "b", "shop", 1), (8, "a", "shop", 1)]);
    assert_eq!(all[1].sum, UsageSum { requests: 11, cpu_ms: 4, memory_byte_ms: 6, egress_bytes: 8, host_calls: 10, faults: 12 });
    let of = |query: UsageQuery| async { ledger.usage(query).await.unwrap().len() };
    assert_eq!(of(UsageQuery { tenant: Some("b".to_owned()), ..UsageQuery::default() }).await, 1);
    assert_eq!(of(UsageQuery { tenant: Some("c".to_owned()), ..UsageQuery::default() }).await, 0);
    assert_eq!(of(UsageQuery { application: Some("blog".to_owned()), ..UsageQuery::default() }).await, 1);
    assert_eq!(of(UsageQuery { plugin: Some("q".to_owned()), ..UsageQuery::default() }).await, 0);
    assert_eq!(of(UsageQuery { from_hour: 8, ..UsageQuery::default() }).await, 1);
    assert_eq!(of(UsageQuery { until_hour: 8, ..UsageQuery::default() }).await, 3);
    let mut paged = Vec::new();
    loop {
        let after = paged.last().map(|row: &UsageHour| row.key.clone());
        let page = ledger.usage(UsageQuery { after, limit: 3, ..UsageQuery::default() }).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let of_a = UsageQuery { tenant: Some("a".to_owned()), limit: 1, ..UsageQuery::default() };
    let mut paged = ledger.usage(of_a.clone()).await.unwrap();
    while let [row] = &ledger.usage(UsageQuery { after: paged.last().map(|row| row.key.clone()), ..of_a.clone() }).await.unwrap()[..] {
        paged.push(row.clone());
    }
    assert_eq!(paged, [all[0].clone(), all[1].clone(), all[3].clone()]);
    let until = UsageQuery { from_hour: 8, after: Some(all[0].key.clone()), ..of_a };
    assert_eq!(ledger.usage(until).await.unwrap(), [all[3].clone()], "both bounds hold");
    ledger.add_usage(vec![row(9, "a", "shop", u64::MAX)]).await.unwrap();
    ledger.add_usage(vec![row(9, "a", "shop", u64::MAX)]).await.unwrap();
    let most = ledger.usage(UsageQuery { from_hour: 9, ..UsageQuery::default() }).await.unwrap()[0].sum;
    assert!(most.requests >= i64::MAX as u64 && most.cpu_ms == 4, "{most:?}");
}

#[tokio::test]
async fn usage_in_memory_keeps_the_contract() {
    contract(&Memory::default()).await;
}

#[tokio::test]
async fn usage_on_disk_keeps_the_contract_and_outlives_the_process() {
    let store = temporary().await;
    contract(&*store).await;
    let before = store.usage(UsageQuery::default()).await.unwrap();
    store.close().await;
    let again = plugwork_store::Store::open(store.folder.path()).await.unwrap();
    assert_eq!(again.usage(UsageQuery::default()).await.unwrap(), before);
}

#[tokio::test]
async fn a_database_from_before_there_was_usage_is_brought_up_and_keeps_its_records() {
    let store = temporary().await;
    let records = store.append(AT_MS, vec![sample::faulted("kept")]).await.unwrap();
    store.close().await;
    execute(&mut raw(&store.folder, "records.db").await, &format!("DROP TABLE usage; {UNINDEX}; PRAGMA user_version = 3")).await;
    let again = plugwork_store::Store::open(store.folder.path()).await.unwrap();
    assert_eq!(again.read(0, 9).await.unwrap(), records);
    again.add_usage(vec![row(1, "a", "shop", 1)]).await.unwrap();
    again.verify().await.unwrap();
}

#[tokio::test]
async fn rows_that_cannot_be_kept_are_none_of_them_and_harm_no_deployment() {
    let store = temporary().await;
    let mut database = raw(&store.folder, "records.db").await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON usage WHEN new.application = 'blog' BEGIN SELECT RAISE(ABORT, 'no room'); END";
    execute(&mut database, full).await;
    assert!(store.add_usage(vec![row(1, "a", "shop", 1), row(1, "a", "blog", 1)]).await.is_err());
    assert!(store.usage(UsageQuery::default()).await.unwrap().is_empty());
    store.append(AT_MS, vec![sample::faulted("goes on")]).await.unwrap();
    execute(&mut database, "DROP TRIGGER full").await;
    store.add_usage(vec![row(1, "a", "blog", 1)]).await.unwrap();
}
