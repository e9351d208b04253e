//! `recon run`: what `--dry-run` prints, and what a sidecar repeats.

use super::cli::common::RunOptions;
use super::session::cases::{self, Manner};
use super::session::context::Context;
use super::session::failure::Failure;
use anyhow::Result;
use clap::Args;
use recon::device::DeviceChoice;
use recon::methods::Registry;
use recon::settings::{Entry, Layers, MethodSpec, MethodTable, Origin, Value};
use recon_pipelines::{CaseSpec, Task};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Arguments of `recon run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// A case, or several under [[case]], as --dry-run prints them; or the sidecar of a result. Relative paths are taken
    /// from its folder.
    #[arg(value_name = "CASE.toml|SIDECAR.json")]
    pub case: PathBuf,
    /// Where to write, instead of where the case says; for a single case.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Overwrite existing files.
    #[arg(long)]
    pub force: bool,
    /// Continue with the slices that an interrupted run has finished.
    #[arg(long)]
    pub resume: bool,
    /// Print the report as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    /// Only print the cases with every default filled in.
    #[arg(long)]
    pub dry_run: bool,
    /// Where networks run: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value_t, env = "RECON_DEVICE", hide_env = true)]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub run: RunOptions,
}

/// Runs `recon run`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &RunArgs, words: &[String]) -> Result<()> {
    let registry = Registry::new(args.device);
    let mut found = read(&args.case)?;
    if let Some(output) = &args.output {
        let [case] = &mut found[..] else {
            return Err(
                Failure::Usage("--output: names one result; the file has several cases".into()).into()
            );
        };
        case.output.image = std::env::current_dir()?.join(output);
    }
    let folder = args.case.parent().map_or_else(PathBuf::new, Path::to_owned);
    let folder = std::env::current_dir()?.join(folder);
    let resolved = |case: CaseSpec<MethodTable>| {
        let task = case.task.task();
        let case =
            case.resolved(&folder).try_map(|method| method_of(&method, task, &args.case, &registry))?;
        cases::checked(case, &registry, args.force)
    };
    let found = found.into_iter().map(resolved).collect::<Result<Vec<_>>>()?;
    if args.dry_run {
        return cases::show(&found);
    }
    let context = Context::new(&args.run)?;
    let RunArgs { force, resume, json, .. } = *args;
    cases::all(&found, &registry, (&Manner { force, resume, json }, words), &context)
}

/// More than any description of cases has.
const MOST_BYTES: u64 = 1 << 28;

/// The cases of a file.
fn read(path: &Path) -> Result<Vec<CaseSpec<MethodTable>>> {
    let wrong =
        |what: String| Failure::Input(format!("{}: {what}; give a case or a sidecar", path.display()));
    let text = recon_data::read_text(path, MOST_BYTES).map_err(|error| wrong(error.to_string()))?;
    let value: serde_json::Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
    } else {
        toml::from_str(&text).map_err(|error| wrong(error.message().replace('\n', " ")))?
    };
    let one =
        |value: &serde_json::Value| CaseSpec::deserialize(value).map_err(|error| wrong(error.to_string()));
    match value.get("case") {
        Some(serde_json::Value::Array(cases)) => Ok(cases.iter().map(one).collect::<Result<_, _>>()?),
        Some(case) => Ok(vec![one(case)?]),
        None => Ok(vec![one(&value)?]),
    }
}

/// The method of a case: what the file says, over what the card of its model says.
fn method_of(table: &MethodTable, task: Task, path: &Path, registry: &Registry) -> Result<MethodSpec> {
    // Only a whole description names the estimate that samples are drawn around, or a method that stands in.
    if ["around", "fallback"].iter().any(|key| table.0.contains_key(*key)) {
        return Ok(MethodSpec::of_table(task, table)?);
    }
    let Some(name) = table.0.get("name").and_then(toml::Value::as_str) else {
        let message = "method.name is missing; name a method";
        return Err(Failure::Usage(format!("{}: {message}", path.display())).into());
    };
    let origin = |key: &str| Origin::File(PathBuf::from(format!("{}: method.{key}", path.display())));
    let said = table.0.iter().filter(|(key, _)| *key != "name");
    let entries = said.map(|(key, value)| Entry::new(key, Value::Typed(value.clone()), origin(key)));
    let layers = Layers::default().with(entries.collect::<Result<Vec<_>, _>>()?);
    registry.resolve(name, task, &layers)
}
