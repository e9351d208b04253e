//! A trial of one case in a process of its own, whose memory is that of the case and nothing else.

use super::args::TrialArgs;
use crate::commands::session::context::{self, Context};
use anyhow::{Context as _, Result, ensure};
use recon::device::DeviceChoice;
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_pipelines::report::peak_memory_bytes;
use recon_pipelines::{CaseEstimate, CaseSpec, Task};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// What a trial found.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// What the case takes.
    #[serde(flatten)]
    pub estimate: CaseEstimate,
    /// Memory of the process at most, bytes.
    pub peak_bytes: u64,
}

impl Found {
    /// Memory that another case beside it takes, bytes.
    pub fn own_bytes(&self) -> u64 {
        self.peak_bytes.saturating_sub(self.estimate.shared_bytes).max(1)
    }
}

/// Runs `recon batch trial`, which is not meant for people: a case comes in by stdin, what it takes goes out by stdout.
///
/// # Errors
/// As the case itself.
pub fn run(args: &TrialArgs) -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let case: CaseSpec<recon::settings::MethodTable> = serde_json::from_str(&text)?;
    let task: Task = case.task.task();
    let case = case.try_map(|table| MethodSpec::of_table(task, &table))?;
    let _context = Context::new(&args.run)?;
    let estimate = recon_pipelines::estimate(&case, &Registry::new(args.device))?;
    let found = Found { estimate, peak_bytes: peak_memory_bytes().unwrap_or(0) };
    context::print(&serde_json::to_string(&found)?)
}

/// What a case takes with so many threads while as many others run beside it.
///
/// # Errors
/// What is wrong with the case, in one line.
pub fn of(
    case: &CaseSpec<MethodSpec>,
    (workers, threads): (usize, usize),
    device: DeviceChoice,
) -> Result<Found> {
    let text = serde_json::to_vec(case)?;
    let children = (0..workers).map(|_| begin(&text, threads, device)).collect::<Result<Vec<_>>>()?;
    let found = children.into_iter().map(end).collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>>>()?;
    let most = |value: fn(&Found) -> f64| found.iter().map(value).sum::<f64>() / found.len() as f64;
    let mut mean = found.first().copied().context("at least one trial is made")?;
    mean.estimate.opening = most(|found| found.estimate.opening);
    mean.estimate.slice = most(|found| found.estimate.slice);
    Ok(mean)
}

fn begin(case: &[u8], threads: usize, device: DeviceChoice) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["batch", "trial", "--threads", &threads.to_string(), "--device", &device.to_string()]);
    // What the user set for the whole batch is not meant for a part of it.
    command.env_remove("RECON_THREADS").env_remove("RECON_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start a trial")?;
    let mut stdin = child.stdin.take().context("a trial has an input")?;
    stdin.write_all(case)?;
    Ok(child)
}

fn end(child: Child) -> Result<Found> {
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("ended without an answer").trim_start_matches("error: ");
    ensure!(output.status.success(), "{last}");
    Ok(serde_json::from_slice(&output.stdout)?)
}
