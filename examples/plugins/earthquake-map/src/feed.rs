//! A feed of earthquakes in GeoJSON, as the United States Geological Survey publishes it.
//!
//! Easily got wrong: an event may have no magnitude yet; it is left out, since a map has no size for it.

use plugwork_guest::{Refusal, Result};
use serde::{Deserialize, Serialize};

/// Events of one feed.
const QUAKES_MAX: usize = 20_000;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quake {
    /// Degrees, east is positive.
    pub(crate) longitude: f64,
    /// Degrees, north is positive.
    pub(crate) latitude: f64,
    pub(crate) depth_km: f64,
    pub(crate) magnitude: f64,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time_ms: i64,
    pub(crate) place: String,
}

#[derive(Deserialize)]
struct Feed {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Option<Geometry>,
}

#[derive(Deserialize)]
struct Properties {
    mag: Option<f64>,
    time: i64,
    place: Option<String>,
}

#[derive(Deserialize)]
struct Geometry {
    coordinates: Vec<f64>,
}

/// The events that have a place and a magnitude, in the feed's order.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Quake>> {
    let feed: Feed = serde_json::from_slice(bytes)
        .map_err(|error| Refusal::invalid(error.to_string(), "", "a GeoJSON feed of points with `mag` and `time`"))?;
    if feed.features.len() > QUAKES_MAX {
        return Err(Refusal::invalid(feed.features.len().to_string(), "features", format!("at most {QUAKES_MAX}")));
    }
    let mut quakes = Vec::with_capacity(feed.features.len());
    for (index, Feature { properties, geometry }) in feed.features.into_iter().enumerate() {
        let (Some(magnitude), Some(Geometry { coordinates })) = (properties.mag, geometry) else { continue };
        let [longitude, latitude, rest @ ..] = coordinates.as_slice() else {
            return Err(Refusal::invalid("no place", format!("features[{index}]"), "longitude and latitude"));
        };
        if !(-180.0..=180.0).contains(longitude) || !(-90.0..=90.0).contains(latitude) {
            return Err(Refusal::invalid(format!("{longitude}, {latitude}"), format!("features[{index}]"), "a place on the earth"));
        }
        quakes.push(Quake {
            longitude: *longitude,
            latitude: *latitude,
            depth_km: rest.first().copied().unwrap_or(0.0),
            magnitude: magnitude.clamp(-2.0, 10.0),
            time_ms: properties.time,
            place: properties.place.unwrap_or_default(),
        });
    }
    if quakes.is_empty() {
        return Err(Refusal::invalid("no event with a place and a magnitude", "features", "at least one"));
    }
    Ok(quakes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(longitude: f64, magnitude: &str) -> String {
        format!(
            r#"{{"features":[{{"properties":{{"mag":{magnitude},"time":5,"place":"<here>"}},"geometry":{{"coordinates":[{longitude},1,2]}}}}]}}"#
        )
    }

    #[test]
    fn what_is_no_feed_is_refused() {
        for wrong in ["", "{}", "[]", r#"{"features":[]}"#, &feed(181.0, "1"), &feed(1.0, "null")] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_is_read_whole() {
        let quake = Quake { longitude: -3.5, latitude: 1.0, depth_km: 2.0, magnitude: 4.5, time_ms: 5, place: "<here>".to_owned() };
        assert_eq!(read(feed(-3.5, "4.5").as_bytes()).unwrap(), [quake]);
    }
}
