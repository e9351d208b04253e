//! What a case will take, by a short trial on one of its slices.

use super::budget::first;
use super::opened::{Opened, comparable, opened};
use super::result::SMALLEST;
use super::{CaseSpec, Methods};
use crate::judge::QualitySums;
use crate::report::page::{Depth, PackedImage};
use crate::report::resident_memory_bytes;
use crate::{Acquisition, Cancelled, CaseSeed, Progress, Remarks, Slice, Study};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What a case takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Time to open it, seconds.
    pub opening: f64,
    /// Time for a slice, seconds, baselines included.
    pub slice: f64,
    /// Score-network calls for a slice.
    pub network_calls: usize,
    /// How many slices it has.
    pub slices: usize,
    /// Memory of the program and the model before the slice, bytes; cases that run beside each other share it.
    pub shared_bytes: u64,
}

/// Steps that are timed; the first is slower than the others and does not count.
const STEPS: usize = 6;

/// What a case will take: its method is stopped after a few steps on the first slice, its baselines are run.
///
/// # Errors
/// As [`run`](super::run()).
pub fn estimate<M: Clone>(case: &CaseSpec<M>, methods: &impl Methods<M>) -> Result<Estimate> {
    let seed = CaseSeed { seed: case.seed, case: 0 };
    opened((case, seed), methods, Trial { case, methods, begin: Instant::now() })
}

struct Trial<'a, M, R> {
    case: &'a CaseSpec<M>,
    methods: &'a R,
    begin: Instant,
}

impl<M: Clone, R: Methods<M>> Opened for Trial<'_, M, R> {
    type Output = Estimate;

    fn on<S: Study>(self, study: S, _remarks: Remarks) -> Result<Estimate>
    where
        S::Transform: Acquisition,
    {
        let (task, unit) = (self.case.task.task(), study.frame().values.unit());
        let method = self.methods.build::<S::Transform>(&self.case.method, task, unit)?;
        let baselines = self.methods.baselines::<S::Transform>(&self.case.method, task);
        let slices = study.frame().shape[0];
        let (opening, shared_bytes) =
            (self.begin.elapsed().as_secs_f64(), resident_memory_bytes().unwrap_or(0));
        let known = Estimate { opening, slices, shared_bytes, ..Estimate::default() };
        let Some(k) = first(&study)? else { return Ok(known) };
        let begin = Instant::now();
        let Slice::Measured(problem) = study.slice(k)? else { return Ok(known) };
        let steps = Steps::begin(method.spread.samples());
        let found = method.run.reconstruct(&problem, study.seed(k), &steps);
        let (mut slice, network_calls) = match found {
            Ok(found) => (begin.elapsed().as_secs_f64(), found.network_calls),
            Err(error) if error.is::<Cancelled>() => steps.whole(begin),
            Err(error) => return Err(error),
        };
        let compared = comparable(&self.case.output, &study, &baselines);
        let begin = Instant::now();
        for baseline in &compared {
            baseline.run.reconstruct(&problem, study.seed(k), &crate::Silent)?;
        }
        judged(&study, k, 1 + compared.len())?;
        slice += begin.elapsed().as_secs_f64();
        let budget = self.case.budget.filter(|budget| *budget < slice);
        Ok(Estimate { slice: budget.unwrap_or(slice), network_calls, ..known })
    }
}

/// What comes after so many images of a slice are there: they are compared with the truth, and pictures are made.
fn judged<S: Study>(study: &S, k: usize, images: usize) -> Result<()> {
    let Some(truth) = study.truth(k)? else { return Ok(()) };
    let frame = study.frame();
    // Packed as finely as it gets; what is in it makes no difference to time and memory.
    std::hint::black_box(PackedImage::pack(&truth.view(), Depth::Fine));
    if truth.nrows().min(truth.ncols()) >= SMALLEST {
        let largest = truth.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sums: Vec<_> = (0..images).map(|_| QualitySums::new(largest, frame.values.unit())).collect();
        for sums in &mut sums {
            sums.add(&truth, &truth)?;
        }
    }
    Ok(())
}

/// Notes when steps are done, and stops after a few.
struct Steps {
    done: Mutex<Vec<(Instant, usize)>>,
    /// How many there would be, from the first that counts.
    all: AtomicUsize,
    calls: AtomicUsize,
    /// Equal parts that steps come in; the first of several is a start of another kind, which is not cut short.
    parts: usize,
}

impl Steps {
    fn begin(samples: usize) -> Self {
        let parts = if samples > 1 { samples + 1 } else { 1 };
        Self { done: Mutex::default(), all: AtomicUsize::new(0), calls: AtomicUsize::new(0), parts }
    }

    /// Time and network calls of all steps, by those that were done.
    fn whole(&self, begin: Instant) -> (f64, usize) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.all.load(Ordering::SeqCst) as f64;
        let ((Some(first), Some(last)), count) = ((done.first(), done.last()), done.len()) else {
            return (begin.elapsed().as_secs_f64(), 0);
        };
        let between = (count.max(2) - 1) as f64;
        let step = (last.0 - first.0).as_secs_f64() / between;
        let calls = (last.1.saturating_sub(first.1) as f64 / between * all).round();
        ((first.0 - begin).as_secs_f64() + step * (all - 1.0).max(0.0), calls as usize)
    }
}

impl Progress for Steps {
    fn step(&self, done: usize, steps: usize) {
        let start = if self.parts > 1 { steps / self.parts } else { 0 };
        if done <= start {
            return;
        }
        self.all.store(steps - start, Ordering::SeqCst);
        let calls = self.calls.load(Ordering::SeqCst);
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), calls));
    }

    fn calls(&self, calls: usize) {
        self.calls.store(calls, Ordering::SeqCst);
    }

    fn cancelled(&self) -> bool {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).len() >= STEPS
    }
}
