//! Every threshold of the watch at it and one past it, and latencies against sorted lists.

use super::*;

fn seen(calls: u64, faults: u64) -> Observed {
    Observed { calls, faults, ..Observed::default() }
}

fn answered(calls: u64, us: u64) -> Observed {
    let mut observed = Observed::default();
    (0..calls).for_each(|_| observed.add(us));
    observed
}

fn goes_back(before: Observed, after: Observed) -> bool {
    matches!(verdict(&Watch::default(), &before, &after, 0), Verdict::Back(Why::Faults { .. }))
}

#[test]
fn both_ends_of_each_range_are_allowed_and_one_past_them_is_not() {
    let least = Watch {
        window_ms: 1_000,
        calls_min: 1,
        fault_percent: 0,
        latency_factor: 1.5,
        latency_calls_min: 1,
        latency_floor_us: 1,
    };
    let most = Watch {
        window_ms: 86_400_000,
        calls_min: 1_000_000,
        fault_percent: 100,
        latency_factor: 1_000.0,
        latency_calls_min: 1_000_000,
        latency_floor_us: 60_000_000,
    };
    assert_eq!((least.check(), most.check(), Watch::default().check()), (Ok(()), Ok(()), Ok(())));
    for (wrong, at) in [
        (Watch { window_ms: 999, ..least }, "window-ms"),
        (Watch { calls_min: 0, ..least }, "calls-min"),
        (Watch { latency_factor: 1.499, ..least }, "latency-factor"),
        (Watch { latency_factor: f64::NAN, ..least }, "latency-factor"),
        (Watch { latency_calls_min: 0, ..least }, "latency-calls-min"),
        (Watch { latency_floor_us: 0, ..least }, "latency-floor-us"),
        (Watch { window_ms: 86_400_001, ..most }, "window-ms"),
        (Watch { calls_min: 1_000_001, ..most }, "calls-min"),
        (Watch { fault_percent: 101, ..most }, "fault-percent"),
        (Watch { latency_factor: f64::INFINITY, ..most }, "latency-factor"),
        (Watch { latency_calls_min: 1_000_001, ..most }, "latency-calls-min"),
        (Watch { latency_floor_us: 60_000_001, ..most }, "latency-floor-us"),
    ] {
        assert_eq!(wrong.check().unwrap_err().at, at, "{wrong:?}");
    }
    assert_eq!(serde_json::from_str::<Watch>(r#"{"calls-min":9}"#).unwrap(), Watch { calls_min: 9, ..Watch::default() });
    assert!(serde_json::from_str::<Watch>(r#"{"calls":9}"#).is_err());
}

#[test]
fn as_many_faults_as_tolerated_stay_and_one_more_goes_back() {
    let healthy = seen(1_000, 0);
    assert!(!goes_back(healthy, seen(20, 2)));
    assert!(goes_back(healthy, seen(20, 3)));
    assert!(!goes_back(healthy, seen(1_000, 100)));
    assert!(goes_back(healthy, seen(1_000, 101)));
    let never = Watch { fault_percent: 100, ..Watch::default() };
    assert_eq!(verdict(&never, &healthy, &seen(50, 50), 0), Verdict::Wait);
    let none = Watch { fault_percent: 0, ..Watch::default() };
    assert_eq!(verdict(&none, &healthy, &seen(50, 0), 0), Verdict::Wait);
    assert!(matches!(verdict(&none, &healthy, &seen(50, 1), 0), Verdict::Back(_)));
}

#[test]
fn few_calls_are_judged_as_if_those_missing_succeeded() {
    let healthy = seen(1_000, 0);
    assert!(!goes_back(healthy, seen(2, 2)), "of 20 calls 2 may fail, and 18 may still come");
    assert!(goes_back(healthy, seen(3, 3)), "whatever comes, it is more than 2 of 20");
    // Five faults open a breaker, and then no call comes any more.
    assert!(goes_back(healthy, seen(5, 5)));
}

#[test]
fn a_version_that_was_as_bad_before_stays() {
    assert!(!goes_back(seen(100, 30), seen(100, 30)));
    assert!(!goes_back(seen(100, 30), seen(100, 59)), "less than twice as often");
    assert!(goes_back(seen(100, 30), seen(100, 60)));
    assert!(!goes_back(seen(100, 51), seen(100, 100)), "nothing can be twice as bad");
    assert!(!goes_back(seen(3, 3), seen(20, 20)));
    assert!(goes_back(Observed::default(), seen(20, 20)), "of the one before nothing is known");
}

#[test]
fn it_waits_through_its_window_and_keeps_at_its_end() {
    let (watch, quiet) = (Watch::default(), seen(5, 0));
    assert_eq!(verdict(&watch, &quiet, &quiet, 59_999), Verdict::Wait);
    assert_eq!(verdict(&watch, &quiet, &quiet, 60_000), Verdict::Keep);
    assert_eq!(verdict(&watch, &quiet, &Observed::default(), 60_000), Verdict::Keep, "nobody called it");
    assert!(matches!(verdict(&watch, &quiet, &seen(20, 20), 60_001), Verdict::Back(_)), "evidence counts however late it is seen");
}

#[test]
fn latency_goes_back_past_its_factor_and_not_at_it() {
    let watch = Watch { latency_factor: 4.0, ..Watch::default() };
    let slow = |before: u64, after: u64| verdict(&watch, &answered(100, before), &answered(100, after), 0);
    // 1,024 µs to 4,096 µs is exactly four times; 8,192 µs is more.
    assert_eq!(slow(1_024, 4_096), Verdict::Wait);
    let Verdict::Back(why) = slow(1_024, 8_192) else { panic!("eight times as long") };
    assert!(matches!(why, Why::Latency { tolerated_factor: 4.0, .. }), "{why}");
}

#[test]
fn latency_is_judged_from_its_number_of_calls_on_either_side() {
    let back = |before: u64, after: u64| {
        matches!(verdict(&Watch::default(), &answered(before, 1_000), &answered(after, 100_000), 0), Verdict::Back(Why::Latency { .. }))
    };
    assert!(back(100, 100));
    assert!(!back(99, 100) && !back(100, 99));
}

#[test]
fn latency_below_the_floor_is_never_too_long() {
    let at = |floor_us: u64| {
        let watch = Watch { latency_floor_us: floor_us, ..Watch::default() };
        verdict(&watch, &answered(100, 1), &answered(100, 600), 0)
    };
    let measured = answered(100, 600).quantile(QUANTILE);
    assert_eq!(at(measured), Verdict::Wait);
    assert!(matches!(at(measured - 1), Verdict::Back(Why::Latency { .. })));
}

#[test]
fn cold_starts_of_a_tenth_of_the_calls_are_forgiven() {
    let before = answered(1_000, 500);
    let after = answered(900, 500).and(&answered(100, 1_000_000));
    assert_eq!(verdict(&Watch::default(), &before, &after, 0), Verdict::Wait);
    let after = answered(899, 500).and(&answered(101, 1_000_000));
    assert!(matches!(verdict(&Watch::default(), &before, &after, 0), Verdict::Back(Why::Latency { .. })));
}

#[test]
fn it_says_the_numbers() {
    let said = |before, after| match verdict(&Watch::default(), &before, &after, 0) {
        Verdict::Back(why) => why.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(said(seen(1_000, 1), seen(20, 7)), "7 of 20 calls failed (35 %), at most 10 % are tolerated; before: 0.1 %");
    assert_eq!(said(Observed::default(), seen(3, 3)), "3 of 3 calls failed (100 %), at most 10 % are tolerated; before: no calls");
    assert_eq!(
        said(seen(100_000, 1), seen(30, 11)),
        "11 of 30 calls failed (36.7 %), at most 10 % are tolerated; before: less than 0.1 %"
    );
    assert_eq!(
        said(answered(100, 1_000), answered(100, 100_000)),
        "9 of 10 calls take up to 124518 µs, at most 3 times as long as before is tolerated; before: 972 µs"
    );
}

#[test]
fn reasons_are_written_and_read_as_they_are() {
    for why in [
        Why::Faults { faults: 7, calls: 20, tolerated_percent: 10, before_faults: 1, before_calls: 1_000 },
        Why::Latency { after_us: 9, before_us: 2, tolerated_factor: 3.5 },
    ] {
        let text = serde_json::to_string(&why).unwrap();
        assert_eq!(serde_json::from_str::<Why>(&text).unwrap(), why, "{text}");
    }
}

#[test]
fn each_latency_has_the_bucket_of_its_power_of_two() {
    for (us, expected) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), ((1 << 30) - 1, 30), (1 << 30, 31), (u64::MAX, 31)] {
        assert_eq!(bucket(us), expected, "{us}");
    }
}

#[test]
fn a_quantile_is_within_the_bucket_of_the_true_one() {
    bolero::check!().with_iterations(1_000).with_test_time(std::time::Duration::from_secs(60)).with_type::<(Vec<(u64, u8)>, u8)>().for_each(
        |(latencies, part)| {
            let mut latencies: Vec<u64> = latencies.iter().map(|(us, shift)| us >> (shift % 64)).collect();
            latencies.sort_unstable();
            let (mut observed, part) = (Observed::default(), f64::from(*part) / 255.0);
            latencies.iter().for_each(|us| observed.add(*us));
            let found = observed.quantile(part);
            let rank = ((latencies.len() as f64 * part).ceil() as usize).max(1);
            let Some(&exact) = latencies.get(rank - 1) else { return assert_eq!(found, 0) };
            let near = bucket(found).abs_diff(bucket(exact)) <= 1 && found <= exact.saturating_mul(2);
            assert!(near && (found >= exact / 2 || exact >= 1 << 30), "{found} for {exact} of {latencies:?}");
        },
    );
}

#[test]
fn nothing_overflows() {
    let mut full = Observed { calls: u64::MAX, faults: u64::MAX, latency_buckets: [u64::MAX; BUCKETS] };
    full.add(u64::MAX);
    full.add_fault();
    let twice = full.and(&full);
    assert_eq!((twice.calls, twice.faults, twice.answered()), (u64::MAX, u64::MAX, u64::MAX));
    assert!(twice.quantile(f64::NAN) <= 1 << 30);
    verdict(&Watch { calls_min: u64::MAX, ..Watch::default() }, &twice, &twice, u64::MAX);
}
