//! What a running command needs besides its plan: logs, progress bars, threads and the way to stop.

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::options::RunOptions;
use anyhow::{Context as _, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use recon_pipelines::{Observer, Progress};
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// Logs, threads and interruption of one run of the program.
pub struct Context {
    verbosity: Verbosity,
    interrupt: Interrupt,
    /// Number of threads that methods may use.
    pub threads: usize,
}

impl Context {
    /// Listens for signals and sets up the threads; once per process.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(options: &RunOptions) -> Result<Self> {
        let verbosity = match (options.quiet, options.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        let interrupt = Interrupt::listen();
        let threads = options.threads.or_else(slurm_threads).unwrap_or_else(cores);
        // The tensor library runs on the same pool, so this is its number of threads as well.
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .with_context(|| format!("cannot start {threads} threads; ask for fewer with --threads"))?;
        Ok(Self { verbosity, interrupt, threads })
    }

    /// A line on stderr, unless quiet.
    pub fn say(&self, line: &str) {
        if self.verbosity >= Verbosity::Normal {
            eprintln!("{line}");
        }
    }

    /// A line on stderr, only with `--verbose`.
    pub fn detail(&self, line: &str) {
        if self.verbosity >= Verbosity::Verbose {
            eprintln!("{line}");
        }
    }

    /// Progress bars over `slices`.
    pub fn bars(&self, slices: usize) -> Bars<'_> {
        Bars::new(self, slices)
    }

    /// The failure to end with after the work so far has been written.
    pub fn interruption(&self) -> Option<Failure> {
        self.interrupt.signal().map(Failure::Interrupted)
    }
}

fn slurm_threads() -> Option<usize> {
    std::env::var("SLURM_CPUS_PER_TASK").ok()?.parse().ok().filter(|&n| n > 0)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Prints on stdout; a reader that closed the pipe has seen enough.
///
/// # Errors
/// When stdout cannot be written for another reason.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("stdout"),
        _ => Ok(()),
    }
}

/// Bars for slices and for the steps inside one, on a terminal; else a line a slice.
pub struct Bars<'a> {
    context: &'a Context,
    slices: ProgressBar,
    steps: ProgressBar,
    begin: Instant,
    terminal: bool,
}

impl<'a> Bars<'a> {
    fn new(context: &'a Context, count: usize) -> Self {
        let terminal = std::io::stderr().is_terminal() && context.verbosity > Verbosity::Quiet;
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let slices = bars.add(ProgressBar::new(count as u64));
        slices.set_style(style("slices {bar:30} {pos}/{len} {eta} left"));
        let steps = bars.add(ProgressBar::new(0));
        steps.set_style(style("steps  {bar:30} {pos}/{len} {eta} left"));
        Self { context, slices, steps, begin: Instant::now(), terminal }
    }

    /// Removes the bars from the terminal.
    pub fn clear(&self) {
        self.steps.finish_and_clear();
        self.slices.finish_and_clear();
    }
}

impl Progress for Bars<'_> {
    fn step(&self, done: usize, steps: usize) {
        if done <= 1 {
            self.steps.reset();
        }
        self.steps.set_length(steps as u64);
        self.steps.set_position(done as u64);
    }

    fn cancelled(&self) -> bool {
        self.context.interrupt.signal().is_some()
    }
}

impl Observer for Bars<'_> {
    fn slice(&self, done: usize, slices: usize) {
        self.slices.set_position(done as u64);
        if !self.terminal && slices > 1 {
            let seconds = self.begin.elapsed().as_secs_f64();
            self.context.say(&format!("slice {done} of {slices} done after {seconds:.1} s"));
        }
    }
}
