//! Fails in the way that its options name: as an analyzer (`fail`, `when`) and, with batches that lie, as a data source.
//!
//! The same options do the same in the guests of the other languages. One thing to know: the SDK hands out no batch
//! that lies, so the source is written against the generated bindings.

mod liar;

use plugwork_guest::prelude::*;
use plugwork_guest::refusal::Denial;
use serde::Deserialize;

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    fail: String,
    #[serde(default)]
    when: String,
}

/// The analyzer.
pub struct Misbehaving {
    choice: Choice,
    rows: usize,
}

impl Analyzer for Misbehaving {
    fn start(options: &Options) -> Result<Self> {
        let misbehaving = Self { choice: options.parse()?, rows: 0 };
        misbehaving.reach("start")?;
        Ok(misbehaving)
    }

    fn push(&mut self, batch: &Batch) -> Result<()> {
        self.reach("push")?;
        self.rows += batch.rows();
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<Table>> {
        self.reach("next")?;
        let mut table = TableBuilder::new([Field::i64("rows")]);
        table.push(row![self.rows])?;
        Ok(vec![table.into_table("count")])
    }
}

impl Misbehaving {
    /// Fails if this is the place to.
    fn reach(&self, place: &str) -> Result<()> {
        if self.choice.when != place {
            return Ok(());
        }
        match self.choice.fail.as_str() {
            "invalid" => Err(Refusal::invalid("not a number", "row 12", "a number")),
            "denied" => Err(Refusal::Denied(Denial {
                code: "E-TEST".into(),
                permission: "plugwork-tests:none".into(),
                rule: "the test says no".into(),
                hint: "there is none".into(),
            })),
            "unavailable" => Err(Refusal::unavailable("the test is closed")),
            "throw" => panic!("the test asked for it"),
            "recurse" => Err(Refusal::other(format!("came back with {}", descend(1, std::hint::black_box(0))))),
            "recurse-frames" => Err(Refusal::other(format!("came back with {}", descend_with_frame(1, std::hint::black_box(0))))),
            "allocate" => Err(Refusal::other(format!("got {} blocks", allocate()))),
            "loop" => loop {
                std::hint::black_box(());
            },
            "print" => {
                log::trace("a trace");
                log::debug("a detail");
                log::info("a line");
                log::warn("a warning");
                log::error("an error");
                Ok(())
            }
            "clock" => Err(Refusal::other(format!("read the clock: {:?}", std::time::Instant::now()))),
            "exit" => std::process::exit(3),
            other => Err(Refusal::invalid(format!("`{other}` is no way to fail"), "/fail", "one of those in the source")),
        }
    }
}

/// Never reaches `end`. Subtraction, because sums and products of recursive calls are made into loops.
#[inline(never)]
fn descend(depth: u64, end: u64) -> u64 {
    if depth == end { 0 } else { depth.wrapping_sub(descend(depth + 1, end)) }
}

/// As `descend`, with something on the stack that has an address.
#[inline(never)]
fn descend_with_frame(depth: u64, end: u64) -> u64 {
    let frame = std::hint::black_box([depth; 16]);
    if depth == end { 0 } else { frame[3].wrapping_sub(descend_with_frame(depth + 1, end)) }
}

fn allocate() -> usize {
    let mut blocks = Vec::new();
    loop {
        blocks.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        if blocks.len() == usize::MAX {
            return blocks.len();
        }
    }
}

plugwork_guest::plugin! {
    descriptor: r#"{"points":{
        "plugwork:points/analyzer":{"summary":"Fails.","options":{"type":"object","additionalProperties":false,
            "properties":{"fail":{"type":"string"},"when":{"enum":["start","push","next"]}}}},
        "plugwork:points/data-source":{"summary":"Lies.","options":{"type":"object","additionalProperties":false,
            "properties":{"lie":{"type":"string"}}}}}}"#,
    analyzer: Misbehaving,
}
plugwork_guest::__export!(data_source liar::Liar);
