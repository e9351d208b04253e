//! The seam between the measurement and the methods, classical and learned.

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon_operators::{Problem, Transform};
use serde::{Deserialize, Serialize};

/// Which random numbers belong to a slice: one ChaCha8 stream per (seed, case, slice, sample).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceSeed {
    /// What the user asked for with `--seed`.
    pub seed: u64,
    /// Which case: its name from the digest of the input.
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

/// What is known of every voxel of a result beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Map {
    /// Standard deviation of the posterior, or of samples of it.
    Std,
    /// The 5 % quantile of posterior samples.
    Low,
    /// The 95 % quantile of posterior samples.
    High,
    /// The part of the image that the measurement does not see.
    NullSpace,
}

/// What a method found for one slice.
#[derive(Clone, Debug)]
pub struct Estimate<I> {
    /// The image.
    pub image: I,
    /// What is known of its voxels, each map once: spread and quantiles when more than one sample was drawn.
    pub maps: Vec<(Map, I)>,
    /// Number of score-network calls that the slice took.
    pub network_calls: usize,
    /// Whether the model behind the method knows such images, where that was tried.
    pub typicality: Option<Typicality>,
    /// What the user should know of how it came about: why another method was taken than the one asked for.
    pub remark: Option<String>,
}

/// How the model behind a method takes its finished image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Typicality {
    /// Root mean square error of the model's denoiser on the image with fresh noise, in units of that noise: far from what
    /// it is for images of the kind that a model was trained on, the model does not know such images.
    pub denoising_error: f64,
    /// Share of pixels whose values the model was not trained on.
    pub outside: f64,
}

impl<I> Estimate<I> {
    /// The result of a method that calls no network and draws no samples.
    pub fn classical(image: I) -> Self {
        Self::plain(image, 0)
    }

    /// An image alone, after so many network calls.
    pub fn plain(image: I, network_calls: usize) -> Self {
        Self { image, maps: Vec::new(), network_calls, typicality: None, remark: None }
    }

    /// The map of this kind.
    pub fn map(&self, kind: Map) -> Option<&I> {
        self.maps.iter().find(|(found, _)| *found == kind).map(|(_, map)| map)
    }
}

/// Hears how far a method has come, and may ask it to stop.
pub trait Progress: Sync {
    /// One more of `steps` iterations of the current slice is done.
    fn step(&self, done: usize, steps: usize);
    /// So many network calls were made for the current sample.
    fn calls(&self, _calls: usize) {}
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

/// Passes on the wish to stop but not the steps: for what runs beside a method, such as another one that makes its start.
pub struct Quiet<'a>(
    /// Who may ask to stop.
    pub &'a dyn Progress,
);

impl Progress for Quiet<'_> {
    fn step(&self, _done: usize, _steps: usize) {}
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
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
