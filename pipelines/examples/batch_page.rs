//! Writes a page of phantoms to look at: `cargo run -p recon-pipelines --example batch_page -- FILE.html [CASES]`.

#[path = "../tests/page/phantoms.rs"]
mod phantoms;

use anyhow::{Context, Result};
use recon_pipelines::report::page::Embedding;
use std::fs::File;
use std::io::{BufWriter, Write};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("usage: batch_page FILE.html [CASES]")?;
    let cases = arguments.next().map_or(Ok(14), |cases| cases.parse())?;
    // Four layers are written.
    let embedding = Embedding::for_batch(cases, 4);
    let page = phantoms::tidy(cases, embedding);
    let mut out = BufWriter::new(File::create(&path)?);
    page.write(&mut out)?;
    out.flush()?;
    println!("{path}: {} bytes, {embedding:?}", std::fs::metadata(&path)?.len());
    Ok(())
}
