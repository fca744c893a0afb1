//! The plugin: options and batches in, tables `estimates` and `frequencies` out.
//!
//! Lives here: [`MagnitudeFrequency`], which the component exports. Not here: any arithmetic. May be misread: events
//! without a magnitude are left out and counted in the log; a magnitude that cannot be one is refused.

use plugwork_guest::prelude::*;

use crate::catalogue::{Catalogue, GROUP_NAME_BYTES_MAX, GROUPS_MAX, GroupEstimate, Untaken};
use crate::estimate::Relation;
use crate::options::Settings;

/// Name of the only group when there is no column to group by.
const WHOLE: &str = "all";

/// The analyzer.
#[derive(Debug)]
pub struct MagnitudeFrequency {
    settings: Settings,
    catalogue: Catalogue,
    rows: u64,
    without_magnitude: u64,
}

impl Analyzer for MagnitudeFrequency {
    fn start(options: &Options) -> Result<Self> {
        let settings = Settings::read(options)?;
        Ok(Self { settings, catalogue: Catalogue::default(), rows: 0, without_magnitude: 0 })
    }

    fn push(&mut self, batch: &Batch) -> Result<()> {
        let magnitudes = batch.column(&self.settings.magnitude)?.f64s()?;
        let groups = self.settings.group.as_ref().map(|name| batch.column(name)?.texts()).transpose()?;
        for (row, magnitude) in magnitudes.iter().enumerate() {
            self.rows += 1;
            let Some(magnitude) = magnitude else {
                self.without_magnitude += 1;
                continue;
            };
            let group = groups.as_ref().map_or(Some(WHOLE), |groups| groups.get(row));
            self.catalogue.add(group, magnitude).map_err(|untaken| self.refuse(untaken, magnitude))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<Table>> {
        if self.without_magnitude > 0 {
            log::info(&format!("{} of {} events have no magnitude and are left out", self.without_magnitude, self.rows));
        }
        let found = self.catalogue.estimates(&self.settings.plan);
        Ok(vec![estimates(&found)?, frequencies(&found)?])
    }
}

impl MagnitudeFrequency {
    fn refuse(&self, untaken: Untaken, magnitude: f64) -> Refusal {
        match untaken {
            Untaken::NoMagnitude => Refusal::invalid(
                format!("{magnitude} is no magnitude"),
                format!("row {}, column `{}`", self.rows, self.settings.magnitude),
                "a number from -5 to 12",
            ),
            Untaken::TooManyGroups => Refusal::invalid(
                format!("more than {GROUPS_MAX} groups, or one whose name has more than {GROUP_NAME_BYTES_MAX} bytes"),
                format!("row {}, column `{}`", self.rows, self.settings.group.as_deref().unwrap_or(WHOLE)),
                "a column that names the network or region",
            ),
        }
    }
}

fn estimates(found: &[GroupEstimate]) -> Result<Table> {
    let mut table = TableBuilder::new([
        Field::text("group"),
        Field::i64("events"),
        Field::i64("used"),
        Field::f64("step"),
        Field::f64("completeness"),
        Field::f64("a"),
        Field::f64("b"),
        Field::f64("b-uncertainty"),
        Field::f64("mean"),
        Field::f64("largest"),
        Field::text("status"),
    ]);
    for one in found {
        let estimate = &one.estimate;
        let part = |part: fn(&Relation) -> f64| estimate.relation.as_ref().ok().map(part);
        let status = estimate.relation.as_ref().err().map_or_else(|| "estimated".to_owned(), ToString::to_string);
        table.push(row![
            one.group.as_deref(),
            count(one.events),
            count(estimate.used),
            magnitude(estimate.step),
            magnitude(estimate.completeness),
            part(|relation| relation.a),
            part(|relation| relation.b),
            part(|relation| relation.b_uncertainty),
            estimate.mean,
            magnitude(one.largest),
            status.as_str(),
        ])?;
    }
    Ok(table.into_table("estimates"))
}

fn frequencies(found: &[GroupEstimate]) -> Result<Table> {
    let mut table = TableBuilder::new([
        Field::text("group"),
        Field::f64("magnitude"),
        Field::f64("lowest"),
        Field::i64("count"),
        Field::i64("cumulative"),
        Field::f64("fitted"),
    ]);
    for one in found {
        for line in &one.frequencies {
            let counts = (count(line.count), count(line.cumulative));
            let magnitudes = (magnitude(line.magnitude), magnitude(line.lowest));
            table.push(row![one.group.as_deref(), magnitudes.0, magnitudes.1, counts.0, counts.1, line.fitted])?;
        }
    }
    Ok(table.into_table("frequencies"))
}

/// Divided, not multiplied by 0.01: 90 / 100.0 is the float that 0.9 means, 90 * 0.01 is not.
fn magnitude(hundredths: i32) -> f64 {
    f64::from(hundredths) / 100.0
}

fn count(events: u64) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[(Option<&str>, Option<f64>)]) -> Batch {
        let networks = Column::texts("network", rows.iter().map(|row| row.0));
        Batch::new(rows.len(), [networks, Column::f64s("magnitude", rows.iter().map(|row| row.1))]).unwrap()
    }

    fn start(options: &str) -> MagnitudeFrequency {
        MagnitudeFrequency::start(&Options::new(options)).unwrap()
    }

    fn week() -> Vec<(Option<&'static str>, Option<f64>)> {
        let lines = include_str!("../testdata/usgs-week.csv").lines().skip(1);
        lines.map(|line| line.split_once(',').map(|(net, mag)| (Some(net), mag.parse().ok())).unwrap()).collect()
    }

    #[test]
    fn the_real_week_goes_in_as_batches_and_comes_out_as_tables() {
        let mut analyzer = start("{}");
        for rows in week().chunks(500) {
            analyzer.push(&batch(rows)).unwrap();
        }
        let tables = analyzer.finish().unwrap();
        assert_eq!([&*tables[0].name, &*tables[1].name], ["estimates", "frequencies"]);
        let found = &tables[0].batches[0];
        let number = |name: &str| found.column(name).unwrap().f64s().unwrap().get(0).unwrap();
        assert_eq!(found.column("group").unwrap().texts().unwrap().get(0), Some("ci"));
        assert_eq!([number("events"), number("used"), number("step"), number("completeness")], [386.0, 168.0, 0.01, 0.9]);
        assert_eq!(format!("{:.2} ± {:.2}", number("b"), number("b-uncertainty")), "0.82 ± 0.06");
    }

    #[test]
    fn one_group_takes_the_whole_table() {
        let mut analyzer = start(r#"{"group":null}"#);
        analyzer.push(&batch(&week())).unwrap();
        let found = &analyzer.finish().unwrap()[0].batches[0];
        assert_eq!(found.rows(), 1);
        assert_eq!(found.column("group").unwrap().texts().unwrap().get(0), Some("all"));
        assert_eq!(found.column("events").unwrap().i64s().unwrap().get(0), Some(1_707));
    }

    #[test]
    fn an_event_without_magnitude_is_left_out() {
        let mut analyzer = start("{}");
        analyzer.push(&batch(&[(Some("ci"), None), (Some("ci"), Some(1.0))])).unwrap();
        let found = &analyzer.finish().unwrap()[0].batches[0];
        assert_eq!(found.column("events").unwrap().i64s().unwrap().get(0), Some(1));
    }

    #[test]
    fn what_is_no_magnitude_is_refused_with_its_row() {
        let mut analyzer = start("{}");
        analyzer.push(&batch(&[(Some("ci"), Some(1.0))])).unwrap();
        let refusal = analyzer.push(&batch(&[(Some("ci"), Some(1.0)), (Some("ci"), Some(99.0))])).unwrap_err();
        assert_eq!(refusal.to_string(), "row 3, column `magnitude`: 99 is no magnitude; expected a number from -5 to 12");
    }

    #[test]
    fn a_table_without_events_gives_tables_without_rows() {
        let mut analyzer = start("{}");
        analyzer.push(&batch(&[])).unwrap();
        assert!(analyzer.finish().unwrap().iter().all(|table| table.batches[0].rows() == 0));
    }
}
