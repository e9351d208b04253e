//! `recon batch`: many scans by a plan.

mod args;
mod estimates;
mod hears;
mod kept_trials;
mod plan;
mod resources;
mod show;
mod status;
mod submit;
mod summary;
mod trial;

pub use args::{BatchArgs, PlanArgs, Shard};
pub use plan::options;

use super::session::context::{self, Context};
use super::session::failure::Failure;
use anyhow::Result;
use args::BatchCommand;
use hears::Hears;
use kept_trials::Kept;
use plan::Checked;
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_pipelines::batch::{Batch, BatchCase, Ledger, Plan, Rules, Status, Stop, case_name};
use resources::Resources;
use status::Tally;
use std::path::Path;

/// The folder among the outputs that holds what is written down about the batch.
pub const RECORDS: &str = "recon-batch";

/// Runs `recon batch`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &BatchArgs, words: &[String]) -> Result<()> {
    match &args.command {
        Some(BatchCommand::Status(args)) => return status::run(args),
        Some(BatchCommand::Submit(args)) => return submit::run(args),
        Some(BatchCommand::Trial(args)) => return trial::run(args),
        None => {}
    }
    let (plan, folder) = plan::read(&args.plan)?;
    let outputs = folder.join(plan.output_dir.as_deref().unwrap_or(Path::new("out")));
    run_plan((&plan, &folder, &outputs.join(RECORDS)), args, words)
}

/// Runs a plan, whose paths are taken from a folder, with what is written down about it in another.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run_plan(
    (plan, folder, records): (&Plan, &Path, &Path),
    args: &BatchArgs,
    words: &[String],
) -> Result<()> {
    let registry = Registry::new(args.device);
    let checked = Checked::of(plan, folder, &registry);
    let context = Context::new(&args.run)?;
    for (path, reason) in &checked.left_out {
        context.say(&format!("{}: left out: {reason}", path.display()));
    }
    let ledger = records.join("cases");
    check(&checked, &ledger, args.force, &registry)?;
    let shard = args.shard.or_else(Shard::of_slurm);
    let mine = |number: usize| shard.is_none_or(|shard| shard.has(number));
    let all = checked.cases.len();
    let cases =
        checked.cases.iter().enumerate().filter(|(number, _)| mine(*number)).map(|(_, case)| case.clone());
    let cases: Vec<_> = cases.collect();
    let kept = Kept::among(records);
    let resources = Resources::of(args, &context, &cases, (&registry, &kept))?;
    if args.dry_run {
        return show::cases(&cases, &resources, args.json);
    }
    let ledger = Ledger::open(&ledger)?;
    check_begun(&cases, &ledger, args)?;
    resources.estimates.iter().for_each(|estimates| estimates.keep(&kept));
    context.say(&format!("{} of {all} cases, {}", cases.len(), show::shared(&resources)));
    let begin = std::time::Instant::now();
    work(
        (&cases, all, &checked.outputs),
        (&ledger, records),
        &registry,
        (args, &resources, words),
        &context,
    )?;
    show::held(&resources, begin.elapsed().as_secs_f64(), &context);
    summary::write(&checked, records, &ledger)?;
    finish(&cases, &ledger, args.json, &context)
}

fn work(
    (cases, all, outputs): (&[BatchCase<MethodSpec>], usize, &Path),
    (ledger, records): (&Ledger, &Path),
    methods: &Registry,
    (args, resources, words): (&BatchArgs, &Resources, &[String]),
    context: &Context,
) -> Result<()> {
    let rules = Rules {
        workers: resources.workers,
        threads: resources.threads,
        retries: args.retries,
        resume: args.resume,
        force: args.force,
        pictures: summary::pictures(all),
        command: words.to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let hears = Hears::new(context, cases, records)?;
    context.work(true);
    let batch = Batch { cases, outputs, records, ledger, methods, rules: &rules, listener: &hears };
    let worked = batch.work();
    context.work(false);
    worked
}

/// Prints everything that is wrong with a plan, and fails if anything is.
fn check(checked: &Checked, ledger: &Path, force: bool, registry: &Registry) -> Result<()> {
    let mut problems = checked.problems.clone();
    let begun = if ledger.is_dir() { Ledger::open(ledger)?.numbers()? } else { Default::default() };
    for case in &checked.cases {
        let in_a_folder = case.case.output.image.parent().is_some_and(Path::is_dir);
        // What lies there may be the batch's own.
        if in_a_folder && !begun.contains_key(&case_name(&case.output)) {
            let free = recon_pipelines::target(&case.case, registry, force);
            problems.extend(free.err().map(|error| format!("{}: {error:#}", case.name)));
        }
    }
    problems.iter().for_each(|problem| context::tell(&format!("error: {problem}")));
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::Usage("1 problem in the plan; nothing was started".to_owned()).into()),
        count => Err(Failure::Usage(format!("{count} problems in the plan; nothing was started")).into()),
    }
}

/// Refuses to begin a batch again by mistake; processes that work on it at the same time are joined.
fn check_begun(cases: &[BatchCase<MethodSpec>], ledger: &Ledger, args: &BatchArgs) -> Result<()> {
    if args.resume || args.force {
        return Ok(());
    }
    let numbers = ledger.numbers()?;
    let mut begun = 0;
    for case in cases {
        let name = case_name(&case.output);
        let Some(&number) = numbers.get(&name) else { continue };
        let Some(last) = ledger.read(&name, number)? else { continue };
        if last.status == Status::Running && !ledger.is_abandoned(&last)? {
            return Ok(());
        }
        begun += 1;
    }
    if begun == 0 {
        return Ok(());
    }
    let message = format!(
        "{begun} of {} cases were started before; add --resume to continue, or --force to do everything again",
        cases.len()
    );
    Err(Failure::Exists(message).into())
}

/// Says how the cases stand, and fails if some of them failed.
fn finish(cases: &[BatchCase<MethodSpec>], ledger: &Ledger, json: bool, context: &Context) -> Result<()> {
    let tally = Tally::of(cases.iter().map(|case| case.output.as_path()), ledger)?;
    context.say(&tally.words());
    if json {
        context::print(&serde_json::to_string(&tally)?)?;
    }
    if context.stop() != Stop::Never {
        return Err(context.stopped().into());
    }
    match tally.failed {
        0 => Ok(()),
        failed => Err(Failure::Cases(format!("{failed} of {} cases failed; see above", cases.len())).into()),
    }
}

/// Writes a summary of all cases of a plan beside what is written down about them.
///
/// # Errors
/// When nothing is written down, or the summary cannot be written.
pub fn report(
    (plan, folder, records): (&Plan, &Path, &Path),
    device: recon::device::DeviceChoice,
) -> Result<()> {
    let checked = Checked::of(plan, folder, &Registry::new(device));
    let ledger = records.join("cases");
    if !ledger.is_dir() {
        let message = format!("{}: there are no records; run level participant first", records.display());
        return Err(Failure::Input(message).into());
    }
    let ledger = Ledger::open(&ledger)?;
    let tally = Tally::of(checked.cases.iter().map(|case| case.output.as_path()), &ledger)?;
    summary::write(&checked, records, &ledger)?;
    let places =
        ["report.html", "summary.tsv", "metrics.prom"].map(|name| records.join(name).display().to_string());
    context::print(&format!("{}: {}", tally.words(), places.join(", ")))
}
