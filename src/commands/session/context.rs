//! What a running command needs besides its plan: logs, progress bars, threads and the way to stop.

use super::failure::{self, Failure};
use super::interrupt::Interrupt;
use crate::commands::cli::common::RunOptions;
use anyhow::{Context as _, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use recon_pipelines::batch::Stop;
use recon_pipelines::{Progress, Watch};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::PoisonError;
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

/// The number of the signal that asks a program to end.
const SIGTERM: i32 = 15;

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
        let threads = match options.threads {
            Some(threads) if threads > most_threads() => {
                let message = format!("--threads {threads}: is more than {}; ask for fewer", most_threads());
                return Err(Failure::Usage(message).into());
            }
            Some(threads) => threads,
            // A job may be given more than this machine has.
            None => slurm_threads().unwrap_or_else(cores).min(cores()),
        };
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
            tell(line);
        }
    }

    /// Lines on stderr, unless quiet.
    pub fn table(&self, lines: &str) {
        lines.lines().for_each(|line| self.say(line));
    }

    /// A line on stderr, only with `--verbose`.
    pub fn detail(&self, line: &str) {
        if self.verbosity >= Verbosity::Verbose {
            tell(line);
        }
    }

    /// Progress bars, shown once the number of slices is known.
    pub fn bars(&self) -> Bars<'_> {
        Bars { context: self, shown: Mutex::default() }
    }

    /// How soon to stop.
    pub fn stop(&self) -> Stop {
        match (self.interrupt.signal(), self.interrupt.gently()) {
            (Some(_), _) => Stop::Now,
            (None, true) => Stop::AfterSlice,
            (None, false) => Stop::Never,
        }
    }

    /// Whether slices are worked on: a signal then ends the process even where it cannot be heard for long.
    pub fn work(&self, working: bool) {
        self.interrupt.work(working);
    }

    /// The failure to end with after the work so far has been written.
    pub fn interruption(&self) -> Option<Failure> {
        self.interrupt.signal().map(Failure::Interrupted)
    }

    /// The failure of work that was stopped: by the signal that came, or with the termination that a scheduler announced.
    pub fn stopped(&self) -> Failure {
        self.interruption().unwrap_or(Failure::Interrupted(SIGTERM))
    }
}

#[cfg(test)]
impl Context {
    /// One that says nothing and hears no signals.
    pub fn deaf() -> Self {
        Self { verbosity: Verbosity::Quiet, interrupt: Interrupt::default(), threads: 1 }
    }

    /// As if this signal had come.
    pub fn interrupt(&self, signal: i32) {
        self.interrupt.receive(signal);
    }
}

fn slurm_threads() -> Option<usize> {
    std::env::var("SLURM_CPUS_PER_TASK").ok()?.parse().ok().filter(|&n| n > 0)
}

/// More threads than this are a mistake on any machine.
fn most_threads() -> usize {
    (4 * cores()).max(256)
}

/// The processors that this process may use, as its control group has them.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A line on stderr; where that cannot be written, such as on a full disk, the work goes on without it.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", failure::shown(line));
}

/// A warning on stderr.
pub fn warn(line: &str) {
    tell(&format!("warning: {line}"));
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
    shown: Mutex<Option<Shown>>,
}

struct Shown {
    slices: ProgressBar,
    steps: ProgressBar,
    begin: Instant,
    terminal: bool,
}

impl Shown {
    fn new(context: &Context, count: usize) -> Self {
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
        Self { slices, steps, begin: Instant::now(), terminal }
    }
}

impl Bars<'_> {
    fn with(&self, act: impl FnOnce(&Shown)) {
        if let Some(shown) = &*self.shown.lock().unwrap_or_else(PoisonError::into_inner) {
            act(shown);
        }
    }
}

impl Progress for Bars<'_> {
    fn step(&self, done: usize, steps: usize) {
        self.with(|shown| {
            if done <= 1 {
                shown.steps.reset();
            }
            shown.steps.set_length(steps as u64);
            shown.steps.set_position(done as u64);
        });
    }

    fn cancelled(&self) -> bool {
        self.context.interrupt.signal().is_some()
    }
}

impl Watch for Bars<'_> {
    fn say(&self, line: &str) {
        self.context.say(line);
    }

    fn detail(&self, line: &str) {
        self.context.detail(line);
    }

    fn begin(&self, slices: usize) {
        self.context.interrupt.work(true);
        let shown = Shown::new(self.context, slices);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }

    fn slice(&self, done: usize, slices: usize) {
        self.with(|shown| {
            shown.slices.set_position(done as u64);
            if !shown.terminal && slices > 1 {
                let seconds = shown.begin.elapsed().as_secs_f64();
                self.context.say(&format!("slice {done} of {slices} done after {seconds:.1} s"));
            }
        });
    }

    fn end(&self) {
        self.context.interrupt.work(false);
        self.with(|shown| {
            shown.steps.finish_and_clear();
            shown.slices.finish_and_clear();
        });
    }
}
