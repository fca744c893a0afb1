//! The real week, and what a catalogue refuses.
//!
//! `testdata/usgs-week.csv` holds network and magnitude of the 1,707 events of the USGS feed "All Earthquakes, Past Week" of
//! 2018-02-07, as in `data/earthquakes.json` of the npm package vega-datasets 3.2.1. The expected numbers were computed
//! apart from this code, from the formulas, with floats.

use super::*;

fn week() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for line in include_str!("../../testdata/usgs-week.csv").lines().skip(1) {
        let (network, magnitude) = line.split_once(',').unwrap();
        catalogue.add(Some(network), magnitude.parse().unwrap()).unwrap();
    }
    catalogue
}

fn find<'a>(found: &'a [GroupEstimate], network: &str) -> &'a GroupEstimate {
    found.iter().find(|estimate| estimate.group.as_deref() == Some(network)).unwrap()
}

/// b, its uncertainty, n, step and completeness as the papers print them.
fn summary(found: &GroupEstimate) -> (String, u64, i32, i32) {
    let relation = found.estimate.relation.unwrap();
    let b = format!("{:.2} ± {:.2}", relation.b, relation.b_uncertainty);
    (b, found.estimate.used, found.estimate.step, found.estimate.completeness)
}

fn check_reference(plan: &Plan) {
    let found = week().estimates(plan);
    assert_eq!(summary(find(&found, "ci")), ("0.82 ± 0.06".to_owned(), 168, 1, 90));
    assert_eq!(summary(find(&found, "us")), ("0.80 ± 0.07".to_owned(), 84, 10, 450));
    let b = |network| find(&found, network).estimate.relation.unwrap();
    assert!((b("ci").b - 0.821_175_835_225).abs() < 1e-11 && (b("ci").b_uncertainty - 0.057_088_358_633).abs() < 1e-11);
    assert!((b("us").b - 0.798_265_568_487).abs() < 1e-11 && (b("us").b_uncertainty - 0.067_906_549_913).abs() < 1e-11);
}

#[test]
fn defaults_give_the_reference_values_of_the_real_week() {
    check_reference(&Plan::default());
}

#[test]
fn the_reference_values_can_be_asked_for_exactly() {
    fn named<T>(ci: T, us: T) -> HashMap<String, T> {
        HashMap::from([("ci".to_owned(), ci), ("us".to_owned(), us)])
    }
    check_reference(&Plan {
        step: PerGroup { named: named(Step::Hundredths(1), Step::Hundredths(10)), others: Step::Resolution },
        completeness: PerGroup {
            named: named(Completeness::Hundredths(90), Completeness::Hundredths(450)),
            others: Completeness::MaximumCurvature,
        },
        minimum_count: 84,
    });
}

#[test]
fn groups_stand_by_number_of_events_and_lose_none() {
    let found = week().estimates(&Plan::default());
    let events: Vec<(&str, u64)> = found.iter().map(|one| (one.group.as_deref().unwrap(), one.events)).collect();
    assert_eq!(events[..5], [("ci", 386), ("nc", 370), ("ak", 297), ("nn", 260), ("us", 168)]);
    assert_eq!(events.iter().map(|(_, events)| events).sum::<u64>(), 1_707);
}

#[test]
fn small_networks_are_listed_without_a_relation() {
    let found = week().estimates(&Plan::default());
    let se = find(&found, "se");
    assert_eq!((se.events, se.largest, se.estimate.used), (1, 54, 1));
    assert!(se.estimate.relation.is_err() && se.frequencies.iter().all(|line| line.fitted.is_none()));
}

#[test]
fn frequencies_add_up_and_the_line_begins_at_completeness() {
    for one in week().estimates(&Plan::default()) {
        assert_eq!(one.frequencies.iter().map(|line| line.count).sum::<u64>(), one.events);
        assert_eq!(one.frequencies[0].cumulative, one.events);
        assert!(one.frequencies.windows(2).all(|pair| pair[0].cumulative == pair[0].count + pair[1].cumulative));
    }
    let found = week().estimates(&Plan::default());
    let us = find(&found, "us");
    let first = us.frequencies.iter().find(|line| line.fitted.is_some()).unwrap();
    assert_eq!((first.magnitude, first.lowest, first.cumulative), (450, 450, 84));
    assert!((first.fitted.unwrap() - 84.0).abs() < 1e-9);
}

#[test]
fn one_group_too_many_is_refused_and_the_last_one_is_not() {
    let mut catalogue = Catalogue::default();
    for group in 0..GROUPS_MAX {
        catalogue.add(Some(&group.to_string()), 1.0).unwrap();
    }
    assert_eq!(catalogue.add(Some("one more"), 1.0), Err(Untaken::TooManyGroups));
    assert_eq!(catalogue.add(None, 1.0), Err(Untaken::TooManyGroups));
    assert_eq!(catalogue.add(Some("1023"), 1.0), Ok(()));
    assert_eq!(catalogue.number(Some("17")), Ok(17));
}

#[test]
fn the_name_of_a_group_has_a_limit() {
    let mut catalogue = Catalogue::default();
    assert_eq!(catalogue.add(Some(&"n".repeat(GROUP_NAME_BYTES_MAX)), 1.0), Ok(()));
    assert_eq!(catalogue.add(Some(&"m".repeat(GROUP_NAME_BYTES_MAX + 1)), 1.0), Err(Untaken::TooManyGroups));
}

#[test]
fn no_group_is_a_group_of_its_own() {
    let mut catalogue = Catalogue::default();
    catalogue.add(None, 1.0).unwrap();
    catalogue.add(Some(""), 2.0).unwrap();
    assert_eq!(catalogue.add(None, f64::NAN), Err(Untaken::NoMagnitude));
    let groups: Vec<Option<String>> = catalogue.estimates(&Plan::default()).into_iter().map(|one| one.group).collect();
    assert_eq!(groups, [None, Some(String::new())]);
}
