//! One case of a batch: whether it is up to date, and an attempt at it.

use super::attempt::{Attempt, Ingredients, Status, Written};
use super::running::Slot;
use super::summary::pictures;
use super::work::Batch;
use crate::report::Report;
use crate::{Cancelled, CaseSpec, Methods, Options, one_line, run, target};
use anyhow::{Context as _, Result};
use recon_data::{Leftovers, digest};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

impl<M: Clone + Serialize + Sync, R: Methods<M>> Batch<'_, M, R> {
    /// Why a finished case is to be done again, if it is.
    pub(super) fn out_of_date(&self, index: usize, last: &Attempt) -> Result<Option<String>> {
        let missing = last.files.iter().find(|file| !self.outputs.join(&file.path).exists());
        if let Some(file) = missing {
            return Ok(Some(format!("{} is missing", file.path.display())));
        }
        let now = match self.ingredients(&self.cases[index].case) {
            Ok(now) => now,
            // What is wrong with the input is told by the attempt.
            Err(error) => return Ok(Some(error.to_string())),
        };
        let changes = now.changes(&last.made_of);
        Ok((!changes.is_empty()).then(|| format!("another {}", changes.join(" and another "))))
    }

    fn ingredients(&self, case: &CaseSpec<M>) -> Result<Ingredients> {
        let inputs = crate::case::inputs(case)?.into_iter().map(|input| input.sha256).collect();
        let model = self.methods.model(&case.method, case.task.task())?;
        let (options, version) = (options_digest(case)?, self.rules.version.clone());
        Ok(Ingredients { options, inputs, model: model.map(|model| model.sha256), version })
    }

    /// Runs a case, and says how the attempt ended.
    pub(super) fn try_case(&self, index: usize, owned: bool, slot: &Slot) -> (Attempt, Vec<String>) {
        let case = &self.cases[index].case;
        let begin = Instant::now();
        let outcome = self.prepared(case, owned, slot).and_then(|force| self.run(index, force, slot));
        let mut attempt = slot.attempt();
        attempt.seconds = begin.elapsed().as_secs_f64();
        let mut warnings = Vec::new();
        match outcome.and_then(|report| self.done(case, &report, &mut attempt).map(|()| report)) {
            Ok(report) => warnings = report.warnings,
            Err(error) if error.is::<Cancelled>() => attempt.status = Status::Interrupted,
            Err(error) => {
                attempt.status = Status::Failed;
                attempt.reason = Some(one_line(&error));
            }
        }
        (attempt, warnings)
    }

    /// Makes the folder of the outputs and looks whether they are free, or this batch's own; says whether to write over them.
    fn prepared(&self, case: &CaseSpec<M>, owned: bool, slot: &Slot) -> Result<bool> {
        for path in case.output.clone().paths_mut() {
            let folder = path.parent().unwrap_or(Path::new("."));
            let failed =
                || format!("{}: cannot be created; check that the disk is writable", folder.display());
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        let force = owned || self.rules.force;
        target(case, self.methods, force)?;
        slot.change(|attempt| attempt.owns_outputs = true);
        self.ledger.note(&slot.attempt())?;
        Ok(force)
    }

    fn run(&self, index: usize, force: bool, slot: &Slot) -> Result<Report<M>> {
        let watch = self.listener.watch(index);
        let options = Options {
            force,
            leftovers: Leftovers::Use,
            partial: false,
            threads: self.rules.threads,
            command: self.rules.command.clone(),
            version: self.rules.version.clone(),
            sidecar: self.cases[index].sidecar.clone(),
            excerpt: Some((pictures(self.records, &self.cases[index].output), self.rules.pictures)),
            watch: &slot.watch(&*watch, self.listener),
        };
        Ok(run(&self.cases[index].case, self.methods, &options)?.report)
    }

    /// Notes what came of it.
    fn done(&self, case: &CaseSpec<M>, report: &Report<M>, attempt: &mut Attempt) -> Result<()> {
        let inputs = report.inputs.iter().map(|input| input.sha256.clone()).collect();
        let (model, version) =
            (report.model.as_ref().map(|model| model.sha256.clone()), report.version.clone());
        attempt.made_of = Ingredients { options: options_digest(case)?, inputs, model, version };
        attempt.network_calls = report.nfe;
        attempt.slices = Some([report.slices.len(); 2]);
        let paths: BTreeSet<PathBuf> =
            report.outputs.iter().map(|path| recon_data::resolve_output(path, report.slices.len())).collect();
        for path in paths {
            let sha256 = digest::sha256_file(&path)?;
            let below = path.strip_prefix(self.outputs).unwrap_or(&path).to_owned();
            attempt.files.push(Written { path: below, sha256 });
        }
        attempt.status = Status::Done;
        Ok(())
    }
}

/// SHA-256 of what is done, without the places of files: those may move.
///
/// # Errors
/// When it cannot be written down.
pub fn options_digest<M: Serialize + Clone>(case: &CaseSpec<M>) -> Result<String> {
    let mut case = case.clone();
    let paths = case.input.paths_mut().into_iter().chain(case.task.paths_mut());
    paths.chain(case.output.paths_mut()).for_each(|path| *path = PathBuf::new());
    Ok(digest::sha256_bytes(&serde_json::to_vec(&case)?))
}
