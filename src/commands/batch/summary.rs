//! The summary of a batch, after every run.

use super::plan::Checked;
use anyhow::Result;
use recon_pipelines::batch::{Ledger, summarise};
use recon_pipelines::report::page::{Embedding, Page};
use std::path::Path;

/// Layers of a case: truth, baseline, result and standard deviation.
const LAYERS: usize = 4;

/// How many pictures are kept of each of so many cases, and how fine.
pub fn pictures(cases: usize) -> Embedding {
    Embedding::for_batch(cases, LAYERS)
}

/// Writes page, table and numbers of all cases of a plan.
///
/// # Errors
/// When what is written down cannot be read, or a file not be written.
pub fn write(checked: &Checked, records: &Path, ledger: &Ledger) -> Result<()> {
    let page = Page {
        title: "Reconstructions by recon".to_owned(),
        generated: format!("Written {}", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z")),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Page::default()
    };
    summarise(&checked.cases, (&checked.outputs, records), ledger, page)
}
