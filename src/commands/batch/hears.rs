//! What is told while a batch runs: lines on stderr, and a file of events.

use crate::commands::session::context::Context;
use anyhow::{Context as _, Result};
use recon::settings::MethodSpec;
use recon_pipelines::batch::{Attempt, BatchCase, Event, Listener, Status, Stop, case_name};
use recon_pipelines::{Progress, Watch};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tells on.
pub struct Hears<'a> {
    context: &'a Context,
    cases: &'a [BatchCase<MethodSpec>],
    /// This process's own file, so that nobody appends to the file of another.
    events: Mutex<File>,
    ended: Mutex<usize>,
}

impl<'a> Hears<'a> {
    /// Tells of these cases, with events below this folder.
    ///
    /// # Errors
    /// When the file of events cannot be made.
    pub fn new(context: &'a Context, cases: &'a [BatchCase<MethodSpec>], records: &Path) -> Result<Self> {
        let folder = records.join("events");
        let failed = || format!("{}: cannot be written", folder.display());
        std::fs::create_dir_all(&folder).with_context(failed)?;
        let begun = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ-").to_string();
        let mut builder = tempfile::Builder::new();
        builder.prefix(&begun).suffix(".jsonl");
        // Who may read the other records may read this one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let events = builder.tempfile_in(&folder).with_context(failed)?;
        let (events, _) = events.keep().with_context(failed)?;
        Ok(Self { context, cases, events: Mutex::new(events), ended: Mutex::new(0) })
    }

    /// A line in the file of events; a full disk must not end the work.
    fn note(&self, name: &str, attempt: &Attempt, mut more: Value) {
        more["time"] = jiff::Timestamp::now().to_string().into();
        more["event"] = name.into();
        more["case"] = case_name(&attempt.output).into();
        more["attempt"] = attempt.number.into();
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(events, "{more}");
    }

    fn ended(&self, case: usize, attempt: &Attempt, warnings: &[String]) {
        let name = &self.cases[case].name;
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        *ended += usize::from(attempt.status == Status::Done);
        let (count, all) = (*ended, self.cases.len());
        drop(ended);
        warnings.iter().for_each(|warning| self.context.say(&format!("warning: {name}: {warning}")));
        let seconds = attempt.seconds;
        let reason = attempt.reason.as_deref().unwrap_or("interrupted");
        self.context.say(&match attempt.status {
            Status::Done => format!("{name}: done in {seconds:.1} s ({count} of {all})"),
            _ => format!("{name}: attempt {}: {reason}", attempt.number),
        });
        let about = json!({
            "status": attempt.status, "seconds": seconds, "network_calls": attempt.network_calls,
            "slices": attempt.slices, "warnings": warnings, "reason": attempt.reason,
        });
        self.note("ended", attempt, about);
    }
}

impl Listener for Hears<'_> {
    fn event(&self, case: usize, event: &Event<'_>) {
        let name = &self.cases[case].name;
        match event {
            Event::Begun(attempt, why) => {
                if let Some(why) = why {
                    self.context.say(&format!("{name}: again: {why}"));
                }
                self.note("begun", attempt, json!({ "why": why }));
            }
            Event::Ended(attempt, warnings) => self.ended(case, attempt, warnings),
            Event::Passed(attempt) => {
                self.context.detail(&format!("{name}: nothing to do"));
                self.note("passed", attempt, json!({ "status": attempt.status }));
            }
            Event::Waiting(attempt) => {
                let (pid, host) = (attempt.worker.pid, &attempt.worker.host);
                self.context.say(&format!(
                    "{name}: process {pid} on {host} is working on it and cannot be checked from here; waiting for a sign of life"
                ));
                self.note("waiting", attempt, json!({ "status": attempt.status }));
            }
        }
    }

    fn watch(&self, case: usize) -> Box<dyn Watch + '_> {
        Box::new(One { context: self.context, name: &self.cases[case].name })
    }

    fn stop(&self) -> Stop {
        self.context.stop()
    }
}

/// Hears how one case goes; most of that is for the curious.
struct One<'a> {
    context: &'a Context,
    name: &'a str,
}

impl Progress for One<'_> {
    fn step(&self, _done: usize, _steps: usize) {}
}

impl Watch for One<'_> {
    fn say(&self, line: &str) {
        self.detail(line);
    }

    fn detail(&self, line: &str) {
        self.context.detail(&format!("{}: {line}", self.name));
    }

    fn begin(&self, _slices: usize) {}

    fn slice(&self, done: usize, slices: usize) {
        if slices > 1 {
            self.detail(&format!("slice {done} of {slices}"));
        }
    }

    fn end(&self) {}
}
