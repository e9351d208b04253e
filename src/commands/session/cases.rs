//! Cases: made of a command's options, shown, or run one after another.

use super::context::{self, Context};
use super::failure::{self, Failure};
use crate::commands::cli::common::Common;
use crate::commands::cli::settings::SettingArgs;
use anyhow::{Context as _, Result};
use recon::knobs::Info;
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_data::{Leftovers, default_output};
use recon_pipelines::judge::{Calibration, Comparison, INTERVAL, Quality};
use recon_pipelines::report::Denoising;
use recon_pipelines::{
    Cancelled, CaseSpec, Input, Methods as _, Options, Outcome, Outputs, Schema, TaskSpec, run,
};
use std::path::{Path, PathBuf};

/// What a command asks for.
pub struct Request<'a> {
    /// What each case starts from.
    pub inputs: Vec<Input>,
    /// What is measured; the noise comes from the settings.
    pub task: TaskSpec,
    /// The method; the usual one of the task without it.
    pub method: Option<&'static Info>,
    /// What is said about its settings.
    pub settings: &'a SettingArgs,
    /// Where the mask goes.
    pub mask: Option<PathBuf>,
    /// Output and run.
    pub common: &'a Common,
    /// The command line.
    pub words: &'a [String],
}

/// What the name of a result ends with that nobody named.
pub const SUFFIX: &str = "recon";

/// How cases are run and told.
pub struct Manner {
    /// Overwrite existing files.
    pub force: bool,
    /// Go on with what is finished.
    pub resume: bool,
    /// Print the report on stdout.
    pub json: bool,
}

impl Request<'_> {
    /// Runs its cases, or shows them.
    ///
    /// # Errors
    /// See [`failure`].
    pub fn run(&self) -> Result<()> {
        let registry = Registry::new(self.settings.device);
        let cases = self.cases(&registry)?;
        if self.common.dry_run {
            return show(&cases);
        }
        let context = Context::new(&self.common.run)?;
        if let (Some(folder), true) = (&self.common.output, cases.len() > 1) {
            make_folder(folder)?;
        }
        let Common { force, resume, json, .. } = *self.common;
        all(&cases, &registry, (&Manner { force, resume, json }, self.words), &context)
    }

    /// The cases with every default filled in, checked, and their outputs as well.
    fn cases(&self, registry: &Registry) -> Result<Vec<CaseSpec<MethodSpec>>> {
        let cases = self.described(registry, &std::env::current_dir()?)?;
        // Nothing is in the way in a folder that is yet to be made.
        if self.inputs.len() > 1 && self.common.output.as_deref().is_some_and(is_new_folder) {
            return Ok(cases);
        }
        cases.into_iter().map(|case| checked(case, registry, self.common.force)).collect()
    }

    /// The cases with every default filled in, checked; relative paths are taken from `folder`.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn described(&self, registry: &Registry, folder: &Path) -> Result<Vec<CaseSpec<MethodSpec>>> {
        let (task, layers) =
            (with_noise(self.task.clone(), &self.settings.noise_std)?, &self.settings.layers);
        let info = self.method.unwrap_or_else(|| registry.usual(&task, layers));
        let method = registry.resolve(info.name, task.task(), layers)?;
        self.check_several()?;
        let case = |input: &Input| {
            let case = CaseSpec {
                schema: Schema,
                seed: self.common.seed,
                budget: self.common.budget.map(|time| time.as_secs_f64()),
                input: input.clone(),
                task: task.clone(),
                method: method.clone(),
                output: self.outputs(input.path()),
            };
            let case = case.resolved(folder);
            check(&case, registry)?;
            Ok(case)
        };
        self.inputs.iter().map(case).collect()
    }

    fn outputs(&self, input: &Path) -> Outputs {
        let beside = default_output(input, SUFFIX);
        let image = match &self.common.output {
            Some(folder) if self.inputs.len() > 1 => folder.join(beside.file_name().unwrap_or_default()),
            Some(path) => path.clone(),
            None => beside,
        };
        let Common { preview, deidentify, quantiles, null_space, .. } = self.common.clone();
        Outputs { image, preview, mask: self.mask.clone(), deidentify, quantiles, null_space }
    }

    fn check_several(&self) -> Result<(), Failure> {
        if self.inputs.len() < 2 {
            return Ok(());
        }
        let is_folder = |path: &&PathBuf| path.is_dir() || is_new_folder(path);
        if let Some(folder) = self.common.output.as_ref().filter(|path| !is_folder(path)) {
            let message =
                format!("{}: is not a folder; with several inputs --output names one", folder.display());
            return Err(Failure::Usage(message));
        }
        if self.common.preview.is_some() || self.common.json {
            return Err(Failure::Usage("--preview and --json: describe one result; give one input".into()));
        }
        Ok(())
    }
}

/// Whether a path that does not exist has the name of a folder, in one that exists.
fn is_new_folder(path: &Path) -> bool {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    !path.exists() && path.extension().is_none() && parent.is_dir()
}

fn make_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir(folder).with_context(|| format!("{}: cannot be created", folder.display()))
}

fn with_noise(mut task: TaskSpec, noise_std: &[f64]) -> Result<TaskSpec, Failure> {
    let one = || match noise_std {
        [] => Ok(None),
        [std] => Ok(Some(*std)),
        _ => Err(Failure::Usage("--noise-std: the data have one noise level; give one number".to_owned())),
    };
    match &mut task {
        TaskSpec::Ct(spec) => spec.noise_std = one()?,
        TaskSpec::Mri(spec) => spec.noise_std = one()?,
        TaskSpec::Mar(spec) => spec.noise_std = one()?,
        TaskSpec::Denoise(spec) => spec.noise_std = noise_std.to_vec(),
    }
    Ok(task)
}

/// Refuses a case that contradicts itself, or asks of its method what that does not do.
fn check(case: &CaseSpec<MethodSpec>, registry: &Registry) -> Result<()> {
    case.check()?;
    let (method, noise) = (&case.method, Noise::of(&case.task));
    let message = if noise.std.is_some() && !method.info().noise {
        "--noise-std: does nothing with this --method; leave it out or choose another method"
    } else if case.budget.is_some() && registry.pace(method, case.task.task()).is_none() {
        "--budget: plans noise levels, and this --method has none; leave it out"
    } else if method.needs_noise() && !noise.is_known() {
        "--noise-std: is missing, and this --method needs to know the noise of the data; give it, or a noise-floor above 0"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(message.to_owned()).into())
}

/// What a case says of the noise in its data.
struct Noise {
    /// The standard deviation that is told.
    std: Option<f64>,
    /// Whether it follows from the data otherwise: they are counts of so many photons, or images that show it.
    evident: bool,
}

impl Noise {
    fn of(task: &TaskSpec) -> Self {
        let (std, evident) = match task {
            TaskSpec::Ct(spec) => (spec.noise_std, spec.photons.is_some()),
            TaskSpec::Mri(spec) => (spec.noise_std, false),
            TaskSpec::Mar(spec) => (spec.noise_std, false),
            TaskSpec::Denoise(spec) => (spec.noise_std.first().copied(), true),
        };
        Self { std, evident }
    }

    fn is_known(&self) -> bool {
        self.std.map_or(self.evident, |std| std > 0.0)
    }
}

/// The case, if it makes sense and nothing is in the way of its outputs.
///
/// # Errors
/// Says what does not fit.
pub fn checked(case: CaseSpec<MethodSpec>, registry: &Registry, force: bool) -> Result<CaseSpec<MethodSpec>> {
    check(&case, registry)?;
    recon_pipelines::target(&case, registry, force)?;
    Ok(case)
}

/// Prints cases as a file for `recon run`.
///
/// # Errors
/// When stdout cannot be written.
pub fn show(cases: &[CaseSpec<MethodSpec>]) -> Result<()> {
    let text = match cases {
        [case] => toml::to_string(case)?,
        _ => toml::to_string(&toml::Table::from_iter([("case".to_owned(), toml::Value::try_from(cases)?)]))?,
    };
    context::print(text.trim_end())
}

/// Runs cases one after another; of several, one that fails is reported and the others still run.
///
/// # Errors
/// The failure of a single case; [`Failure::Cases`] when some of several failed; an interruption at once.
pub fn all(
    cases: &[CaseSpec<MethodSpec>],
    registry: &Registry,
    (manner, words): (&Manner, &[String]),
    context: &Context,
) -> Result<()> {
    if let [case] = cases {
        return one(case, registry, (manner, words), context);
    }
    let mut failed = 0;
    for case in cases {
        match one(case, registry, (manner, words), context) {
            Err(error) if failure::is_fatal(&error) => return Err(error),
            Err(error) => {
                failed += 1;
                failure::print(&error);
            }
            Ok(()) => {}
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Cases(format!("{failed} of {} inputs failed; see above", cases.len())).into()),
    }
}

fn one(
    case: &CaseSpec<MethodSpec>,
    registry: &Registry,
    (manner, words): (&Manner, &[String]),
    context: &Context,
) -> Result<()> {
    let options = Options {
        force: manner.force,
        leftovers: if manner.resume { Leftovers::Demand } else { Leftovers::Discard },
        partial: true,
        threads: context.threads,
        command: words.to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        watch: &context.bars(),
        ..Options::default()
    };
    let outcome = run(case, registry, &options);
    let stopped = |error: anyhow::Error| {
        if error.is::<Cancelled>() { context.stopped().into() } else { error }
    };
    let outcome = outcome.map_err(stopped)?;
    tell(&outcome, manner.json, context)?;
    match outcome.report.status {
        recon_pipelines::report::Status::Complete => Ok(()),
        recon_pipelines::report::Status::Interrupted => Err(context.stopped().into()),
    }
}

fn tell(outcome: &Outcome<MethodSpec>, json: bool, context: &Context) -> Result<()> {
    let report = &outcome.report;
    if let Some(comparison) = &report.metrics {
        context.table(&table(comparison, outcome.method));
    }
    for warning in report.warnings.iter().skip(outcome.told) {
        context.say(&format!("warning: {warning}"));
    }
    if let Some(denoising) = &report.denoising {
        context.say(&left(denoising));
    }
    let image = report.outputs.first().context("a result has files")?.display();
    context.say(&format!("{image}: {} in {:.1} s on {}", outcome.method, report.seconds, report.device));
    if json { context::print(&serde_json::to_string(report)?) } else { Ok(()) }
}

/// The noise before and after, in words.
fn left(denoising: &Denoising) -> String {
    let Denoising { noise_std, expected_gain } = denoising;
    let noise = format!("{noise_std:.2e}").parse::<f64>().unwrap_or(*noise_std);
    match expected_gain {
        Some(gain) => {
            let left = 10_f64.powf(-0.05 * gain);
            let left = format!("{:.2e}", noise_std * left).parse::<f64>().unwrap_or(noise_std * left);
            format!("noise {noise} in the average, {left} expected in the result: {gain:.1} dB less")
        }
        None => format!("noise {noise} in the average"),
    }
}

fn table(comparison: &Comparison, method: &str) -> String {
    let row = |name: &str, quality: &Quality| {
        let psnr = quality.psnr.map_or_else(|| "inf".to_owned(), |psnr| format!("{psnr:.2}"));
        format!("{name:<14} {psnr:>9} {:>7.4} {:>9.2e}", quality.ssim, quality.nmse)
    };
    let mut lines = vec![format!("{:<14} {:>9} {:>7} {:>9}", "method", "PSNR (dB)", "SSIM", "NMSE")];
    lines.extend(comparison.baselines.iter().map(|baseline| row(&baseline.name, &baseline.quality)));
    lines.push(row(method, &comparison.result));
    if let Some(Calibration { ratio, coverage }) = comparison.calibration {
        let percent = 100.0 * INTERVAL;
        lines.push(format!(
            "spread: variance {ratio:.2} times the squared error, {:.0} % of voxels in their {percent:.0} % interval",
            100.0 * coverage
        ));
    }
    lines.join("\n")
}
