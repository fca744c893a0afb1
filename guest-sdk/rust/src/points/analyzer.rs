//! The point `analyzer`: a whole table in, tables found out.
//!
//! The contract hands findings out batch by batch; the adapter keeps the queue, so an author returns whole tables. They
//! should be small: what was found, not what was read.

use std::collections::VecDeque;
use std::marker::PhantomData;

use super::Session;
use crate::batch::Batch;
use crate::bindings::analyzer::exports::plugwork::points::analyzer::{Analysis, Finding, Guest, GuestAnalysis};
use crate::bindings::types;
use crate::builder::Table;
use crate::options::Options;
use crate::refusal::{Refusal, Result};

/// The most tables one analysis may find.
const TABLES_MAX: usize = 64;

/// Something that finds out about a table.
pub trait Analyzer: Sized + 'static {
    /// Begins an analysis.
    fn start(options: &Options) -> Result<Self>;

    /// Takes some rows in. Memory should not grow with the number of rows.
    fn push(&mut self, batch: &Batch) -> Result<()>;

    /// What was found, as [`TableBuilder::into_table`](crate::TableBuilder::into_table) makes it; at most 64 tables.
    /// Called once, after the last `push`.
    fn finish(&mut self) -> Result<Vec<Table>>;
}

/// Exports an analyzer.
pub struct AnalyzerExport<T>(PhantomData<T>);

/// One analysis under way.
pub struct AnalysisExport<T>(Session<Stage<T>>);

enum Stage<T> {
    Taking(T),
    HandingOut(VecDeque<Finding>),
}

impl<T: Analyzer> Guest for AnalyzerExport<T> {
    type Analysis = AnalysisExport<T>;

    fn start(options: String) -> Result<Analysis, Refusal> {
        let analyzer = T::start(&Options::new(options))?;
        Ok(Analysis::new(AnalysisExport(Session::new("analysis", Stage::Taking(analyzer)))))
    }
}

impl<T: Analyzer> GuestAnalysis for AnalysisExport<T> {
    fn push(&self, input: types::Batch) -> Result<(), Refusal> {
        self.0.call(|stage| match stage {
            Stage::Taking(analyzer) => analyzer.push(&Batch::from_raw(input)?),
            Stage::HandingOut(_) => Err(Refusal::invalid("`push` after `next`", "", "all rows before the first `next`")),
        })
    }

    fn next(&self) -> Result<Option<Finding>, Refusal> {
        self.0.call(|stage| {
            if let Stage::Taking(analyzer) = stage {
                let findings = findings(analyzer.finish()?)?;
                *stage = Stage::HandingOut(findings);
            }
            match stage {
                Stage::Taking(_) => Ok(None),
                Stage::HandingOut(findings) => Ok(findings.pop_front()),
            }
        })
    }
}

fn findings(tables: Vec<Table>) -> Result<VecDeque<Finding>> {
    if tables.len() > TABLES_MAX {
        return Err(Refusal::other(format!("{} tables found; at most {TABLES_MAX} can be handed out", tables.len())));
    }
    let mut findings = VecDeque::new();
    for (index, table) in tables.iter().enumerate() {
        check_name(&table.name)?;
        if tables[..index].iter().any(|earlier| earlier.name == table.name) {
            return Err(Refusal::other(format!("two tables are called `{}`", table.name)));
        }
    }
    for Table { name, batches } in tables {
        findings.extend(batches.into_iter().map(|batch| Finding { table: name.clone(), batch: batch.into_raw() }));
    }
    Ok(findings)
}

pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Refusal::other(format!("`{name}` is no name: use 1 to 64 characters of `a` to `z`, `0` to `9` and `-`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Field, TableBuilder, row};

    struct Count(usize);

    impl Analyzer for Count {
        fn start(_: &Options) -> Result<Self> {
            Ok(Self(0))
        }

        fn push(&mut self, batch: &Batch) -> Result<()> {
            self.0 += batch.rows();
            Ok(())
        }

        fn finish(&mut self) -> Result<Vec<Table>> {
            let mut table = TableBuilder::new([Field::i64("rows")]);
            table.push(row![self.0])?;
            Ok(vec![table.into_table("counts"), TableBuilder::new([Field::text("a")]).into_table("empty")])
        }
    }

    fn analysis() -> AnalysisExport<Count> {
        AnalysisExport(Session::new("analysis", Stage::Taking(Count(0))))
    }

    fn input() -> types::Batch {
        Batch::new(2, [Column::i64s("n", [1_i64, 2])]).unwrap().into_raw()
    }

    #[test]
    fn tables_are_handed_out_one_after_another_and_then_none() {
        let analysis = analysis();
        analysis.push(input()).unwrap();
        let names: Vec<_> = std::iter::from_fn(|| analysis.next().unwrap()).map(|finding| finding.table).collect();
        assert_eq!(names, ["counts", "empty"]);
        assert!(analysis.next().unwrap().is_none());
    }

    #[test]
    fn a_push_after_next_is_invalid() {
        let analysis = analysis();
        analysis.next().unwrap();
        assert!(matches!(analysis.push(input()), Err(Refusal::Invalid(_))));
    }

    #[test]
    fn a_batch_that_lies_is_refused_before_the_analyzer_sees_it() {
        let mut lie = input();
        lie.rows = 3;
        assert!(analysis().push(lie).is_err());
    }

    #[test]
    fn table_names_are_checked() {
        let named = |name: &str| Table { name: name.into(), batches: Vec::new() };
        assert!(findings(vec![named("a-1")]).is_ok());
        assert!(findings(vec![named(&"a".repeat(64))]).is_ok());
        assert!(findings(vec![named(&"a".repeat(65))]).is_err());
        assert!(findings(vec![named("A")]).is_err());
        assert!(findings(vec![named("a"), named("a")]).is_err());
    }
}
