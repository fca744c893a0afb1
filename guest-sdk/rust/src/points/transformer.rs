//! The point `transformer`: batch in, batch out.
//!
//! Every answer of one transformation has the same columns, whatever the rows are; a host checks it.

use std::marker::PhantomData;

use super::Session;
use crate::batch::Batch;
use crate::bindings::transformer::exports::plugwork::points::transformer::{Guest, GuestTransformation, Transformation};
use crate::bindings::types;
use crate::options::Options;
use crate::refusal::{Refusal, Result};

/// Something that rewrites tables.
pub trait Transformer: Sized + 'static {
    /// Begins a transformation of one table.
    fn start(options: &Options) -> Result<Self>;

    /// The batch that stands for this one. Not called again after a refusal.
    fn apply(&mut self, batch: &Batch) -> Result<Batch>;
}

/// Exports a transformer.
pub struct TransformerExport<T>(PhantomData<T>);

/// One transformation under way.
pub struct TransformationExport<T>(Session<T>);

impl<T: Transformer> Guest for TransformerExport<T> {
    type Transformation = TransformationExport<T>;

    fn start(options: String) -> Result<Transformation, Refusal> {
        let transformer = T::start(&Options::new(options))?;
        Ok(Transformation::new(TransformationExport(Session::new("transformation", transformer))))
    }
}

impl<T: Transformer> GuestTransformation for TransformationExport<T> {
    fn apply(&self, input: types::Batch) -> Result<types::Batch, Refusal> {
        self.0.call(|transformer| Ok(transformer.apply(&Batch::from_raw(input)?)?.into_raw()))
    }
}
