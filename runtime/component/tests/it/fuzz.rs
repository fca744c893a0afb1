//! Any bytes: real components with changes, and noise behind a component's header. Nothing may panic.
//!
//! An ordinary test runs each for a second; `cargo bolero test` runs them for as long as somebody waits.

use plugwork_component::{Embedded, embed, read};

use crate::components::{POINTS, RICH, component};

fn check(bytes: &[u8]) {
    let answer = read(bytes);
    if let Err(error) = &answer {
        // One line, and where there is a hint a second.
        assert!(!error.to_string().replacen("\nhint: ", " ", 1).contains(char::is_control));
    }
    let embedded = Embedded { manifest: Some("#"), name: Some("n"), processed_by: Some(("p", "1")), ..Embedded::default() };
    let Ok(written) = embed(bytes, &embedded) else { return };
    assert_eq!(embed(&written, &embedded).as_ref(), Ok(&written), "twice is once");
    if answer.is_ok() {
        let report = read(&written).expect("a component stays one");
        assert_eq!(report.manifest.as_deref(), Some("#"));
    }
}

#[test]
fn changed_components_are_answered() {
    let embedded = Embedded { manifest: Some("#"), name: Some("n"), processed_by: Some(("p", "1")), ..Embedded::default() };
    let seeds = [
        component(RICH),
        component(POINTS),
        embed(&component(RICH), &embedded).unwrap(),
        component("(component (type (component (type (instance (type (list (tuple u8 string)))))))) "),
    ];
    bolero::check!().with_type::<(u8, Vec<(u16, u8)>, Option<u16>)>().for_each(|(seed, changes, cut)| {
        let mut bytes = seeds[usize::from(*seed) % seeds.len()].clone();
        // Few changes reach deep; many only ever test the first check.
        for (place, value) in changes.iter().take(6) {
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *value;
        }
        if let Some(cut) = cut {
            bytes.truncate(usize::from(*cut).max(8) % (bytes.len() + 1));
        }
        check(&bytes);
    });
}

#[test]
fn noise_is_answered() {
    bolero::check!().for_each(|noise: &[u8]| {
        check(noise);
        check(&[b"\0asm\x0d\0\x01\0", noise].concat());
    });
}
