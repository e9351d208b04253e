//! The end of a case: what is finished becomes files and a report.

use super::kept::Kept;
use super::result::{Finished, Provenance};
use super::run::Run;
use super::{CaseSpec, Method, Methods, SliceRecord, Solver, Target};
use crate::judge::{self, Comparison};
use crate::report::{Denoising, Report, Status, data_residual, peak_memory_bytes};
use crate::{Acquisition, Cancelled, Schema, Study};
use anyhow::Result;
use recon_data::{Overwrite, Source, atomic, digest};
use recon_operators::Transform;
use serde::Serialize;

/// What de-identification cannot do.
const BURNED_IN: &str = "according to the source its pixels contain text, which --deidentify does not remove: it may still name the patient";

/// How the slices of a case went.
pub(super) struct Done {
    pub(super) stopped: bool,
    pub(super) seconds: f64,
    pub(super) resumed: usize,
    /// About the input, and whatever else the user should know.
    pub(super) warnings: Vec<String>,
}

impl<M: Clone + Serialize, R: Methods<M>> Run<'_, M, R> {
    /// Writes what is finished.
    ///
    /// # Errors
    /// As [`Run::written`], or when a file cannot be written.
    pub(super) fn finish<S: Study>(
        &self,
        (study, solver): (&S, &Solver<'_, S>),
        case: CaseSpec<M>,
        (kept, target): (Kept, Target),
        mut done: Done,
    ) -> Result<Report<M>>
    where
        S::Transform: Acquisition,
    {
        let (method, all) = (solver.method, study.frame().shape[0]);
        let slices = kept.finished(all);
        let target = self.written(target, (slices, all), done.stopped)?;
        let source = self.source(&study.frame().source, &mut done.warnings);
        let finished = Finished { study, kept: &kept, slices, spread: method.spread, source };
        let metrics = finished.write(&target, &self.provenance(&case, method)?)?;
        if let (Some((path, embedding)), false) = (&self.options.excerpt, done.stopped) {
            let pictures = serde_json::to_vec(&finished.excerpt(*embedding)?)?;
            atomic::write_bytes(path, &pictures, Overwrite::Force)?;
        }
        let records = kept.records(slices)?;
        done.warnings.extend(self.warnings(&records, method.typical));
        let stopped = done.stopped;
        let report = self.report((case, method), &target, (records, metrics), done);
        atomic::write_bytes(&target.sidecar, &serde_json::to_vec_pretty(&report)?, target.overwrite())?;
        if !stopped {
            kept.remove()?;
        }
        Ok(report)
    }

    /// The files that so many slices of `all` become: partial ones where it was stopped.
    ///
    /// # Errors
    /// [`Cancelled`] where it was stopped and none are wanted, and when slices are not there that were finished.
    fn written(&self, target: Target, (slices, all): (usize, usize), stopped: bool) -> Result<Target> {
        if !stopped && slices < all {
            let store = self.target.store();
            anyhow::bail!("{}: another process removed finished slices; run it again", store.display());
        }
        if stopped && (slices == 0 || !self.options.partial) {
            return Err(Cancelled.into());
        }
        Ok(if stopped { target.partial() } else { target })
    }

    /// What the files take over from the input: without what names the patient where that is asked for.
    fn source(&self, source: &Source, warnings: &mut Vec<String>) -> Source {
        let Some(deidentifier) = &self.deidentifier else { return source.clone() };
        if deidentifier.leaves_burned_in_text(source) {
            warnings.push(BURNED_IN.to_owned());
        }
        deidentifier.source(source)
    }

    /// What is written into the files about how they were made.
    fn provenance<'a, T: Transform>(
        &'a self,
        case: &CaseSpec<M>,
        method: &'a Method<T>,
    ) -> Result<Provenance<'a>> {
        Ok(Provenance {
            method: method.name,
            model: method.model.as_ref(),
            version: &self.options.version,
            derivation: method.derivation,
            run: digest::sha256_bytes(&serde_json::to_vec(&(&case.task, &case.method, case.budget))?),
            seed: case.seed,
        })
    }

    /// What the user should know of how the slices came about, and of results that their model does not know.
    fn warnings(&self, records: &[SliceRecord], typical: Option<[f64; 2]>) -> Vec<String> {
        let first = self.case.input.slices().map_or(0, |range| range.first);
        let mut warnings = judge::remarks(records, first);
        if let Some(typical) = typical {
            warnings.extend(judge::warnings(typical, records, (self.case.task.task(), first)));
        }
        warnings
    }

    fn report<T: Transform>(
        &self,
        (case, method): (CaseSpec<M>, &Method<T>),
        target: &Target,
        (records, metrics): (Vec<SliceRecord>, Option<Comparison>),
        done: Done,
    ) -> Report<M> {
        Report {
            schema: Schema,
            command: self.options.command.clone(),
            version: self.options.version.clone(),
            status: if done.stopped { Status::Interrupted } else { Status::Complete },
            case,
            inputs: self.inputs.clone(),
            outputs: target.files().cloned().collect(),
            model: method.model.clone(),
            device: method.device.clone(),
            threads: self.options.threads,
            nfe: records.iter().map(|record| record.network_calls).sum(),
            seconds: done.seconds,
            resumed: done.resumed,
            peak_memory_bytes: peak_memory_bytes(),
            data_residual: data_residual(&records),
            denoising: Denoising::of(&records),
            metrics,
            warnings: done.warnings,
            slices: records,
            more: self.options.sidecar.clone(),
        }
    }
}
