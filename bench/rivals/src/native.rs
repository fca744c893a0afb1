//! The jobs in this program, behind pointers: what an application pays that trusts its plugins and builds them in.
//!
//! Not here: the jobs (`job`). May be misread: were the pointers not hidden from the compiler, it would call the functions directly or not at all.

use std::hint::black_box;

use anyhow::Result;
use plugwork_rivals_job::{Order, Price};

use crate::rival::Caller;

/// Both jobs behind pointers.
pub(crate) struct Native {
    add: Box<dyn Fn(u32) -> u32>,
    price: Box<dyn Fn(&Order) -> Price>,
}

impl Native {
    pub(crate) fn new() -> Self {
        Self { add: black_box(Box::new(plugwork_rivals_job::add)), price: black_box(Box::new(plugwork_rivals_job::price)) }
    }
}

impl Caller for Native {
    fn add(&mut self, input: u32) -> Result<u32> {
        Ok((self.add)(input))
    }

    fn price(&mut self, order: &Order) -> Result<Price> {
        Ok((self.price)(order))
    }
}
