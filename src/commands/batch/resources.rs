//! Threads and memory for a batch.

use super::BatchArgs;
use crate::commands::session::context::Context;
use anyhow::Result;
use recon::settings::MethodSpec;
use recon_pipelines::batch::BatchCase;

/// How the machine is shared.
pub struct Resources {
    /// Cases at a time.
    pub workers: usize,
    /// Threads for each.
    pub threads: usize,
}

impl Resources {
    /// As many cases at a time as there are threads: many small slices beside each other are faster than many threads on
    /// one.
    ///
    /// # Errors
    /// When a case does not fit into the memory.
    pub fn of(args: &BatchArgs, context: &Context, cases: &[BatchCase<MethodSpec>]) -> Result<Self> {
        let workers = args.jobs.unwrap_or(context.threads).min(context.threads).min(cases.len()).max(1);
        Ok(Self { workers, threads: context.threads / workers })
    }
}
