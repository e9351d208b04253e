//! `recon batch`: many scans by a plan.

mod args;
mod hears;
mod plan;
mod resources;
mod status;

pub use args::{BatchArgs, Shard};

use super::session::context::{self, Context};
use super::session::failure::Failure;
use anyhow::Result;
use args::BatchCommand;
use hears::Hears;
use plan::Checked;
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_pipelines::batch::{Batch, BatchCase, Ledger, Rules, Status, case_name};
use resources::Resources;
use std::path::Path;

/// The folder among the outputs that holds what is written down about the batch.
const RECORDS: &str = "recon-batch";

/// Runs `recon batch`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &BatchArgs, words: &[String]) -> Result<()> {
    if let Some(BatchCommand::Status(args)) = &args.command {
        return status::run(args);
    }
    let registry = Registry::new(args.device);
    let checked = Checked::of(&args.plan, &registry)?;
    let context = Context::new(&args.run)?;
    for (path, reason) in &checked.left_out {
        context.say(&format!("{}: left out: {reason}", path.display()));
    }
    let ledger_folder = checked.outputs.join(RECORDS).join("cases");
    let problems = problems(&checked, &ledger_folder, args, &registry)?;
    if problems > 0 {
        let message = format!(
            "{problems} problem{} in the plan; nothing was begun",
            if problems == 1 { "" } else { "s" }
        );
        return Err(Failure::Usage(message).into());
    }
    let shard = args.shard.or_else(Shard::of_slurm);
    let mine = |(number, _): &(usize, BatchCase<MethodSpec>)| shard.is_none_or(|shard| shard.has(*number));
    let all = checked.cases.len();
    let cases: Vec<_> = checked.cases.into_iter().enumerate().filter(mine).map(|(_, case)| case).collect();
    let resources = Resources::of(args, &context, &cases)?;
    if args.dry_run {
        return show(&cases, &resources, args.json);
    }
    let ledger = Ledger::open(&ledger_folder)?;
    check_begun(&cases, &ledger, args)?;
    let rules = Rules {
        workers: resources.workers,
        threads: resources.threads,
        retries: args.retries,
        resume: args.resume,
        force: args.force,
        command: words.to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    context.say(&format!(
        "{} of {all} cases, {} at a time with {} thread{} each",
        cases.len(),
        rules.workers,
        rules.threads,
        if rules.threads == 1 { "" } else { "s" }
    ));
    let hears = Hears::new(&context, &cases, &checked.outputs.join(RECORDS))?;
    context.work(true);
    let batch = Batch {
        cases: &cases,
        outputs: &checked.outputs,
        ledger: &ledger,
        methods: &registry,
        rules: &rules,
        listener: &hears,
    };
    let worked = batch.work();
    context.work(false);
    worked?;
    finish(&cases, &ledger, args.json, &context)
}

/// Prints everything that is wrong with the plan, and says how much that is.
fn problems(checked: &Checked, ledger: &Path, args: &BatchArgs, registry: &Registry) -> Result<usize> {
    let mut problems = checked.problems.clone();
    let begun = if ledger.is_dir() { Ledger::open(ledger)?.numbers()? } else { Default::default() };
    for case in &checked.cases {
        let in_a_folder = case.case.output.image.parent().is_some_and(Path::is_dir);
        // What lies there may be the batch's own.
        if in_a_folder && !begun.contains_key(&case_name(&case.output)) {
            let free = recon_pipelines::target(&case.case, registry, args.force);
            problems.extend(free.err().map(|error| format!("{}: {error:#}", case.name)));
        }
    }
    problems.iter().for_each(|problem| context::tell(&format!("error: {problem}")));
    Ok(problems.len())
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
        let Some(last) =
            numbers.get(&name).and_then(|&number| ledger.read(&name, number).transpose()).transpose()?
        else {
            continue;
        };
        if last.status == Status::Running && !ledger.is_abandoned(&last)? {
            return Ok(());
        }
        begun += 1;
    }
    if begun == 0 {
        return Ok(());
    }
    let message = format!(
        "{begun} of {} cases were begun before; add --resume to go on, or --force to do everything again",
        cases.len()
    );
    Err(Failure::Exists(message).into())
}

fn show(cases: &[BatchCase<MethodSpec>], resources: &Resources, json: bool) -> Result<()> {
    let lines = cases.iter().map(|case| format!("{} -> {}", case.name, case.output.display()));
    let list: Vec<serde_json::Value> = cases
        .iter()
        .map(|case| serde_json::json!({ "name": case.name, "output": case.output.to_string_lossy() }))
        .collect();
    let Resources { workers, threads } = *resources;
    let text = serde_json::json!({ "cases": list, "workers": workers, "threads": threads });
    context::print(&if json { text.to_string() } else { lines.collect::<Vec<_>>().join("\n") })
}

/// Says how the cases stand, and fails if some of them failed.
fn finish(cases: &[BatchCase<MethodSpec>], ledger: &Ledger, json: bool, context: &Context) -> Result<()> {
    let tally = status::Tally::of(cases.iter().map(|case| case.output.as_path()), ledger)?;
    context.say(&tally.words());
    if json {
        context::print(&serde_json::to_string(&tally)?)?;
    }
    if context.stop() != recon_pipelines::batch::Stop::Never {
        return Err(context.interruption().unwrap_or(Failure::Interrupted(15)).into());
    }
    match tally.failed {
        0 => Ok(()),
        failed => Err(Failure::Cases(format!("{failed} of {} cases failed; see above", cases.len())).into()),
    }
}
