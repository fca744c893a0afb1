//! The feed's format, and one row of the table for each of its features.
//!
//! Fields are those of the USGS documentation, "GeoJSON Summary Format". Only `id` and `time` are always there: an event
//! that was just located has no magnitude, and who reports which estimate differs by network. Longitude, latitude and
//! depth come from the geometry, whose coordinates are in that order.

use std::borrow::Cow;

use json_elements::Element;
use plugwork_guest::prelude::*;
use serde::Deserialize;

/// The columns.
pub(crate) fn fields() -> [Field; 22] {
    [
        Field::text("id"),
        Field::timestamp_ms("time"),
        Field::f64("magnitude"),
        Field::text("magnitude-type"),
        Field::text("place"),
        Field::text("network"),
        Field::text("event-type"),
        Field::f64("longitude"),
        Field::f64("latitude"),
        Field::f64("depth-km"),
        Field::i32("felt"),
        Field::i32("significance"),
        Field::bool("tsunami"),
        Field::text("status"),
        Field::timestamp_ms("updated"),
        Field::text("alert"),
        Field::f64("community-intensity"),
        Field::f64("instrumental-intensity"),
        Field::i32("stations"),
        Field::f64("nearest-station-degrees"),
        Field::f64("residual-seconds"),
        Field::f64("gap-degrees"),
    ]
}

/// Adds one feature as a row.
pub(crate) fn push(table: &mut TableBuilder, element: &Element<'_>) -> Result<()> {
    let Feature { id, properties: event, geometry } = element.parse()?;
    let [longitude, latitude, depth_km] = geometry.map_or([None; 3], |geometry| geometry.coordinates.0);
    let row = row![
        &*id,
        event.time,
        event.mag,
        event.mag_type.as_deref(),
        event.place.as_deref(),
        event.net.as_deref(),
        event.event_type.as_deref(),
        longitude,
        latitude,
        depth_km,
        event.felt,
        event.sig,
        event.tsunami.map(|tsunami| tsunami != 0),
        event.status.as_deref(),
        event.updated,
        event.alert.as_deref(),
        event.cdi,
        event.mmi,
        event.nst,
        event.dmin,
        event.rms,
        event.gap,
    ];
    table.push(row).at(element.place())
}

#[derive(Deserialize)]
struct Feature<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    properties: Event<'a>,
    geometry: Option<Geometry>,
}

#[derive(Deserialize)]
struct Event<'a> {
    time: i64,
    updated: Option<i64>,
    mag: Option<f64>,
    #[serde(borrow, rename = "magType")]
    mag_type: Text<'a>,
    #[serde(borrow)]
    place: Text<'a>,
    #[serde(borrow)]
    net: Text<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    alert: Text<'a>,
    felt: Option<i32>,
    sig: Option<i32>,
    tsunami: Option<i32>,
    cdi: Option<f64>,
    mmi: Option<f64>,
    nst: Option<i32>,
    dmin: Option<f64>,
    rms: Option<f64>,
    gap: Option<f64>,
}

/// Text without a copy, except where it has escapes.
#[derive(Deserialize, Default)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Option<Borrowed<'a>>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    fn as_deref(&self) -> Option<&str> {
        self.0.as_ref().map(|text| &*text.0)
    }
}

#[derive(Deserialize)]
struct Geometry {
    coordinates: Coordinates,
}

/// Longitude, latitude and depth; two or three of them, any of them null.
struct Coordinates([Option<f64>; 3]);

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Vec::<Option<f64>>::deserialize(deserializer)?;
        let at = |index: usize| given.get(index).copied().flatten();
        match given.len() {
            2 | 3 => Ok(Self([at(0), at(1), at(2)])),
            other => Err(serde::de::Error::invalid_length(other, &"longitude, latitude and depth")),
        }
    }
}
