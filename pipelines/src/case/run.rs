//! A case from its description to its files.

use super::finish::Done;
use super::kept::Kept;
use super::opened::{Opened, comparable, opened};
use super::{CaseSpec, Methods, Options, Outcome, Outputs, Solver, Target, budget};
use crate::report::InputRecord;
use crate::{Acquisition, Cancelled, CaseSeed, Map, Refused, Remarks, Spread, Study, Task};
use anyhow::Result;
use recon_data::{Deidentifier, Format, Unit, digest, npy};
use recon_operators::Mask;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs a case and writes its files.
///
/// Slices are kept beside the output as they finish, so that a run which is killed can go on with
/// [`Options::leftovers`], and the result is put together from them at the end.
///
/// # Errors
/// When the case makes no sense, an input cannot be used, the method fails or an output cannot be written;
/// [`Cancelled`] when it was stopped before the first slice was done.
pub fn run<M: Clone + Serialize>(
    case: &CaseSpec<M>,
    methods: &impl Methods<M>,
    options: &Options<'_>,
) -> Result<Outcome<M>> {
    case.check()?;
    let (inputs, target) = (inputs(case)?, target(case, methods, options.force)?);
    let deidentifier = case.output.deidentifier()?;
    let run = Run { case, methods, options, inputs, target, deidentifier };
    let seed = CaseSeed { seed: case.seed, case: digest::case_id(&run.inputs[0].sha256) };
    opened((case, seed), methods, run)
}

/// The files of a case's result, none of which may exist unless `force`.
///
/// # Errors
/// When an output makes no sense or exists.
pub fn target<M>(case: &CaseSpec<M>, methods: &impl Methods<M>, force: bool) -> Result<Target> {
    case.output.deidentifier()?;
    let target = Target::new(&case.output, &maps(&case.output, methods.spread(&case.method))?, force)?;
    let same = |input: &&Path| target.files().any(|file| is_same(file, input));
    if let Some(input) = case.files().into_iter().find(same) {
        return Err(Refused::Usage(format!("{}: is an input; name another output", input.display())).into());
    }
    Ok(target)
}

/// Whether two paths lead to the same file, which is there.
fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The maps that are written beside the image.
fn maps(outputs: &Outputs, spread: Spread) -> Result<Vec<Map>, Refused> {
    if outputs.quantiles && spread.samples() < 2 {
        let message = "--quantiles: need several samples; add --samples K";
        return Err(Refused::Usage(message.to_owned()));
    }
    let mut maps = Vec::new();
    maps.extend(spread.is_known().then_some(Map::Std));
    maps.extend(outputs.quantiles.then_some([Map::Low, Map::High]).into_iter().flatten());
    maps.extend(outputs.null_space.then_some(Map::NullSpace));
    Ok(maps)
}

/// The digests of all inputs, before anything else is done with them.
pub(crate) fn inputs<M>(case: &CaseSpec<M>) -> Result<Vec<InputRecord>> {
    let record = |path: &Path| {
        let sha256 = match case.input.series() {
            Some(name) if path == case.input.path() => recon_data::sha256_series(path, name)?,
            _ => digest::sha256_file(path)?,
        };
        Ok(InputRecord { path: path.to_owned(), sha256 })
    };
    case.files().into_iter().map(record).collect()
}

/// A case that is being run.
pub(super) struct Run<'a, M, R> {
    pub(super) case: &'a CaseSpec<M>,
    methods: &'a R,
    pub(super) options: &'a Options<'a>,
    pub(super) inputs: Vec<InputRecord>,
    pub(super) target: Target,
    pub(super) deidentifier: Option<Deidentifier>,
}

impl<M: Clone + Serialize, R: Methods<M>> Opened for Run<'_, M, R> {
    type Output = Outcome<M>;

    fn on<S: Study>(self, study: S, remarks: Remarks) -> Result<Outcome<M>>
    where
        S::Transform: Acquisition,
    {
        self.write_mask(study.masks(), study.frame().shape)?;
        let path = self.case.input.path().display();
        remarks.notes.iter().for_each(|note| self.options.watch.say(&format!("{path}: {note}")));
        remarks.warnings.iter().for_each(|line| self.options.watch.say(&format!("warning: {path}: {line}")));
        self.check_unit(&study)?;
        self.target.check_written(study.frame().shape[0])?;
        let (task, unit) = (self.case.task.task(), study.frame().values.unit());
        self.options.watch.detail(&format!("{path}: taken as {unit:?}, named {:016x}", study.seed(0).case));
        let case = self.within_budget(&study)?;
        let method = self.methods.build::<S::Transform>(&case.method, task, unit)?;
        let baselines = self.methods.baselines::<S::Transform>(&case.method, task);
        let target = self.target.clone();
        let solver = Solver {
            baselines: comparable(&case.output, &study, &baselines),
            method: &method,
            null_space: case.output.null_space,
        };
        let mut kept = self.kept(&case, &target, &solver)?;
        let resumed = kept.finished(study.frame().shape[0]);
        let begin = Instant::now();
        let stopped = self.solve(&study, &solver, &mut kept)?;
        let seconds = begin.elapsed().as_secs_f64();
        let told = remarks.warnings.len();
        let done = Done { stopped, seconds, resumed, warnings: remarks.warnings };
        let report = self.finish((&study, &solver), case, (kept, target), done)?;
        Ok(Outcome { method: method.name, report, told })
    }
}

impl<M: Clone + Serialize, R: Methods<M>> Run<'_, M, R> {
    /// Writes the mask that all slices have, or those of all slices.
    fn write_mask(&self, masks: &[Mask], [_, rows, cols]: [usize; 3]) -> Result<()> {
        let Some(path) = &self.case.output.mask else { return Ok(()) };
        let flags: Vec<bool> = masks.iter().flat_map(|mask| mask.kept().iter().copied()).collect();
        let shape = if masks.len() == 1 { vec![rows, cols] } else { vec![masks.len(), rows, cols] };
        let flags = ndarray::ArrayD::from_shape_vec(shape, flags)?;
        Ok(npy::write_mask(path, flags.view(), super::overwrite(self.options.force))?)
    }

    /// Refuses results that DICOM cannot hold, as it knows CT in Hounsfield units only, and no sheared images.
    fn check_unit<S: Study>(&self, study: &S) -> Result<(), Refused> {
        let is_ct = matches!(self.case.task.task(), Task::Ct | Task::Mar);
        let image = &self.case.output.image;
        if is_ct
            && study.frame().values.unit() == Unit::Arbitrary
            && Format::of_path(image) == Some(Format::Dicom)
        {
            return Err(Refused::Usage(format!(
                "{}: CT in DICOM must be in Hounsfield units; give --unit hu if the values can be, or write .nii",
                image.display()
            )));
        }
        recon_data::check_place(image, &study.frame().geometry)
            .map_err(|error| Refused::Usage(error.to_string()))
    }

    /// The case with the steps that its budget allows.
    fn within_budget<S: Study>(&self, study: &S) -> Result<CaseSpec<M>>
    where
        S::Transform: Acquisition,
    {
        let mut case = self.case.clone();
        let Some(seconds) = case.budget.take() else { return Ok(case) };
        let method = (&case.method, case.task.task());
        let budget = Duration::from_secs_f64(seconds);
        if let Some((fitted, words)) =
            budget::fitted(method, budget, study, self.methods, self.options.watch)?
        {
            self.options.watch.say(&words);
            case.method = fitted;
        }
        Ok(case)
    }

    /// Where finished slices are kept, named by everything that decides them.
    fn kept<S: Study>(&self, case: &CaseSpec<M>, target: &Target, solver: &Solver<'_, S>) -> Result<Kept> {
        let maps: Vec<Map> = target.maps.iter().map(|(map, _)| *map).collect();
        let baselines: Vec<&'static str> = solver.baselines.iter().map(|baseline| baseline.name).collect();
        let key = serde_json::to_vec(&(
            (&self.options.version, &case.input, &case.task, &case.method, case.seed),
            (&self.inputs, &solver.method.model, &solver.method.device, &maps, &baselines),
        ))?;
        Kept::open(&target.store(), &digest::sha256_bytes(&key), self.options, (maps, baselines))
    }

    /// Reconstructs the slices that are missing; whether it was stopped over them.
    fn solve<S: Study>(&self, study: &S, solver: &Solver<'_, S>, kept: &mut Kept) -> Result<bool>
    where
        S::Transform: Acquisition,
    {
        let (watch, slices) = (self.options.watch, study.frame().shape[0]);
        watch.begin(slices);
        let mut stopped = false;
        for k in kept.finished(slices)..slices {
            let solved =
                if watch.cancelled() { Err(Cancelled.into()) } else { solver.solve(study, k, watch) };
            match solved.and_then(|solved| kept.put(study, k, &solved)) {
                Ok(()) => watch.slice(k + 1, slices),
                Err(error) if error.is::<Cancelled>() => {
                    stopped = true;
                    break;
                }
                Err(error) => {
                    watch.end();
                    return Err(error);
                }
            }
        }
        watch.end();
        Ok(stopped)
    }
}
