//! `recon batch submit`: a batch handed to a cluster.

use super::args::{PlanArgs, SubmitArgs};
use super::plan::{self, Checked};
use super::{RECORDS, check};
use crate::commands::session::context;
use crate::commands::session::failure::Failure;
use anyhow::{Context as _, Result, bail};
use recon::device::DeviceChoice;
use recon::methods::Registry;
use recon_data::Overwrite;
use recon_data::atomic;
use recon_pipelines::batch::slurm::JobArray;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// More tasks than this are not started unless somebody asks for them.
const TASKS: usize = 100;

/// Runs `recon batch submit`.
///
/// # Errors
/// See [`crate::commands::session::failure`].
pub fn run(args: &SubmitArgs) -> Result<()> {
    let submission = Submission::of(args)?;
    if args.dry_run {
        return context::print(submission.script.trim_end());
    }
    check_slurm()?;
    let script = submission.write()?;
    let job = submitted(&script)?;
    let Submission { tasks, cases, .. } = submission;
    context::tell(&format!("{cases} cases in {tasks} tasks; the script is {}", script.display()));
    context::print(&job)
}

/// A script that may be submitted.
struct Submission {
    records: PathBuf,
    cases: usize,
    tasks: usize,
    script: String,
}

impl Submission {
    fn of(args: &SubmitArgs) -> Result<Self> {
        let path = absolute(&args.plan)?;
        if path.extension().is_none_or(|ending| ending != "toml") {
            let message = format!("{}: is not a plan; write the inputs into a PLAN.toml", path.display());
            return Err(Failure::Usage(message).into());
        }
        let (plan, folder) = plan::read(&PlanArgs::of_plan(&path))?;
        let registry = Registry::new(DeviceChoice::default());
        let checked = Checked::of(&plan, &folder, &registry);
        let records = absolute(&checked.outputs.join(RECORDS))?;
        check(&checked, &records.join("cases"), false, &registry)?;
        let cases = checked.cases.len();
        let tasks = args.tasks.unwrap_or(TASKS).min(cases);
        let options: Vec<String> = args.wanted.options().into_iter().chain(args.others.clone()).collect();
        let array = JobArray {
            program: &std::env::current_exe().context("the program cannot find its own file")?,
            plan: &path,
            logs: &records.join("logs"),
            tasks,
            throttle: args.throttle,
            requeue: args.requeue,
            retries: args.retries,
            options: &options,
        };
        Ok(Self { cases, tasks, script: array.script()?, records })
    }

    /// Writes the script beside the records, and makes the folder that Slurm writes logs to.
    fn write(&self) -> Result<PathBuf> {
        let logs = self.records.join("logs");
        std::fs::create_dir_all(&logs).with_context(|| {
            format!("{}: cannot be created; check that the folder is writable", logs.display())
        })?;
        let path = self.records.join("submit.sh");
        atomic::write_bytes(&path, self.script.as_bytes(), Overwrite::Force)?;
        Ok(path)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{}: is not a path", path.display()))
}

/// Fails in one line where there is no Slurm.
fn check_slurm() -> Result<()> {
    match Command::new("sbatch").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "sbatch: is not on the PATH; submit from a machine with Slurm, or print the script with --dry-run"
            )
        }
        Err(error) => Err(error).context("sbatch: cannot be started"),
    }
}

/// The number of the job that a script has become.
fn submitted(script: &Path) -> Result<String> {
    let output =
        Command::new("sbatch").arg("--parsable").arg(script).output().context("sbatch: cannot be started")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace("sbatch: error: ", "");
        bail!("sbatch refused {}: {}; correct the options", script.display(), said.trim());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    // The name of the cluster may follow.
    Ok(said.trim().split(';').next().unwrap_or_default().to_owned())
}
