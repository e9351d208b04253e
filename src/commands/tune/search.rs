//! A search: one trial after another, until there are enough or the time is over.

use super::TuneArgs;
use super::log::Log;
use super::objective::{Course, End, Halt, Objective};
use super::parameter::{Parameter, Point, describe};
use super::record::{Record, Start};
use super::report::Report;
use super::sampler;
use super::trial::{Origin, Outcome, Trial, best, is_hopeless, lessons, mean};
use crate::commands::eval::measure::{Modality, Tried};
use crate::commands::session::context::Context;
use crate::commands::session::failure::Failure;
use anyhow::{Context as _, Result};
use recon::knobs::Info;
use recon::methods::Registry;
use recon::models::ModelSource;
use recon::settings::{Layers, MethodSpec};
use recon_data::{Overwrite, atomic};
use recon_pipelines::{Methods, Refused, Task};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// A search of the settings of one method.
pub(super) struct Search<'a, M: Modality> {
    args: &'a TuneArgs,
    info: &'static Info,
    registry: Registry,
    context: &'a Context,
    objective: Objective<'a, M>,
    protocol: serde_json::Value,
    /// What all trials share.
    base: Layers,
    /// What they differ in.
    parameters: Vec<Parameter>,
    begin: Instant,
}

/// How a search ended.
pub(super) enum Finish {
    /// With all its trials.
    Complete,
    /// For want of time.
    Late,
    /// By the user.
    Interrupted(Failure),
}

impl<'a, M: Modality> Search<'a, M> {
    /// Sets a search up on `slices` slices of every scan.
    ///
    /// # Errors
    /// When the model's card or a scan cannot be read, or nothing is left to search.
    pub(super) fn new(
        args: &'a TuneArgs,
        info: &'static Info,
        settings: &'static [M::Setting],
        slices: usize,
        context: &'a Context,
    ) -> Result<Self> {
        let registry = Registry::new(args.settings.device);
        args.settings.layers.check_any(&[info])?;
        let table = registry.resolve(info.name, M::TASK, &args.settings.layers)?.table().0;
        // What is not searched for stays as the card of the model has it.
        let kept = ["steps", "temperature", "orientations"];
        let base = registry.holding(info, M::TASK, &args.settings.layers, &kept)?;
        let is_open = |parameter: &Parameter| {
            // What has no effect is not in the table: without noise there is none to be fresh, with it no momentum.
            table.contains_key(parameter.key()) && base.said(info, parameter.key()).is_none()
        };
        let parameters: Vec<_> = Parameter::of(info).filter(is_open).collect();
        if parameters.is_empty() {
            let message = "every setting is given; leave one out for the search";
            return Err(Failure::Usage(message.to_owned()).into());
        }
        let objective = Objective::load(args, settings, slices, context)?;
        let protocol = json!({ "name": args.protocol, "settings": serde_json::to_value(settings)? });
        Ok(Self {
            args,
            info,
            registry,
            context,
            objective,
            protocol,
            base,
            parameters,
            begin: Instant::now(),
        })
    }

    /// Searches and writes what comes out: `target` is the folder of the card for the best settings.
    ///
    /// # Errors
    /// When the user stopped it, the program's own settings fail, or a file cannot be written.
    pub(super) fn run(&self, source: &ModelSource, target: &Path) -> Result<()> {
        let (record, mut log) = self.open(target)?;
        let finish = match self.advance(&record, &mut log) {
            Ok(finish) => finish,
            Err(error) => Finish::Interrupted(interruption(error)?),
        };
        if let Some(best) = best(log.trials()) {
            let report =
                Report { args: self.args, record: &record, trials: log.trials(), best, finish: &finish };
            let spec = self.spec(&best.settings)?;
            report.write(self.context, &spec, (source, M::TASK), (target, self.objective.count()))?;
        }
        match finish {
            Finish::Interrupted(failure) => Err(failure.into()),
            Finish::Complete | Finish::Late => Ok(()),
        }
    }

    /// The folder of the search, with what it was begun with and the trials so far.
    fn open(&self, target: &Path) -> Result<(Record, Log)> {
        let folder = &self.args.output;
        if folder.exists() && !folder.is_dir() {
            let message = "is not a folder; give one with -o";
            return Err(Failure::Usage(format!("{}: {message}", folder.display())).into());
        }
        let record = self.record()?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
        let path = folder.join("trials.jsonl");
        let begun = !self.args.force && std::fs::metadata(&path).is_ok_and(|file| file.len() > 0);
        if !begun {
            if !self.args.write && !self.args.force {
                atomic::refuse_existing(target, Overwrite::Refuse)?;
            }
            atomic::write_bytes(&path, b"", Overwrite::Force)?;
        }
        let record = record.join(&folder.join("settings.json"), begun)?;
        Ok((record, Log::open(&path, &self.parameters, self.objective.count())?))
    }

    /// What this search is made with.
    fn record(&self) -> Result<Record> {
        let starts = self.starts()?;
        let spec = self.spec(&Point::new())?;
        let method = self.registry.build::<M::Transform>(&spec, M::TASK, M::UNIT)?;
        let mut held = spec.table().0;
        held.retain(|key, _| !self.parameters.iter().any(|parameter| parameter.key() == key));
        Ok(Record {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: self.protocol.clone(),
            method: self.info.name.to_owned(),
            seed: self.args.seed,
            held: serde_json::to_value(held)?,
            model: serde_json::to_value(&method.model)?,
            device: method.device,
            slices: self.objective.names(),
            files: self.objective.digests()?,
            starts,
        })
    }

    /// What is tried first: the program's settings, those of the card, the dissertation's; each once.
    fn starts(&self) -> Result<Vec<Start>> {
        let card = self.registry.resolve(self.info.name, M::TASK, &self.base)?;
        let candidates = [
            (Origin::Program, self.point(&self.spec(&Point::new())?)),
            (Origin::Card, self.point(&card)),
            (Origin::Published, self.published()),
        ];
        let mut starts: Vec<Start> = Vec::new();
        for (origin, settings) in candidates {
            let known = starts.iter().any(|start| start.settings == settings);
            if !known && settings.len() == self.parameters.len() {
                starts.push(Start { origin, settings });
            }
        }
        Ok(starts)
    }

    /// The dissertation's settings, where the method is its own; else some are missing.
    fn published(&self) -> Point {
        let (snr, lambda) = match M::TASK {
            Task::Ct => (0.246, 0.841),
            Task::Mri | Task::Denoise => (0.577, 0.982),
            Task::Mar => (0.209, 0.227),
        };
        let published = |parameter: &Parameter| match parameter.key() {
            "snr" => Some((*parameter, snr)),
            "lambda" => Some((*parameter, lambda)),
            _ => None,
        };
        self.parameters.iter().filter_map(published).collect()
    }

    /// The method at a point, with everything that it does not say by the program's defaults.
    fn spec(&self, point: &Point) -> Result<MethodSpec> {
        let entries = point.iter().map(|(parameter, value)| parameter.entry(*value));
        let layers = self.base.clone().with(entries.collect::<Result<Vec<_>, Refused>>()?);
        self.registry.resolve_untuned(self.info.name, M::TASK, &layers)
    }

    /// The point of these settings.
    fn point(&self, spec: &MethodSpec) -> Point {
        let table = spec.table().0;
        self.parameters.iter().filter_map(|p| Some((*p, p.among(&table)?))).collect()
    }

    /// Makes the trials that are missing.
    fn advance(&self, record: &Record, log: &mut Log) -> Result<Finish> {
        let earlier: f64 = log.trials().iter().map(|trial| trial.seconds).sum();
        let is_late = || {
            let spent = earlier + self.begin.elapsed().as_secs_f64();
            self.args.time.is_some_and(|limit| spent >= limit.as_secs_f64())
        };
        while log.trials().len() < self.args.trials.max(record.starts.len()) {
            let number = log.trials().len();
            let start = record.starts.get(number);
            if start.is_none() && is_late() {
                return Ok(Finish::Late);
            }
            let Some(trial) = self.trial(start, log.trials(), &is_late)? else { return Ok(Finish::Late) };
            self.tell(&trial, best(log.trials()));
            log.add(trial)?;
        }
        Ok(Finish::Complete)
    }

    /// The next trial; none when the time ran out over it.
    fn trial(
        &self,
        start: Option<&Start>,
        trials: &[Trial],
        is_late: &dyn Fn() -> bool,
    ) -> Result<Option<Trial>> {
        let begin = Instant::now();
        let (origin, point) = match start {
            Some(start) => (start.origin, start.settings.clone()),
            None => {
                let point = sampler::draw(&lessons(trials), &self.parameters, self.args.seed)?;
                (Origin::Search, point)
            }
        };
        let spec = self.spec(&point)?;
        let method = self.registry.build(&spec, M::TASK, M::UNIT)?;
        let watch = |slices: &[f64]| match start {
            // What nothing may be worse than is measured to its end.
            Some(_) => None,
            None if is_hopeless(slices, best(trials), self.objective.count()) => Some(Halt::Hopeless),
            None => is_late().then_some(Halt::Late),
        };
        let course = self.objective.measure(&Tried { spec: &spec, method: &method }, watch)?;
        let seconds = (begin.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        let number = trials.len();
        let Course { slices, end } = course;
        let (outcome, error) = match end {
            End::Last => (Outcome::Complete, None),
            End::Halted(Halt::Hopeless) => (Outcome::Pruned, None),
            End::Halted(Halt::Late) => return Ok(None),
            End::Failed(error) if number == 0 => return Err(error),
            End::Failed(error) => (Outcome::Failed, Some(format!("{error:#}"))),
        };
        let psnr = (outcome != Outcome::Failed).then(|| mean(&slices));
        Ok(Some(Trial { trial: number, origin, settings: point, outcome, error, psnr, slices, seconds }))
    }

    fn tell(&self, trial: &Trial, best: Option<&Trial>) {
        let result = match (trial.outcome, trial.psnr) {
            (Outcome::Complete, Some(psnr)) => format!("{psnr:.3} dB"),
            (Outcome::Pruned, Some(psnr)) => format!("given up at {psnr:.3} dB"),
            _ => "failed".to_owned(),
        };
        let best = best.and_then(Trial::score).map_or(String::new(), |best| format!(", best {best:.3} dB"));
        let (number, settings, seconds) = (trial.trial, describe(&trial.settings), trial.seconds);
        self.context.say(&format!("trial {number}: {settings}: {result}{best}, {seconds:.1} s"));
    }
}

/// The user's wish to stop, if the error is that.
fn interruption(error: anyhow::Error) -> Result<Failure> {
    match error.downcast::<Failure>() {
        Ok(failure @ Failure::Interrupted(_)) => Ok(failure),
        Ok(failure) => Err(failure.into()),
        Err(error) => Err(error),
    }
}
