//! The analysis itself: rows in, one line of statistics a group and column out.
//!
//! Lives here: [`Plan`], [`Statistics`] and the loop that a benchmark runs natively. Not here: the component's boundary
//! (`plugin.rs`), the shape of the result (`result.rs`). May be misread: a value that is not finite (NaN, infinity) counts
//! as null, because no mean survives it.

use crate::column::{Column, Kind};
use crate::issue::Issue;
use crate::keys::Keys;
use crate::sketch::Sketch;

/// What to compute: the options of the plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Columns whose values make the groups; none: the whole table is one group.
    pub by: Vec<String>,
    /// Columns to describe; `None`: every column of numbers that is not in `by`.
    pub values: Option<Vec<String>>,
    /// Fractions between 0 and 1.
    pub quantiles: Vec<f64>,
    /// Groups, beyond which the analysis refuses to go on.
    pub groups_max: usize,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { by: Vec::new(), values: None, quantiles: vec![0.5, 0.9, 0.99], groups_max: 4_096 }
    }
}

/// An analysis under way.
///
/// Its memory is bounded by groups × columns, not by rows: at most 66 KiB for each pair, usually below 20, and 2 KiB while a
/// group has no more than 256 rows.
#[derive(Debug)]
pub struct Statistics {
    plan: Plan,
    layout: Option<Layout>,
    /// Group of each row of the batch at hand; kept for its memory.
    row_groups: Vec<u32>,
}

/// What is known once the first batch has shown the columns.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Name and format of every column, to notice when they change.
    shape: Vec<(String, String)>,
    pub(crate) by: Vec<usize>,
    pub(crate) keys: Keys,
    pub(crate) rows: Vec<u64>,
    pub(crate) measures: Vec<Measure>,
}

impl Layout {
    pub(crate) fn shape(&self, index: usize) -> (&str, &str) {
        (&self.shape[index].0, &self.shape[index].1)
    }
}

/// One column that is described, in all groups.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    /// Where dates and timestamps are counted from: the first one seen.
    pub(crate) origin: Option<i64>,
    pub(crate) summaries: Vec<Summary>,
}

/// Everything that is kept of the values of one column in one group.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    sum: f64,
    /// What `sum` has lost by rounding so far (Knuth's two-sum, summed up).
    lost: f64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
    pub(crate) sketch: Sketch,
}

impl Default for Summary {
    fn default() -> Summary {
        Summary { count: 0, sum: 0.0, lost: 0.0, minimum: f64::INFINITY, maximum: f64::NEG_INFINITY, sketch: Sketch::default() }
    }
}

impl Summary {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        let part = sum - self.sum;
        self.lost += (self.sum - (sum - part)) + (value - part);
        self.sum = sum;
        self.count += 1;
        self.minimum = if value < self.minimum { value } else { self.minimum };
        self.maximum = if value > self.maximum { value } else { self.maximum };
        self.sketch.add(value);
    }

    /// `None` without values, and when their sum leaves the range of a float.
    pub(crate) fn mean(&self) -> Option<f64> {
        let mean = (self.sum + self.lost) / self.count as f64;
        mean.is_finite().then(|| mean.clamp(self.minimum, self.maximum))
    }

    pub(crate) fn quantiles(&self, fractions: &[f64], whole: bool) -> impl Iterator<Item = Option<f64>> {
        let answers = self.sketch.quantiles(fractions, whole).into_iter();
        answers.map(|answer| answer.map(|value| value.clamp(self.minimum, self.maximum)))
    }
}

impl Statistics {
    /// Begins an analysis. A quantile outside 0 to 1, or more than 32 of them, is an [`Issue`].
    pub fn new(plan: Plan) -> Result<Statistics, Issue> {
        if let Some(wrong) = plan.quantiles.iter().position(|fraction| !(0.0..=1.0).contains(fraction)) {
            return Err(Issue::new("not a fraction", format!("/quantiles/{wrong}"), "a number from 0 to 1"));
        }
        if plan.quantiles.len() > 32 {
            return Err(Issue::new("too many quantiles", "/quantiles", "at most 32"));
        }
        Ok(Statistics { plan, layout: None, row_groups: Vec::new() })
    }

    /// Learns which columns there are and checks that they do not change; their values are not looked at.
    /// [`Statistics::push`] does it too.
    pub fn look(&mut self, columns: &[Column<'_>]) -> Result<(), Issue> {
        match &self.layout {
            Some(layout) => layout.check(columns),
            None => {
                self.layout = Some(Layout::new(&self.plan, columns)?);
                Ok(())
            }
        }
    }

    /// Takes in `rows` rows. Every call must bring the same columns in the same order.
    pub fn push(&mut self, rows: usize, columns: &[Column<'_>]) -> Result<(), Issue> {
        self.look(columns)?;
        let Some(layout) = &mut self.layout else { return Ok(()) };
        let by: Vec<Column<'_>> = layout.by.iter().map(|index| columns[*index]).collect();
        layout.keys.number(rows, &by, &mut self.row_groups)?;
        layout.rows.resize(layout.keys.count(), 0);
        if by.is_empty() {
            layout.rows[0] += rows as u64;
        } else {
            self.row_groups.iter().for_each(|group| layout.rows[*group as usize] += 1);
        }
        for measure in &mut layout.measures {
            measure.take(&columns[measure.index], layout.rows.len(), &self.row_groups);
        }
        Ok(())
    }

    /// Whether the column at this place of the table is read at all: a caller that has to convert columns can leave the others
    /// empty. Nothing is, until [`Statistics::look`] has seen the columns.
    pub fn reads(&self, index: usize) -> bool {
        self.layout
            .as_ref()
            .is_some_and(|layout| layout.by.contains(&index) || layout.measures.iter().any(|measure| measure.index == index))
    }

    /// The plan and, if there was any batch, what was found.
    pub(crate) fn parts(&self) -> (&Plan, Option<&Layout>) {
        (&self.plan, self.layout.as_ref())
    }
}

impl Measure {
    fn take(&mut self, column: &Column<'_>, groups: usize, row_groups: &[u32]) {
        self.summaries.resize_with(groups, Summary::default);
        if self.origin.is_none() && matches!(self.kind, Kind::Time(_)) {
            self.origin = column.first_time();
        }
        let origin = self.origin.unwrap_or(0);
        match (self.summaries.as_mut_slice(), row_groups.is_empty()) {
            ([summary], true) => column.each(origin, |_, value| {
                if value.is_finite() {
                    summary.add(value);
                }
            }),
            (summaries, _) => column.each(origin, |row, value| {
                if value.is_finite() {
                    summaries[row_groups[row] as usize].add(value);
                }
            }),
        }
    }
}

impl Layout {
    fn new(plan: &Plan, columns: &[Column<'_>]) -> Result<Layout, Issue> {
        let find = |name: &str, at: String| {
            let all = || columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ");
            columns
                .iter()
                .position(|column| column.name == name)
                .ok_or_else(|| Issue::new(format!("the table has no column `{name}`"), at, format!("one of {}", all())))
        };
        let by = plan.by.iter().enumerate().map(|(n, name)| find(name, format!("/by/{n}"))).collect::<Result<Vec<_>, _>>()?;
        let values = match &plan.values {
            Some(names) => names.iter().enumerate().map(|(n, name)| find(name, format!("/values/{n}"))).collect::<Result<Vec<_>, _>>()?,
            None => (0..columns.len())
                .filter(|index| matches!(Kind::of(columns[*index].format), Kind::Whole | Kind::Real) && !by.contains(index))
                .collect(),
        };
        if let Some((n, index)) = values.iter().enumerate().find(|(_, index)| !Kind::of(columns[**index].format).is_measurable()) {
            let column = columns[*index];
            return Err(Issue::new(
                format!("column `{}` (format `{}`) has no numbers", column.name, column.format),
                format!("/values/{n}"),
                "columns of numbers, dates or timestamps",
            ));
        }
        let formats: Vec<&str> = by.iter().map(|index| columns[*index].format).collect();
        let measure = |index: usize| Measure { index, kind: Kind::of(columns[index].format), origin: None, summaries: Vec::new() };
        Ok(Layout {
            shape: columns.iter().map(|column| (column.name.to_owned(), column.format.to_owned())).collect(),
            keys: Keys::new(&formats, plan.groups_max),
            rows: Vec::new(),
            measures: values.into_iter().map(measure).collect(),
            by,
        })
    }

    fn check(&self, columns: &[Column<'_>]) -> Result<(), Issue> {
        let same = |((name, format), column): (&(String, String), &Column<'_>)| name == column.name && format == column.format;
        if self.shape.len() == columns.len() && self.shape.iter().zip(columns).all(same) {
            return Ok(());
        }
        Err(Issue::new("a batch has other columns than the first one", "", "the same names and formats in the same order"))
    }
}
