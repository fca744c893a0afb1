//! Coasts from a quantized TopoJSON topology: every line once, though two countries share it.
//!
//! Not here: polygons. A map in outline needs no insides. Easily got wrong: positions of a line are differences from the one before.

use std::collections::BTreeSet;

use plugwork_guest::{Refusal, Result};
use serde::Deserialize;
use serde_json::Value;

/// Positions of all lines together.
const POSITIONS_MAX: usize = 100_000;

#[derive(Deserialize)]
struct Topology {
    transform: Transform,
    objects: Objects,
    arcs: Vec<Vec<(f64, f64)>>,
}

#[derive(Deserialize)]
struct Transform {
    scale: (f64, f64),
    translate: (f64, f64),
}

#[derive(Deserialize)]
struct Objects {
    land: Land,
}

#[derive(Deserialize)]
struct Land {
    arcs: Value,
}

/// The lines of `land`, in degrees.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Vec<(f64, f64)>>> {
    let expected = "a quantized TopoJSON topology with an object `land`";
    let topology: Topology = serde_json::from_slice(bytes).map_err(|error| Refusal::invalid(error.to_string(), "", expected))?;
    let positions: usize = topology.arcs.iter().map(Vec::len).sum();
    if positions > POSITIONS_MAX {
        return Err(Refusal::invalid(positions.to_string(), "arcs", format!("at most {POSITIONS_MAX} positions")));
    }
    let mut used = BTreeSet::new();
    collect(&topology.objects.land.arcs, &mut used);
    let line = |number: usize| {
        let arc =
            topology.arcs.get(number).ok_or_else(|| Refusal::invalid(number.to_string(), "objects.land.arcs", "a number of an arc"))?;
        Ok(degrees(arc, &topology.transform))
    };
    used.into_iter().map(line).collect()
}

/// The numbers of arcs, however deep they are nested; one that is walked backwards is `!number`.
fn collect(arcs: &Value, used: &mut BTreeSet<usize>) {
    match arcs {
        Value::Array(inner) => inner.iter().for_each(|inner| collect(inner, used)),
        other => {
            let number = other.as_i64().map(|number| if number < 0 { !number } else { number });
            used.extend(number.and_then(|number| usize::try_from(number).ok()));
        }
    }
}

fn degrees(arc: &[(f64, f64)], transform: &Transform) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (0.0, 0.0);
    let step = |&(right, up): &(f64, f64)| {
        x += right;
        y += up;
        let place = |at: f64, scale: f64, from: f64| (from + at * scale) as f32 as f64;
        let longitude = place(x, transform.scale.0, transform.translate.0).clamp(-180.0, 180.0);
        (longitude, place(y, transform.scale.1, transform.translate.1).clamp(-90.0, 90.0))
    };
    arc.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_two_share_is_there_once() {
        let text = r#"{"transform":{"scale":[0.5,2],"translate":[-10,0]},"objects":{"land":{"arcs":[[[0,1]],[[-1]]]}},"arcs":[[[2,1],[2,1]],[[0,0]]]}"#;
        assert_eq!(read(text.as_bytes()).unwrap(), [vec![(-9.0, 2.0), (-8.0, 4.0)], vec![(-10.0, 0.0)]]);
    }

    #[test]
    fn an_arc_that_is_not_there_is_refused() {
        let text = r#"{"transform":{"scale":[1,1],"translate":[0,0]},"objects":{"land":{"arcs":[[3]]}},"arcs":[]}"#;
        assert!(read(text.as_bytes()).is_err());
    }
}
