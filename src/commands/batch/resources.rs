//! Threads and memory for a batch.

use super::BatchArgs;
use super::estimates::{Estimates, Trials};
use super::kept_trials::Kept;
use crate::commands::session::context::Context;
use crate::commands::session::failure::Failure;
use anyhow::Result;
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_pipelines::batch::BatchCase;

/// How the machine is shared.
pub struct Resources {
    /// Cases at a time.
    pub workers: usize,
    /// Threads for each.
    pub threads: usize,
    /// What the cases take, where it was tried.
    pub estimates: Option<Estimates>,
    /// Memory that may be used, bytes, where it is known.
    pub limit: Option<u64>,
}

impl Resources {
    /// As many cases at a time as there are threads: many small slices beside each other are faster than many threads on
    /// one. Fewer where a limit of memory is set; what they take is tried then, and for `--dry-run`.
    ///
    /// # Errors
    /// When a case does not fit into the memory.
    pub fn of(
        args: &BatchArgs,
        context: &Context,
        cases: &[BatchCase<MethodSpec>],
        (registry, kept): (&Registry, &Kept),
    ) -> Result<Self> {
        let share = |most: usize| {
            let workers =
                args.jobs.unwrap_or(context.threads).min(context.threads).min(cases.len()).min(most).max(1);
            (workers, (context.threads / workers).max(1))
        };
        let limit = args.mem.or_else(of_slurm).or_else(of_control_group);
        let (workers, threads) = share(usize::MAX);
        if !args.dry_run && limit.is_none() {
            return Ok(Self { workers, threads, estimates: None, limit });
        }
        // What is shown is what is true now.
        let kept = (!args.dry_run).then(|| kept.clone());
        let trials = Trials { registry, shared: (workers, threads), device: args.device, kept };
        let estimates = Estimates::of(cases, &trials)?;
        let (workers, threads) = match (limit, estimates.largest) {
            (Some(limit), Some(found)) => {
                let left = limit.saturating_sub(found.estimate.shared_bytes);
                let fit = (left / found.own_bytes()) as usize;
                if fit == 0 {
                    return Err(too_much(found.peak_bytes, limit).into());
                }
                share(fit)
            }
            _ => (workers, threads),
        };
        Ok(Self { workers, threads, estimates: Some(estimates), limit })
    }
}

fn too_much(needed: u64, limit: u64) -> Failure {
    let message = format!(
        "--mem: a case takes {}, and {} may be used; ask for more memory, or give fewer slices at a time",
        size(needed),
        size(limit)
    );
    Failure::Memory(message)
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 { format!("{mebibytes:.0} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

/// What Slurm gave the job on this machine, in mebibytes; 0 is all of it.
fn of_slurm() -> Option<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok().filter(|&number| number > 0);
    let of_cores = || Some(number("SLURM_MEM_PER_CPU")? * number("SLURM_CPUS_ON_NODE")?);
    Some(number("SLURM_MEM_PER_NODE").or_else(of_cores)? << 20)
}

/// What the control group of the process may use, if that is less than everything.
fn of_control_group() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let own = read("/proc/self/cgroup")?;
    let group = own.lines().find_map(|line| line.strip_prefix("0::"))?.trim_start_matches('/').to_owned();
    let limits = [format!("/sys/fs/cgroup/{group}/memory.max"), "/sys/fs/cgroup/memory.max".to_owned()];
    limits.iter().find_map(|path| read(path)?.trim().parse().ok())
}
