//! `recon batch status`: how a batch stands.

use super::RECORDS;
use super::args::StatusArgs;
use super::plan::{self, Checked};
use crate::commands::session::context;
use anyhow::Result;
use recon::device::DeviceChoice;
use recon::methods::Registry;
use recon_pipelines::batch::{Attempt, Ledger, Status, case_name};
use serde::Serialize;
use std::path::Path;

/// How many cases stand how.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// All of them.
    pub cases: usize,
    /// Their results are written.
    pub done: usize,
    /// The last attempt ended with an error.
    pub failed: usize,
    /// Somebody works on them.
    pub running: usize,
    /// Nobody has begun, or the last attempt was stopped.
    pub pending: usize,
    /// Wall time of the finished ones, seconds.
    pub seconds: f64,
    /// Score-network calls of the finished ones.
    pub network_calls: usize,
}

impl Tally {
    /// That of cases with these outputs.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of<'a>(outputs: impl Iterator<Item = &'a Path>, ledger: &Ledger) -> Result<Self> {
        let numbers = ledger.numbers()?;
        let mut tally = Self::default();
        for output in outputs {
            let name = case_name(output);
            let last = numbers.get(&name).map(|&number| ledger.read(&name, number)).transpose()?.flatten();
            tally.add(last.as_ref(), ledger)?;
        }
        Ok(tally)
    }

    fn add(&mut self, last: Option<&Attempt>, ledger: &Ledger) -> Result<()> {
        self.cases += 1;
        match last {
            Some(last) if last.status == Status::Done => {
                self.done += 1;
                self.seconds += last.seconds;
                self.network_calls += last.network_calls;
            }
            Some(last) if last.status == Status::Failed => self.failed += 1,
            Some(last) if last.status == Status::Running && !ledger.is_abandoned(last)? => self.running += 1,
            _ => self.pending += 1,
        }
        Ok(())
    }

    /// In words.
    pub fn words(&self) -> String {
        let Self { cases, done, failed, running, pending, .. } = self;
        format!("{done} of {cases} cases done, {failed} failed, {running} running, {pending} pending")
    }
}

/// Runs `recon batch status`.
///
/// # Errors
/// See [`crate::commands::session::failure`].
pub fn run(args: &StatusArgs) -> Result<()> {
    let (plan, folder) = plan::read(&args.plan)?;
    let checked = Checked::of(&plan, &folder, &Registry::new(DeviceChoice::default()));
    checked.problems.iter().for_each(|problem| context::warn(problem));
    let folder = checked.outputs.join(RECORDS).join("cases");
    let outputs = || checked.cases.iter().map(|case| case.output.as_path());
    if !folder.is_dir() {
        let tally = Tally { cases: checked.cases.len(), pending: checked.cases.len(), ..Tally::default() };
        return context::print(&if args.json { serde_json::to_string(&tally)? } else { tally.words() });
    }
    let ledger = Ledger::open(&folder)?;
    let tally = Tally::of(outputs(), &ledger)?;
    if args.json {
        return context::print(&serde_json::to_string(&tally)?);
    }
    let mut lines = vec![tally.words()];
    for case in &checked.cases {
        if let Some(last) = ledger.last(&case_name(&case.output))? {
            lines.push(line(&case.name, &last));
        }
    }
    context::print(&lines.join("\n"))
}

fn line(name: &str, last: &Attempt) -> String {
    let status = match last.status {
        Status::Running => "running",
        Status::Interrupted => "interrupted",
        Status::Done => "done",
        Status::Failed => "failed",
    };
    let slices = last.slices.map(|[done, all]| format!(", slice {done} of {all}")).unwrap_or_default();
    let reason = last.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{name}: {status}{slices} (attempt {}, {:.1} s){reason}", last.number, last.seconds)
}
