//! From a plan to cases that are checked.

use super::args::PlanArgs;
use crate::commands::session::failure::Failure;
use crate::commands::{ct, denoise, mar, mri};
use anyhow::{Context as _, Result};
use clap::{Args, Command, FromArgMatches};
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_pipelines::batch::{BatchCase, Entry, Expansion, Inputs, Options, Plan, Planned, words};
use recon_pipelines::{CaseSpec, Task};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A plan that was read.
pub struct Checked {
    /// The folder of outputs, which holds the ledger.
    pub outputs: PathBuf,
    /// Its cases, whose outputs are told from there.
    pub cases: Vec<BatchCase<MethodSpec>>,
    /// What was found and is no scan, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
    /// Everything that is wrong with it, a line each.
    pub problems: Vec<String>,
}

/// More than any plan has.
const MOST_BYTES: u64 = 1 << 28;
/// Options that the batch has, and not its cases.
const OF_THE_BATCH: [&str; 11] = [
    "output", "force", "resume", "json", "dry-run", "threads", "config", "quiet", "verbose", "device",
    "method",
];

impl Checked {
    /// Checks every case of a plan, whose relative paths are taken from `folder`.
    pub fn of(plan: &Plan, folder: &Path, registry: &Registry) -> Self {
        let Expansion { cases, left_out, mut problems } = Expansion::of(plan, folder);
        let outputs = folder.join(plan.output_dir.as_deref().unwrap_or(Path::new("out")));
        let parser = Parser::new();
        let mut checked = Vec::new();
        for planned in &cases {
            match parser.case(planned, registry, folder) {
                Ok(case) => checked.push(named(planned, case, &outputs)),
                Err(error) => problems.push(format!("{}: {error:#}", planned.name)),
            }
        }
        Self { outputs, cases: checked, left_out, problems }
    }
}

fn named(planned: &Planned, case: CaseSpec<MethodSpec>, outputs: &Path) -> BatchCase<MethodSpec> {
    let path = planned.output_dir.join(&planned.output);
    let output = path.strip_prefix(outputs).unwrap_or(&path).to_owned();
    BatchCase { name: planned.name.clone(), output, case, sidecar: planned.sidecar.clone() }
}

/// Reads a plan, or makes one of inputs; with the folder that its paths are taken from.
///
/// # Errors
/// When the plan cannot be read.
pub fn read(args: &PlanArgs) -> Result<(Plan, PathBuf)> {
    let here = std::env::current_dir()?;
    let is_plan = |path: &PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    match &args.inputs[..] {
        [path] if is_plan(path) => {
            if args.output.is_some()
                || args.task.is_some()
                || args.method.is_some()
                || !args.options.is_empty()
            {
                let message = "--output, --task, --method and --option: belong in the plan; leave them out";
                return Err(Failure::Usage(message.to_owned()).into());
            }
            let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
            Ok((read_plan(path)?, here.join(folder)))
        }
        inputs if inputs.iter().any(is_plan) => {
            Err(Failure::Usage("give one plan, or inputs without a plan".to_owned()).into())
        }
        _ => Ok((of_inputs(args)?, here)),
    }
}

fn read_plan(path: &Path) -> Result<Plan> {
    let wrong = |what: String| Failure::Input(format!("{}: {what}; correct the plan", path.display()));
    let text = recon_data::read_text(path, MOST_BYTES).map_err(|error| wrong(error.to_string()))?;
    Ok(toml::from_str(&text).map_err(|error| wrong(error.message().replace('\n', " ")))?)
}

fn of_inputs(args: &PlanArgs) -> Result<Plan> {
    let Some(output) = &args.output else {
        let message = "--output: is missing; name a folder for the results, or give a plan";
        return Err(Failure::Usage(message.to_owned()).into());
    };
    let text = |path: &PathBuf| {
        let text =
            path.to_str().with_context(|| format!("{}: is not UTF-8; name its folder", path.display()))?;
        Ok(text.to_owned())
    };
    let options = options(&args.options)?;
    let inputs = args.inputs.iter().map(text).collect::<Result<Vec<_>>>()?;
    let entry = Entry { input: Inputs::Several(inputs), ..Entry::default() };
    let (task, method, output_dir) = (args.task, args.method.clone(), Some(output.clone()));
    Ok(Plan { task, method, output_dir, output: None, options, bids: None, entries: vec![entry] })
}

/// Options given as `KEY=VALUE`.
///
/// # Errors
/// When one is not.
pub fn options(words: &[String]) -> Result<Options, Failure> {
    let option = |word: &String| {
        let (key, value) =
            word.split_once('=').ok_or_else(|| Failure::Usage(format!("--option {word}: give KEY=VALUE")))?;
        let value = if value == "true" { true.into() } else { value.into() };
        Ok((key.to_owned(), value))
    };
    words.iter().map(option).collect()
}

/// The command lines of tasks, made once.
struct Parser {
    ct: Command,
    mri: Command,
    mar: Command,
    denoise: Command,
}

impl Parser {
    fn new() -> Self {
        let bare = || Command::new("case").no_binary_name(true);
        Self {
            ct: ct::CtArgs::augment_args(bare()),
            mri: mri::MriArgs::augment_args(bare()),
            mar: mar::MarArgs::augment_args(bare()),
            denoise: denoise::DenoiseArgs::augment_args(bare()),
        }
    }

    fn command(&self, task: Task) -> &Command {
        match task {
            Task::Ct => &self.ct,
            Task::Mri => &self.mri,
            Task::Mar => &self.mar,
            Task::Denoise => &self.denoise,
        }
    }

    /// A case as the command of its task makes it of the same words.
    fn case(&self, planned: &Planned, registry: &Registry, folder: &Path) -> Result<CaseSpec<MethodSpec>> {
        let command = self.command(planned.task);
        let options = self.options(planned)?;
        let matches = command.clone().try_get_matches_from(arguments(planned, &options));
        let matches = matches.map_err(|error| refused(&error))?;
        let requested = match planned.task {
            Task::Ct => {
                let args = ct::CtArgs::from_arg_matches(&matches).map_err(|error| refused(&error))?;
                ct::request(&args, &[])?.described(registry, folder)
            }
            Task::Mri => {
                let args = mri::MriArgs::from_arg_matches(&matches).map_err(|error| refused(&error))?;
                mri::request(&args, &[])?.described(registry, folder)
            }
            Task::Mar => {
                let args = mar::MarArgs::from_arg_matches(&matches).map_err(|error| refused(&error))?;
                mar::request(&args, &[])?.described(registry, folder)
            }
            Task::Denoise => {
                let args =
                    denoise::DenoiseArgs::from_arg_matches(&matches).map_err(|error| refused(&error))?;
                denoise::request(&args, &[])?.described(registry, folder)
            }
        };
        requested?.pop().context("names no input")
    }

    /// The options of a case, and those of the whole plan that its command has.
    fn options(&self, planned: &Planned) -> Result<Options, Failure> {
        let mut all = planned.inherited.clone();
        if let Some(key) = all.keys().find(|key| !Task::ALL.iter().any(|&task| has(self.command(task), key)))
        {
            return Err(Failure::Usage(format!("option {key}: no task has it; use long option names")));
        }
        all.retain(|key, _| has(self.command(planned.task), key));
        all.extend(planned.options.clone());
        match all.keys().find(|key| OF_THE_BATCH.contains(&key.as_str())) {
            Some(key) => {
                let message =
                    format!("option {key}: is one of the batch or of the plan itself; set it there");
                Err(Failure::Usage(message))
            }
            None => Ok(all),
        }
    }
}

fn has(command: &Command, key: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(key))
}

/// The first paragraph of clap's message, which says what is wrong.
fn refused(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let first: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    Failure::Usage(first.join(" ").trim_start_matches("error: ").to_owned())
}

/// The words that the command of the task would be given.
fn arguments(planned: &Planned, options: &Options) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    all.extend(planned.input.iter().map(|found| found.path.clone().into()));
    let series = planned.input.iter().filter_map(|found| found.series.as_ref());
    all.extend(series.map(|series| format!("--series={series}").into()));
    all.extend(planned.method.iter().map(|method| format!("--method={method}").into()));
    all.extend(options.iter().flat_map(|(key, value)| words(key, value)).map(Into::into));
    all.push("--output".into());
    all.push(planned.output_dir.join(&planned.output).into());
    all
}
