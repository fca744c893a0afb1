//! Every case of `vectors/` natively. A file with too few cases fails too: an empty one would hold.

use plugwork_core::policy::vectors::run;

#[test]
fn every_vector_holds() {
    let files = [
        ("urls.txt", include_str!("../../vectors/urls.txt"), 150),
        ("addresses.txt", include_str!("../../vectors/addresses.txt"), 100),
        ("paths.txt", include_str!("../../vectors/paths.txt"), 90),
        ("keys.txt", include_str!("../../vectors/keys.txt"), 60),
        ("topics.txt", include_str!("../../vectors/topics.txt"), 40),
        ("headers.txt", include_str!("../../vectors/headers.txt"), 60),
        ("secrets.txt", include_str!("../../vectors/secrets.txt"), 30),
    ];
    for (name, text, at_least) in files {
        let report = run(text);
        let told: Vec<String> = report.mismatches.iter().map(|mismatch| format!("{name} {mismatch}")).collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
        assert!(report.cases >= at_least, "{name} has {} cases", report.cases);
    }
}
