//! The point `data-source`: hands out a table, batch by batch.
//!
//! A source keeps only what it needs for the next batch; a whole table in memory is what the contract wants to avoid.

use std::marker::PhantomData;

use super::Session;
use crate::batch::Batch;
use crate::bindings::data_source::exports::plugwork::points::data_source::{Cursor, Guest, GuestCursor};
use crate::bindings::types;
use crate::options::Options;
use crate::refusal::{Refusal, Result};

/// Something that tables are read from.
pub trait DataSource: Sized + 'static {
    /// Begins to read.
    fn open(options: &Options) -> Result<Self>;

    /// The next batch, none at the end. A table without rows is one batch of 0 rows, as
    /// [`TableBuilder::last`](crate::TableBuilder::last) makes it. Not called again after none or a refusal.
    fn next(&mut self) -> Result<Option<Batch>>;
}

/// Exports a source.
pub struct DataSourceExport<T>(PhantomData<T>);

/// One reading under way.
pub struct CursorExport<T>(Session<Reading<T>>);

struct Reading<T> {
    source: T,
    began: bool,
    ended: bool,
}

impl<T: DataSource> Guest for DataSourceExport<T> {
    type Cursor = CursorExport<T>;

    fn open(options: String) -> Result<Cursor, Refusal> {
        let source = T::open(&Options::new(options))?;
        Ok(Cursor::new(CursorExport(Session::new("cursor", Reading { source, began: false, ended: false }))))
    }
}

impl<T: DataSource> GuestCursor for CursorExport<T> {
    fn next(&self) -> Result<Option<types::Batch>, Refusal> {
        self.0.call(|reading| {
            if reading.ended {
                return Ok(None);
            }
            match reading.source.next()? {
                Some(batch) => {
                    reading.began = true;
                    Ok(Some(batch.into_raw()))
                }
                None if reading.began => {
                    reading.ended = true;
                    Ok(None)
                }
                None => Err(Refusal::other("the source ended without a batch; a table without rows is one batch of 0 rows")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    struct Once(Vec<Result<Option<Batch>>>);

    impl DataSource for Once {
        fn open(_: &Options) -> Result<Self> {
            Ok(Self(Vec::new()))
        }

        fn next(&mut self) -> Result<Option<Batch>> {
            self.0.remove(0)
        }
    }

    fn cursor(answers: Vec<Result<Option<Batch>>>) -> CursorExport<Once> {
        CursorExport(Session::new("cursor", Reading { source: Once(answers), began: false, ended: false }))
    }

    fn batch() -> Batch {
        Batch::new(1, [Column::i64s("n", [1_i64])]).unwrap()
    }

    #[test]
    fn the_end_is_the_end_for_ever() {
        let cursor = cursor(vec![Ok(Some(batch())), Ok(None)]);
        assert!(cursor.next().unwrap().is_some());
        assert!(cursor.next().unwrap().is_none());
        assert!(cursor.next().unwrap().is_none());
    }

    #[test]
    fn a_source_without_any_batch_is_refused() {
        assert!(matches!(cursor(vec![Ok(None)]).next(), Err(Refusal::Other(_))));
    }

    #[test]
    fn nothing_is_asked_after_a_refusal() {
        let cursor = cursor(vec![Err(Refusal::unavailable("busy")), Ok(Some(batch()))]);
        assert!(cursor.next().is_err());
        assert_eq!(cursor.next().unwrap_err().to_string(), "the cursor is finished; expected no call after the end or after a refusal");
    }
}
