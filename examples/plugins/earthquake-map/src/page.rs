//! The page: one SVG with a legend and a few numbers, in HTML that loads nothing.
//!
//! Easily got wrong: places are the feed's words, so everything that is not a number is escaped.

use std::fmt::Write;

use plugwork_guest::time::{DAY_MS, date_from_days};

use crate::feed::Quake;
use crate::projection::{HALF, project};

/// Pixels of one radius of the earth.
const SCALE: f64 = 176.0;
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 470.0;
/// From this magnitude on, an event says its name.
const NAMED_FROM: f64 = 4.5;
/// Depth in km up to which an event is of a class, the class, and words for it: the classes that seismologists use.
const DEPTHS: [(f64, &str, &str); 3] =
    [(70.0, "shallow", "down to 70 km"), (300.0, "intermediate", "70 to 300 km"), (f64::INFINITY, "deep", "below 300 km")];

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#fbfaf7;--ink:#23272b;--faint:#6b7278;--sea:#eef3f6;--line:#d9e0e4;--coast:#8b979f;\
--shallow:#c8442f;--intermediate:#c98a16;--deep:#2f6fb0}\
@media(prefers-color-scheme:dark){:root{--ground:#15181b;--ink:#e7e5e0;--faint:#98a0a6;--sea:#1c2328;--line:#2b343a;--coast:#5f6d76;\
--shallow:#ef7a63;--intermediate:#e5b04a;--deep:#73aee8}}\
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\
main{max-width:60rem;margin:0 auto;padding:2rem 1rem}\
h1{font-size:1.4rem;margin:0}p{margin:.2rem 0 1rem;color:var(--faint)}svg{width:100%;height:auto;display:block}\
.sea{fill:var(--sea)}.grid{fill:none;stroke:var(--line)}.coast{fill:none;stroke:var(--coast);stroke-width:.7;stroke-linejoin:round}\
circle{fill-opacity:.45;stroke-width:.7}.shallow{fill:var(--shallow);stroke:var(--shallow)}\
.intermediate{fill:var(--intermediate);stroke:var(--intermediate)}.deep{fill:var(--deep);stroke:var(--deep)}\
text{fill:var(--faint);stroke:none;font-size:12px}";

/// The page as text.
pub(crate) fn draw(quakes: &[Quake], coasts: &[Vec<(f64, f64)>]) -> String {
    let mut order: Vec<&Quake> = quakes.iter().collect();
    // Large ones first, so that no small one is hidden behind them.
    order.sort_by(|one, other| other.magnitude.total_cmp(&one.magnitude));
    let mut page = String::with_capacity(64 * quakes.len() + 16 * coasts.iter().map(Vec::len).sum::<usize>());
    page += "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">";
    page += "<title>Earthquakes</title><style>";
    page += STYLE;
    page += "</style><main><h1>";
    page += &format!("{} earthquakes</h1><p>{}", quakes.len(), summary(&order));
    page +=
        &format!("</p><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"A map of the earthquakes\"><path class=\"sea\" d=\"");
    outline(&mut page);
    page += "\"/><path class=\"grid\" d=\"";
    for step in -5..=5_i32 {
        meridian(&mut page, f64::from(step * 30), true);
    }
    for step in -2..=2_i32 {
        line(&mut page, (-18..=18).map(|at| (f64::from(at * 10), f64::from(step * 30))));
    }
    page += "\"/><path class=\"coast\" d=\"";
    for coast in coasts {
        line(&mut page, coast.iter().copied());
    }
    page += "\"/>";
    order.iter().for_each(|quake| circle(&mut page, quake));
    legend(&mut page);
    page += "</svg></main></html>\n";
    page
}

/// What tells one page from another.
pub(crate) fn tag(page: &[u8]) -> String {
    // FNV-1a: it has to notice changes, not enemies.
    let hash = page.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("\"{hash:016x}\"")
}

fn summary(order: &[&Quake]) -> String {
    let times = || order.iter().map(|quake| quake.time_ms);
    let span = match (times().min(), times().max()) {
        (Some(from), Some(to)) => format!("{} to {} (UTC)", date(from), date(to)),
        _ => String::new(),
    };
    let largest = order.first().map(|quake| format!("; the largest: {:.1}, {}", quake.magnitude, escape(&quake.place)));
    span + &largest.unwrap_or_default()
}

fn date(ms: i64) -> String {
    let (year, month, day) = date_from_days(ms.div_euclid(DAY_MS));
    format!("{year}-{month:02}-{day:02}")
}

fn at(longitude: f64, latitude: f64) -> (f64, f64) {
    let (x, y) = project(longitude, latitude);
    (WIDTH / 2.0 + x * SCALE, (HALF.1 - y) * SCALE + 2.0)
}

fn line(page: &mut String, places: impl Iterator<Item = (f64, f64)>) {
    for (index, (longitude, latitude)) in places.enumerate() {
        let (x, y) = at(longitude, latitude);
        append(page, format_args!("{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' }));
    }
}

fn meridian(page: &mut String, longitude: f64, northwards: bool) {
    let latitudes = (-18..=18).map(|step| f64::from(if northwards { step } else { -step }) * 5.0);
    line(page, latitudes.map(|latitude| (longitude, latitude)));
}

fn outline(page: &mut String) {
    meridian(page, -180.0, true);
    let from = page.len();
    meridian(page, 180.0, false);
    // One path: the second half goes on where the first ended.
    page.replace_range(from..=from, "L");
    page.push('Z');
}

fn radius(magnitude: f64) -> f64 {
    // Each unit is 2.2 times the area.
    0.75 * 2.2_f64.powf(magnitude.max(0.0) / 2.0)
}

fn circle(page: &mut String, quake: &Quake) {
    let (x, y) = at(quake.longitude, quake.latitude);
    let class = DEPTHS.iter().find(|(to, ..)| quake.depth_km < *to).map_or(DEPTHS[2].1, |(_, class, _)| class);
    append(page, format_args!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\"", radius(quake.magnitude)));
    if quake.magnitude < NAMED_FROM {
        *page += "/>";
        return;
    }
    let (place, day) = (escape(&quake.place), date(quake.time_ms));
    append(page, format_args!("><title>{:.1}, {place}, {:.0} km deep, {day}</title></circle>", quake.magnitude, quake.depth_km));
}

fn legend(page: &mut String) {
    for (index, (_, class, words)) in DEPTHS.iter().enumerate() {
        let y = HEIGHT - 46.0 + 18.0 * index as f64;
        append(
            page,
            format_args!("<circle class=\"{class}\" cx=\"12\" cy=\"{y}\" r=\"5\"/><text x=\"24\" y=\"{}\">{words}</text>", y + 4.0),
        );
    }
    for (index, magnitude) in [2.0, 4.0, 6.0].into_iter().enumerate() {
        let x = WIDTH - 150.0 + 54.0 * index as f64;
        append(page, format_args!("<circle class=\"grid\" cx=\"{x}\" cy=\"{}\" r=\"{:.1}\"/>", HEIGHT - 12.0, radius(magnitude)));
        append(page, format_args!("<text x=\"{}\" y=\"{}\">{magnitude:.0}</text>", x + 14.0, HEIGHT - 8.0));
    }
}

fn append(page: &mut String, text: std::fmt::Arguments<'_>) {
    // A `String` takes everything.
    let _ = page.write_fmt(text);
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quake(magnitude: f64, place: &str) -> Quake {
        Quake { longitude: 10.0, latitude: 50.0, depth_km: 80.0, magnitude, time_ms: 1_517_966_773_840, place: place.to_owned() }
    }

    #[test]
    fn words_of_the_feed_are_no_markup() {
        let page = draw(&[quake(5.0, "</title><script>alert(1)</script>")], &[]);
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
    }

    #[test]
    fn the_largest_is_named_and_drawn_first() {
        let page = draw(&[quake(3.0, "small"), quake(6.5, "large")], &[vec![(0.0, 0.0), (1.0, 1.0)]]);
        assert!(page.contains("2018-02-07 to 2018-02-07 (UTC); the largest: 6.5, large"), "{page}");
        assert!(page.contains("<title>6.5, large, 80 km deep, 2018-02-07</title>") && !page.contains("small"), "{page}");
    }

    #[test]
    fn a_change_changes_the_tag() {
        assert_ne!(tag(b"one"), tag(b"two"));
    }
}
