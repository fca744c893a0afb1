//! What the sketch promises, against sorting: every order, every shape of values, every way to split and merge.

use super::*;

const FRACTIONS: [f64; 9] = [0.0, 0.001, 0.05, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0];

fn sketch(values: &[f64]) -> Sketch {
    let mut sketch = Sketch::default();
    values.iter().for_each(|value| sketch.add(*value));
    sketch
}

/// Checks the promise on one set of values, in the order given.
fn check(values: &[f64], what: &str) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let tiny = |sign: f64| values.iter().map(|value| value * sign).fold(0.0, f64::max) / 2f64.powi(32);
    for (fraction, answer) in FRACTIONS.iter().zip(sketch(values).quantiles(&FRACTIONS, false)) {
        let truth = sorted[rank(*fraction, sorted.len() as u64) as usize];
        let bound = (truth.abs() * RELATIVE_ERROR).max(tiny(truth.signum())) * (1.0 + 1e-12);
        let answer = answer.unwrap();
        assert!((answer - truth).abs() <= bound, "{what}: quantile {fraction}: {answer}, truly {truth}, bound {bound}");
    }
}

/// A generator good enough to shuffle with: a fixed sequence, the same in every run.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 11
    }
}

fn shuffled(values: &[f64], seed: u64) -> Vec<f64> {
    let mut next = random(seed);
    let mut values = values.to_vec();
    for end in (1..values.len()).rev() {
        values.swap(end, next() as usize % (end + 1));
    }
    values
}

/// Alternately the smallest and the largest that is left: the order that splits a t-digest's centroids worst.
fn from_both_ends(sorted: &[f64]) -> Vec<f64> {
    (0..sorted.len()).map(|n| if n % 2 == 0 { sorted[n / 2] } else { sorted[sorted.len() - 1 - n / 2] }).collect()
}

fn shapes() -> Vec<(&'static str, Vec<f64>)> {
    let mut next = random(7);
    let mut uniform = move || next() as f64 / (1u64 << 53) as f64;
    vec![
        ("uniform", (0..20_000).map(|_| uniform()).collect()),
        ("long tail", (1..20_001).map(|n| 1.0 / (f64::from(n) / 20_001.0).powf(1.5)).collect()),
        ("both signs", (0..20_001).map(|n| f64::from(n) - 10_000.0).collect()),
        ("two clusters", (0..20_000).map(|n| if n % 10 == 0 { 1e6 + f64::from(n) } else { 1.0 + f64::from(n) / 1e6 }).collect()),
        ("powers", (0..20_000).map(|n| 1.001f64.powi(n)).collect()),
        ("one value", vec![-3.5; 20_000]),
        ("extremes", (0..20_000).map(|n| [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 0.0, -0.0, 5e-324, 1.0][n % 7]).collect()),
    ]
}

#[test]
fn quantiles_are_within_the_bound_in_every_order() {
    for (what, mut values) in shapes() {
        values.sort_unstable_by(f64::total_cmp);
        check(&values, &format!("{what}, rising"));
        check(&values.iter().rev().copied().collect::<Vec<_>>(), &format!("{what}, falling"));
        check(&from_both_ends(&values), &format!("{what}, from both ends"));
        check(&from_both_ends(&values).into_iter().rev().collect::<Vec<_>>(), &format!("{what}, from the middle"));
        check(&shuffled(&values, 1), &format!("{what}, shuffled"));
    }
}

#[test]
fn order_does_not_change_the_answer() {
    for (what, values) in shapes() {
        let answers = sketch(&values).quantiles(&FRACTIONS, false);
        assert_eq!(sketch(&shuffled(&values, 2)).quantiles(&FRACTIONS, false), answers, "{what}");
    }
}

#[test]
fn merging_parts_equals_seeing_the_whole() {
    for (what, values) in shapes() {
        let whole = sketch(&values).quantiles(&FRACTIONS, false);
        for parts in [2, 3, 150] {
            let mut merged = Sketch::default();
            values.chunks(values.len() / parts).for_each(|part| merged.merge(&sketch(part)));
            assert_eq!(merged.quantiles(&FRACTIONS, false), whole, "{what} in {parts} parts");
        }
    }
}

#[test]
fn quantiles_of_few_values_are_exact() {
    let mut next = random(3);
    for count in [1, 2, 10, EXACT_VALUES] {
        let values: Vec<f64> = (0..count).map(|_| next() as f64 - 2f64.powi(52)).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let truth: Vec<_> = FRACTIONS.iter().map(|fraction| Some(sorted[rank(*fraction, count as u64) as usize])).collect();
        assert_eq!(sketch(&values).quantiles(&FRACTIONS, false), truth, "{count} values");
    }
}

#[test]
fn small_whole_numbers_stay_exact_among_any_number_of_values() {
    let values: Vec<f64> = (0..51_100).map(|n| f64::from(n % 511 - 255)).collect();
    let fractions: Vec<f64> = (1..=511).map(|n| f64::from(n) / 511.0).collect();
    let truth: Vec<_> = (-255..=255).map(|n| Some(f64::from(n))).collect();
    assert_eq!(sketch(&values).quantiles(&fractions, true), truth);
}

#[test]
fn nothing_seen_has_no_quantile() {
    assert_eq!(sketch(&[]).quantiles(&[0.5], false), [None]);
}

#[test]
fn a_rank_is_not_moved_by_rounding() {
    assert_eq!(rank(0.07, 100), 6);
    assert_eq!(rank(0.5, 4), 1);
    assert_eq!((rank(0.0, 9), rank(1.0, 9)), (0, 8));
}

#[test]
fn memory_is_bounded_for_the_widest_range_of_values() {
    let mut sketch = Sketch::default();
    for exponent in -1_074..1_024 {
        for step in 0..512 {
            let value = 2f64.powi(exponent) * (1.0 + f64::from(step) / 512.0);
            sketch.add(value);
            sketch.add(-value);
        }
    }
    let histogram = sketch.histogram.unwrap();
    assert!(histogram.positive.counts.len() <= BUCKETS_MAX && histogram.negative.counts.len() <= BUCKETS_MAX);
}
