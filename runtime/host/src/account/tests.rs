//! Sums, slots, rates and revocation of an account.

use super::*;

fn account(limits: Limits) -> Arc<Account> {
    Account::of_test(limits)
}

#[test]
fn what_the_host_holds_and_what_instances_hold_are_one_sum() {
    let account = account(Limits { plugin_memory_bytes: 100, ..Limits::interactive() });
    account.charge_memory(60).unwrap();
    let hold = account.hold(40).unwrap();
    let denial = account.hold(1).err().unwrap();
    assert_eq!((denial.code.as_str(), denial.hint.as_str()), ("E-LIMIT-PLUGIN-MEMORY", "limits.plugin-memory-bytes = 101"));
    assert_eq!(account.charge_memory(1), Err(Fault::PluginMemory { limit_bytes: 100, asked_bytes: 101 }));
    drop(hold);
    account.charge_memory(40).unwrap();
    assert_eq!(account.snapshot().memory_peak_bytes, 100);
}

#[test]
fn a_length_that_would_wrap_around_is_denied() {
    let account = account(Limits { plugin_memory_bytes: 100, ..Limits::interactive() });
    let _hold = account.hold(40).unwrap();
    for bytes in [u64::MAX, u64::MAX - 39, 101] {
        assert_eq!(account.hold(bytes).err().unwrap().code, "E-LIMIT-PLUGIN-MEMORY");
    }
    assert!(account.hold(60).is_ok());
}

#[test]
fn one_request_too_many_is_denied_and_a_closed_one_makes_room() {
    let account = account(Limits { requests: 2, ..Limits::interactive() });
    let (first, _second) = (account.open_request().unwrap(), account.open_request().unwrap());
    assert_eq!(account.open_request().err().unwrap().code, "E-LIMIT-REQUESTS");
    drop(first);
    assert!(account.open_request().is_ok());
}

#[test]
fn egress_beyond_the_rate_waits_and_within_it_does_not() {
    let account = account(Limits { egress_bytes_per_second: Some(1_000), ..Limits::interactive() });
    assert_eq!(account.egress(900), Duration::ZERO);
    assert!(account.egress(1_100) > Duration::from_millis(500));
}

#[tokio::test]
async fn a_revocation_is_heard_by_who_waits_and_by_who_comes_later() {
    let account = account(Limits::interactive());
    let theirs = account.clone();
    let waiting = tokio::spawn(async move { theirs.revocation().await });
    tokio::task::yield_now().await;
    account.revoke(4);
    assert!(account.may_run_at_once(), "consent was given after this");
    account.revoke(5);
    waiting.await.unwrap();
    account.revocation().await;
    assert!(!account.may_run_at_once());
}

impl Account {
    /// The account of nobody in particular, opened with record 4.
    pub(crate) fn of_test(limits: Limits) -> Arc<Self> {
        let digest = plugwork_core::Digest::of(b"x");
        let package = "test:plugin".parse().expect("it is a name");
        Arc::new(Self::open(
            Subject { tenant: "default".to_owned(), instance: String::new(), package, digest },
            4,
            limits,
            None,
            Arc::new(crate::admission::Seats::new(8)),
        ))
    }
}
