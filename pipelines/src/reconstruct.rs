//! The seam between the measurement and the methods, classical and learned.

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon_operators::{Problem, Transform};

/// Which random numbers belong to a slice: one ChaCha8 stream per (seed, case, slice, sample).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceSeed {
    /// What the user asked for with `--seed`.
    pub seed: u64,
    /// Which case of a batch; 0 for a single one.
    pub case: u64,
    /// Which slice: its position along the slice direction in micrometres, so that a slice draws the same
    /// noise alone and inside its volume.
    pub slice: i64,
}

impl SliceSeed {
    /// The random numbers of this slice's measurement, where noise is simulated: no method draws from them.
    ///
    /// The 256-bit seed of the generator holds the bytes of `"measured"`, seed, case and slice.
    pub fn measurement(self) -> ChaCha8Rng {
        self.stream(*b"measured")
    }

    /// The random numbers of the metal that is put into this slice, as those of the [measurement](Self::measurement)
    /// but with `"implants"` before seed, case and slice.
    pub fn implants(self) -> ChaCha8Rng {
        self.stream(*b"implants")
    }

    fn stream(self, name: [u8; 8]) -> ChaCha8Rng {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&name);
        bytes[8..16].copy_from_slice(&self.seed.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.case.to_le_bytes());
        bytes[24..].copy_from_slice(&self.slice.to_le_bytes());
        ChaCha8Rng::from_seed(bytes)
    }
}

/// What a method found for one slice.
#[derive(Clone, Debug)]
pub struct Estimate<I> {
    /// The image.
    pub image: I,
    /// Voxelwise standard deviation over posterior samples, when more than one was drawn.
    pub std: Option<I>,
    /// Number of score-network calls that the slice took.
    pub network_calls: usize,
}

impl<I> Estimate<I> {
    /// The result of a method that calls no network and draws no samples.
    pub fn classical(image: I) -> Self {
        Self { image, std: None, network_calls: 0 }
    }
}

/// Hears how far a method has come, and may ask it to stop.
pub trait Progress: Sync {
    /// One more of `steps` iterations of the current slice is done.
    fn step(&self, done: usize, steps: usize);
    /// Whether the method should give up: the user pressed Ctrl-C.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _done: usize, _steps: usize) {}
}

/// Turns a measurement into an image. FBP, zero-filling and score-based sampling all do.
///
/// A method sees the problem alone, never the truth, and its result depends on the problem and the seed
/// only: not on other slices, threads or time.
pub trait Reconstruct<T: Transform>: Sync {
    /// The image behind `problem`.
    ///
    /// # Errors
    /// When the method cannot run (device, memory, model of another kind) or was cancelled.
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<T::Image>>;
}

/// `T⁻¹ y`: filtered back-projection, zero-filling.
pub struct Direct;

impl<T: Transform> Reconstruct<T> for Direct {
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        _seed: SliceSeed,
        _progress: &dyn Progress,
    ) -> Result<Estimate<T::Image>> {
        Ok(Estimate::classical(problem.transform.inverse(&problem.measured)))
    }
}
