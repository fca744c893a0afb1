//! The point `visualization`: tables in, charts out.
//!
//! A chart is data, a Vega-Lite specification with its rows inline; the host draws it.

use std::marker::PhantomData;

use super::Session;
use super::analyzer::check_name;
use crate::batch::Batch;
use crate::bindings::types;
use crate::bindings::visualization::exports::plugwork::points::visualization::{Drawing, Guest, GuestDrawing};
use crate::options::Options;
use crate::refusal::{Refusal, Result};

pub use crate::bindings::visualization::exports::plugwork::points::visualization::Chart;

/// The most charts of one drawing.
const CHARTS_MAX: usize = 16;
/// The most bytes of one chart's body: 4 MiB.
const BODY_BYTES_MAX: usize = 4 << 20;

impl Chart {
    /// A Vega-Lite 6 chart. `name` is for files (`a` to `z`, `0` to `9`, `-`), `title` and `description` for people; the
    /// description says what the chart shows to those who cannot see it.
    pub fn vega_lite(
        name: impl Into<String>,
        title: impl Into<String>,
        description: impl Into<String>,
        specification: &serde_json::Value,
    ) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            description: description.into(),
            media_type: "application/vnd.vegalite.v6+json".into(),
            body: specification.to_string(),
        }
    }
}

/// Something that draws tables.
pub trait Visualization: Sized + 'static {
    /// Begins a drawing.
    fn start(options: &Options) -> Result<Self>;

    /// Takes in rows of the table with that name; the names are those of the caller's pipeline.
    fn push(&mut self, table: &str, batch: &Batch) -> Result<()>;

    /// The charts, at most 16. Called once.
    fn finish(&mut self) -> Result<Vec<Chart>>;
}

/// Exports a visualization.
pub struct VisualizationExport<T>(PhantomData<T>);

/// One drawing under way.
pub struct DrawingExport<T>(Session<T>);

impl<T: Visualization> Guest for VisualizationExport<T> {
    type Drawing = DrawingExport<T>;

    fn start(options: String) -> Result<Drawing, Refusal> {
        let visualization = T::start(&Options::new(options))?;
        Ok(Drawing::new(DrawingExport(Session::new("drawing", visualization))))
    }
}

impl<T: Visualization> GuestDrawing for DrawingExport<T> {
    fn push(&self, table: String, input: types::Batch) -> Result<(), Refusal> {
        self.0.call(|visualization| visualization.push(&table, &Batch::from_raw(input)?))
    }

    fn finish(&self) -> Result<Vec<Chart>, Refusal> {
        self.0.end(|mut visualization| within_limits(visualization.finish()?))
    }
}

fn within_limits(charts: Vec<Chart>) -> Result<Vec<Chart>> {
    if charts.len() > CHARTS_MAX {
        return Err(Refusal::other(format!("{} charts; at most {CHARTS_MAX} can be handed out", charts.len())));
    }
    for chart in &charts {
        check_name(&chart.name)?;
        if chart.description.trim().is_empty() {
            return Err(Refusal::other(format!("chart `{}` has no description; say what it shows", chart.name)));
        }
        if chart.body.len() > BODY_BYTES_MAX {
            let (name, bytes) = (&chart.name, chart.body.len());
            return Err(Refusal::other(format!("chart `{name}` has {bytes} bytes; at most {BODY_BYTES_MAX}: draw fewer rows")));
        }
    }
    Ok(charts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_without_description_is_refused() {
        let chart = |text| Chart::vega_lite("map", "Map", text, &serde_json::json!({}));
        assert!(within_limits(vec![chart("Where events were.")]).is_ok());
        assert!(within_limits(vec![chart(" ")]).is_err());
    }

    #[test]
    fn a_drawing_has_at_most_16_charts() {
        let charts = |count| (0..count).map(|n| Chart::vega_lite(format!("c{n}"), "", "x", &serde_json::json!({}))).collect();
        assert!(within_limits(charts(16)).is_ok());
        assert!(within_limits(charts(17)).is_err());
    }
}
