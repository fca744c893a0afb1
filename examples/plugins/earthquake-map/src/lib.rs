//! A map of earthquakes over HTTP: `PUT` a feed, and the coasts if you like; `GET` the page.
//!
//! Here requests are told apart. Easily got wrong: the page is drawn when something is put, and only read when it is asked for, because every request has
//! an instance of its own that remembers nothing.

mod coasts;
mod feed;
mod page;
mod projection;
mod store;

use plugwork_guest::http::{Context, HttpFunction, Request, Response};
use plugwork_guest::{Refusal, Result};

use feed::Quake;

/// The function.
struct EarthquakeMap;

impl HttpFunction for EarthquakeMap {
    fn handle(request: Request, context: Context) -> Result<Response> {
        match (request.method.as_str(), context.route_parameter("layer")) {
            ("GET", None) => read(&request),
            ("PUT", Some("feed")) => {
                let quakes = feed::read(&request.body)?;
                store::set("feed", &encode(&quakes)?)?;
                draw(&quakes)?;
                Ok(Response::text(format!("{} earthquakes are on the map\n", quakes.len())))
            }
            ("PUT", Some("coasts")) => {
                let lines = coasts::read(&request.body)?;
                store::set("coasts", &encode(&lines)?)?;
                let quakes: Vec<Quake> = decode(store::get("feed")?)?;
                draw(&quakes)?;
                Ok(Response::text(format!("{} coast lines are on the map\n", lines.len())))
            }
            (_, None) => Ok(Response::text("only GET is answered here\n").status(405).header("allow", "GET")),
            (_, Some("feed" | "coasts")) => Ok(Response::text("only PUT is answered here\n").status(405).header("allow", "PUT")),
            (_, Some(_)) => Ok(Response::text("there are two layers: `feed` and `coasts`\n").status(404)),
        }
    }
}

fn read(request: &Request) -> Result<Response> {
    let Some(page) = store::get("page")? else {
        return Ok(Response::text("nothing is drawn yet: `PUT` a feed to the layer `feed`\n").status(404));
    };
    let tag = page::tag(&page);
    if request.header("if-none-match") == Some(tag.as_str()) {
        return Ok(Response::new(304, "").header("etag", tag));
    }
    Ok(Response::new(200, page)
        .header("content-type", "text/html; charset=utf-8")
        .header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
        .header("cache-control", "no-cache")
        .header("etag", tag))
}

fn draw(quakes: &[Quake]) -> Result<()> {
    if quakes.is_empty() {
        return Ok(());
    }
    let coasts: Vec<Vec<(f64, f64)>> = decode(store::get("coasts")?)?;
    store::set("page", page::draw(quakes, &coasts).as_bytes())
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Refusal::other(error.to_string()))
}

/// What was kept; nothing where nothing was.
fn decode<T: serde::de::DeserializeOwned + Default>(kept: Option<Vec<u8>>) -> Result<T> {
    let Some(kept) = kept else { return Ok(T::default()) };
    serde_json::from_slice(&kept).map_err(|error| Refusal::other(format!("what was kept here cannot be read: {error}")))
}

plugwork_guest::plugin! { descriptor: include_str!("../descriptor.json"), http_function: EarthquakeMap }
