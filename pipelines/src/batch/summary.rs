//! What there is to say about a batch: a page, a table, and numbers for whoever watches.

use super::attempt::{Attempt, Status};
use super::ledger::{Ledger, case_name};
use super::work::BatchCase;
use crate::judge::Comparison;
use crate::report::page::{CaseStatus, Excerpt, Page, PageCase, PageTypicality};
use crate::report::{prometheus, summary_tsv};
use anyhow::Result;
use recon_data::atomic::{self, Overwrite};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The folder of pictures among the records of a batch.
pub(super) const PICTURES: &str = "pictures";

/// More than a sidecar or the pictures of a case take, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// Writes `report.html`, `summary.tsv` and `metrics.prom` beside what is written down about these cases.
///
/// # Errors
/// When the ledger cannot be read, or a file not be written.
pub fn summarise<M: Serialize>(
    cases: &[BatchCase<M>],
    (outputs, records): (&Path, &Path),
    ledger: &Ledger,
    page: Page,
) -> Result<()> {
    let numbers = ledger.numbers()?;
    let mut told = Vec::with_capacity(cases.len());
    for case in cases {
        let name = case_name(&case.output);
        let last = numbers.get(&name).map(|&number| ledger.read(&name, number)).transpose()?.flatten();
        told.push(about(case, last.as_ref(), (outputs, records), ledger)?);
    }
    let force = Overwrite::Force;
    atomic::write_bytes(&records.join("summary.tsv"), summary_tsv(&told).as_bytes(), force)?;
    atomic::write_bytes(&records.join("metrics.prom"), prometheus(&told).as_bytes(), force)?;
    let page = Page { cases: told, ..page };
    let path = records.join("report.html");
    atomic::write_with(&path, force, |temporary| {
        let written = File::create(temporary).and_then(|file| {
            let mut file = BufWriter::new(file);
            page.write(&mut file)?;
            file.flush()
        });
        written.map_err(|source| recon_data::DataError::Io { path: path.clone(), source })
    })?;
    Ok(())
}

/// Where the pictures of a case are kept.
pub(super) fn pictures(records: &Path, output: &Path) -> PathBuf {
    records.join(PICTURES).join(format!("{}.json", case_name(output)))
}

fn about<M: Serialize>(
    case: &BatchCase<M>,
    last: Option<&Attempt>,
    (outputs, records): (&Path, &Path),
    ledger: &Ledger,
) -> Result<PageCase> {
    let described = serde_json::to_value(&case.case)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told = PageCase {
        name: case.name.clone(),
        task: case.case.task.task().name().to_owned(),
        method: text(&described["method"]["name"]),
        output: Some(case.output.to_string_lossy().into_owned()),
        ..PageCase::default()
    };
    let Some(last) = last else { return Ok(told) };
    told.status = match last.status {
        Status::Done => CaseStatus::Done,
        Status::Failed => CaseStatus::Failed,
        Status::Running if !ledger.is_abandoned(last)? => CaseStatus::Running,
        Status::Running | Status::Interrupted => CaseStatus::Pending,
    };
    told.reason = match told.status {
        CaseStatus::Pending => Some("interrupted".to_owned()),
        _ => last.reason.clone(),
    };
    if last.status == Status::Done {
        told.seconds = Some(last.seconds);
        told.network_calls = Some(last.network_calls as u64);
        add_result(&mut told, case, last, (outputs, records));
    }
    Ok(told)
}

/// What sidecar and pictures tell of a result; what is not there any more is left out.
fn add_result<M>(
    told: &mut PageCase,
    case: &BatchCase<M>,
    last: &Attempt,
    (outputs, records): (&Path, &Path),
) {
    let json = |path: &Path| {
        let text = recon_data::read_text(path, MOST_BYTES).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    let sidecar = json(&crate::sibling(&case.case.output.image, "", Some("json"))).unwrap_or_default();
    told.data_residual = sidecar["data_residual"].as_f64();
    told.metrics = serde_json::from_value::<Comparison>(sidecar["metrics"].clone()).ok();
    let warnings = sidecar["warnings"].as_array();
    told.warnings =
        warnings.into_iter().flatten().filter_map(|line| Some(line.as_str()?.to_owned())).collect();
    let errors = sidecar["slices"].as_array().into_iter().flatten();
    let largest = errors.filter_map(|slice| slice["denoising_error"].as_f64()).reduce(f64::max);
    told.typicality = largest.map(|denoising_error| PageTypicality { denoising_error, known: None });
    let link = |path: &PathBuf| {
        let label = path.file_name()?.to_string_lossy().into_owned();
        // The page lies among the records, which lie among the outputs where nothing else is said.
        let way = pathdiff(&outputs.join(path), records)?;
        Some((label, way))
    };
    told.links = last.files.iter().filter_map(|file| link(&file.path)).collect();
    let kept = json(&pictures(records, &case.output)).and_then(|value| serde_json::from_value(value).ok());
    let Excerpt { slice_numbers, pixel_aspect, layers } = kept.unwrap_or_default();
    (told.slice_numbers, told.pixel_aspect, told.layers) = (slice_numbers, pixel_aspect, layers);
}

/// The way from a folder to a file, with slashes; none where they share nothing.
fn pathdiff(file: &Path, folder: &Path) -> Option<String> {
    let shared = file.ancestors().find(|above| folder.starts_with(above))?;
    let up = folder.strip_prefix(shared).ok()?.components().map(|_| "..".to_owned());
    let down = file.strip_prefix(shared).ok()?.components();
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_lead_from_the_page_to_its_files() {
        let way = |file: &str, folder: &str| pathdiff(Path::new(file), Path::new(folder));
        assert_eq!(way("/a/out/s.nii", "/a/out/recon-batch").as_deref(), Some("../s.nii"));
        assert_eq!(way("/a/out/sub/s.nii", "/a/work").as_deref(), Some("../out/sub/s.nii"));
    }
}
