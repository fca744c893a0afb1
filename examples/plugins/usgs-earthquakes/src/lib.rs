//! The plugin `plugwork:usgs-earthquakes`: the GeoJSON feeds of the United States Geological Survey as a table.
//!
//! Streams: one event is in memory beside the batch that is being filled, whatever the file's size (a fetched feed is
//! buffered by the host, at most 8 MiB). The columns are in `feed`, which also says where each comes from.

mod feed;

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use json_elements::{Elements, Layout};
use plugwork_guest::fetch;
use plugwork_guest::prelude::*;

/// One feed being read.
pub struct Earthquakes {
    features: Elements<Box<dyn Read>>,
    table: TableBuilder,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    path: Option<String>,
    url: Option<String>,
}

impl Earthquakes {
    /// Reads a feed from anywhere.
    pub fn read(feed: impl Read + 'static) -> Self {
        let features = Elements::new(Box::new(feed) as Box<dyn Read>, Layout::Member("features"), "feature");
        Self { features, table: TableBuilder::new(feed::fields()) }
    }
}

impl DataSource for Earthquakes {
    fn open(options: &Options) -> Result<Self> {
        match options.parse()? {
            Settings { path: Some(path), url: None } => {
                // The granted folder is the root, and where a relative path begins is the host's affair otherwise.
                let file = File::open(Path::new("/").join(&path)).at(format!("/path, `{path}`"))?;
                Ok(Self::read(file))
            }
            Settings { path: None, url: Some(url) } => {
                let response = fetch::get(&url).and_then(fetch::Response::successful).at(format!("/url, `{url}`"))?;
                Ok(Self::read(Cursor::new(response.body)))
            }
            Settings { path: None, url: None } => Err(Refusal::invalid("no source", "", "the option `path` or `url`")),
            Settings { .. } => Err(Refusal::invalid("two sources", "/url", "either the option `path` or `url`")),
        }
    }

    fn next(&mut self) -> Result<Option<Batch>> {
        while let Some(feature) = self.features.next()? {
            feed::push(&mut self.table, &feature)?;
            if let Some(batch) = self.table.ready() {
                return Ok(Some(batch));
            }
        }
        Ok(self.table.last())
    }
}

plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"),
    data_source: Earthquakes,
}

#[cfg(test)]
mod tests;
