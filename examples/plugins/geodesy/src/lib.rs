//! Distances on the Earth, for other plugins: the smallest plugin that is built to be called by plugins and not by a host.
//!
//! Lives here: all of it. May be misread: it exports no lifecycle, so that it can be fused into a plugin that calls it.

plugwork_guest::bindings!("wit");

use distances::Guest;

/// Kilometres.
const EARTH_RADIUS_KM: f64 = 6371.0;

/// The plugin.
#[derive(Debug)]
pub struct Geodesy;

impl Guest for Geodesy {
    fn from_place(latitude: f64, longitude: f64, latitudes: Vec<f64>, longitudes: Vec<f64>) -> Vec<f64> {
        latitudes.into_iter().zip(longitudes).map(|there| distance_km((latitude, longitude), there)).collect()
    }
}

/// By the haversine formula, which stays exact for small distances.
fn distance_km((latitude, longitude): (f64, f64), there: (f64, f64)) -> f64 {
    let half_latitude = ((there.0 - latitude).to_radians() / 2.0).sin();
    let half_longitude = ((there.1 - longitude).to_radians() / 2.0).sin();
    let square = half_latitude.powi(2) + latitude.to_radians().cos() * there.0.to_radians().cos() * half_longitude.powi(2);
    2.0 * EARTH_RADIUS_KM * square.sqrt().clamp(0.0, 1.0).asin()
}

plugwork_guest::export!(Geodesy: distances; no lifecycle);

#[cfg(test)]
mod tests {
    use super::*;

    fn one(from: (f64, f64), to: (f64, f64)) -> f64 {
        Geodesy::from_place(from.0, from.1, vec![to.0], vec![to.1])[0]
    }

    #[test]
    fn a_degree_of_the_equator_is_111_kilometres_and_the_date_line_is_no_border() {
        assert!((one((0.0, 0.0), (0.0, 1.0)) - 111.195).abs() < 0.001);
        assert!(one((0.0, 179.9), (0.0, -179.9)) < 23.0);
        assert!((one((90.0, 0.0), (-90.0, 0.0)) - 20_015.087).abs() < 0.001);
    }

    #[test]
    fn each_place_has_an_answer_and_a_place_without_a_number_none() {
        let far = Geodesy::from_place(0.0, 0.0, vec![0.0, f64::NAN, 1.0], vec![0.0, 0.0, 0.0, 9.0]);
        assert_eq!((far.len(), far[0], far[1].is_nan()), (3, 0.0, true));
    }
}
