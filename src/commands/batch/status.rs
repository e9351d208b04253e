//! `recon batch status`: how a batch stands, and when it may be done.

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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    /// How many are done in an hour, if those that run now take as long as those that are done.
    pub cases_per_hour: Option<f64>,
    /// When all are done at that rate, in seconds from now.
    pub seconds_left: Option<f64>,
    /// What there is to do, in cases: of those that run, the slices that are not done.
    #[serde(skip)]
    left: f64,
}

/// The last attempts at cases, in the order of their outputs.
///
/// # Errors
/// When the ledger cannot be read.
fn lasts<'a>(outputs: impl Iterator<Item = &'a Path>, ledger: &Ledger) -> Result<Vec<Option<Attempt>>> {
    let numbers = ledger.numbers()?;
    outputs
        .map(case_name)
        .map(|name| Ok(numbers.get(&name).map(|&number| ledger.read(&name, number)).transpose()?.flatten()))
        .collect()
}

impl Tally {
    /// That of cases with these outputs.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of<'a>(outputs: impl Iterator<Item = &'a Path>, ledger: &Ledger) -> Result<Self> {
        Self::of_attempts(&lasts(outputs, ledger)?, ledger)
    }

    fn of_attempts(lasts: &[Option<Attempt>], ledger: &Ledger) -> Result<Self> {
        let mut tally = Self::default();
        for last in lasts {
            let gone = match last {
                Some(last) if last.status == Status::Running => ledger.is_abandoned(last)?,
                _ => false,
            };
            tally.add(last.as_ref().filter(|_| !gone));
        }
        tally.look_ahead();
        Ok(tally)
    }

    fn add(&mut self, last: Option<&Attempt>) {
        self.cases += 1;
        match last {
            Some(last) if last.status == Status::Done => {
                self.done += 1;
                self.seconds += last.seconds;
                self.network_calls += last.network_calls;
            }
            Some(last) if last.status == Status::Failed => self.failed += 1,
            Some(last) if last.status == Status::Running => {
                self.running += 1;
                let [done, all] = last.slices.unwrap_or([0, 1]);
                self.left += 1.0 - done as f64 / all.max(1) as f64;
            }
            _ => {
                self.pending += 1;
                self.left += 1.0;
            }
        }
    }

    fn look_ahead(&mut self) {
        if self.running > 0 && self.done > 0 && self.seconds > 0.0 {
            let rate = self.running as f64 * self.done as f64 / self.seconds;
            self.cases_per_hour = Some(3600.0 * rate);
            self.seconds_left = Some(self.left / rate);
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        let Self { cases, done, failed, running, pending, .. } = self;
        format!("{done} of {cases} cases done, {failed} failed, {running} running, {pending} pending")
    }

    /// When it may be done, in words.
    fn outlook(&self) -> Option<String> {
        let (rate, left) = (self.cases_per_hour?, self.seconds_left?);
        Some(format!("{rate:.1} cases an hour, about {} left", span(left)))
    }
}

/// A time in the two largest units that matter.
fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    match minutes {
        0..=1 => format!("{seconds:.0} s"),
        2..=119 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
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
    let outputs = checked.cases.iter().map(|case| case.output.as_path());
    let (lasts, tally) = if folder.is_dir() {
        let ledger = Ledger::open(&folder)?;
        let lasts = lasts(outputs, &ledger)?;
        let tally = Tally::of_attempts(&lasts, &ledger)?;
        (lasts, tally)
    } else {
        let cases = checked.cases.len();
        (Vec::new(), Tally { cases, pending: cases, ..Tally::default() })
    };
    if args.json {
        return context::print(&serde_json::to_string(&tally)?);
    }
    let mut lines = vec![tally.words()];
    lines.extend(tally.outlook());
    let begun =
        checked.cases.iter().zip(&lasts).filter_map(|(case, last)| Some((&*case.name, last.as_ref()?)));
    lines.extend(table(&begun.collect::<Vec<_>>()));
    context::print(&lines.join("\n"))
}

/// A line for every case that was begun.
fn table(begun: &[(&str, &Attempt)]) -> Vec<String> {
    let width = begun.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(4);
    let head =
        format!("{:width$}  {:11}  {:>9}  {:>8}  {:>9}", "case", "status", "slices", "attempts", "seconds");
    let lines = begun.iter().map(|(name, last)| {
        let slices = last.slices.map(|[done, all]| format!("{done}/{all}")).unwrap_or_default();
        let (status, reason) = (name_of(last.status), last.reason.as_deref().unwrap_or_default());
        let line = format!(
            "{name:width$}  {status:11}  {slices:>9}  {:>8}  {:>9.1}  {reason}",
            last.number, last.seconds
        );
        line.trim_end().to_owned()
    });
    if begun.is_empty() { Vec::new() } else { std::iter::once(head).chain(lines).collect() }
}

fn name_of(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Interrupted => "interrupted",
        Status::Done => "done",
        Status::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn attempt(status: &str, slices: [usize; 2], seconds: f64) -> Attempt {
        let worker = json!({ "host": "h", "boot": "", "pid": 1, "began": 1 });
        let made_of = json!({ "options": "", "inputs": [], "model": null, "version": "" });
        from_value(json!({
            "schema": 1, "output": "a", "number": 2, "status": status, "worker": worker, "owns_outputs": true,
            "made_of": made_of, "slices": slices, "seconds": seconds, "reason": null,
        }))
        .expect("an attempt")
    }

    #[test]
    fn the_time_left_is_that_of_what_is_not_done_by_those_who_work() {
        let mut tally = Tally::default();
        for (status, slices) in [("done", [4, 4]), ("done", [4, 4]), ("running", [1, 4]), ("running", [3, 4])]
        {
            tally.add(Some(&attempt(status, slices, 60.0)));
        }
        tally.add(Some(&attempt("interrupted", [2, 4], 5.0)));
        tally.add(None);
        tally.look_ahead();
        assert_eq!((tally.done, tally.running, tally.pending), (2, 2, 2));
        // Two at a time take a minute each.
        assert_eq!((tally.cases_per_hour, tally.seconds_left), (Some(120.0), Some(90.0)));
        assert_eq!(tally.outlook().as_deref(), Some("120.0 cases an hour, about 2 min left"));
        let waiting = Tally { done: 3, seconds: 9.0, ..Tally::default() };
        assert_eq!(waiting.outlook(), None);
    }

    #[test]
    fn a_table_is_aligned() {
        let mut failed = attempt("failed", [0, 1], 0.25);
        failed.reason = Some("no file".to_owned());
        let done = attempt("done", [12, 12], 100.0);
        let lines = table(&[("long name", &done), ("b", &failed)]);
        assert_eq!(
            lines,
            [
                "case       status          slices  attempts    seconds",
                "long name  done             12/12         2      100.0",
                "b          failed             0/1         2        0.2  no file",
            ]
        );
        assert!(table(&[]).is_empty());
        assert_eq!((span(30.0), span(7200.0 + 59.0)), ("30 s".to_owned(), "2 h 1 min".to_owned()));
    }
}
