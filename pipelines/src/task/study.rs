//! An acquisition that is open: its slices can be measured, and results put into their place.

use super::Frame;
use crate::SliceSeed;
use crate::report::preview::Window;
use anyhow::Result;
use ndarray::Array2;
use recon_operators::{DataNoise, LinearOperator, Mask, Problem, Transform};

/// What is to be done about one slice.
pub enum Slice<T: Transform> {
    /// Reconstruct it from what was measured.
    Measured(Problem<T>),
    /// There is nothing to reconstruct: the image is known (a slice without metal), in the unit of the output.
    Known(Array2<f32>),
}

/// The image of an operator.
pub type ImageOf<S> = <<S as Study>::Transform as LinearOperator>::Image;

/// The slices of one scan as an acquisition sees them.
///
/// Slices are made when their turn comes, so that a long scan never holds all its measurements. What a method is given
/// of a slice is its [`Problem`] alone.
pub trait Study: Sync {
    /// The operator of the measurement.
    type Transform: Transform;

    /// What results look like.
    fn frame(&self) -> &Frame;

    /// Which random numbers belong to slice `k`.
    fn seed(&self, k: usize) -> SliceSeed;

    /// What was measured of slice `k`.
    ///
    /// # Errors
    /// When the input cannot be read.
    fn slice(&self, k: usize) -> Result<Slice<Self::Transform>>;

    /// The image of slice `k` as it is written.
    ///
    /// # Errors
    /// When what belongs to the image cannot be read.
    fn image(&self, k: usize, image: ImageOf<Self>) -> Result<Array2<f32>>;

    /// A difference of images, such as a standard deviation, as it is written.
    fn difference(&self, difference: ImageOf<Self>) -> Array2<f32>;

    /// What slice `k` should be, in the unit of the output, where that is known.
    ///
    /// # Errors
    /// When it cannot be read.
    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>>;

    /// Whether [`Study::truth`] is known.
    fn knows_truth(&self) -> bool;

    /// Which samples of k-space are measured: of all slices alike, or of each; nothing for CT.
    fn masks(&self) -> &[Mask] {
        &[]
    }

    /// Standard deviation of the white noise in what was measured of slice `k`, in the unit of the output, where pixels
    /// themselves are measured.
    fn noise_std(&self, _k: usize) -> Option<f64> {
        None
    }

    /// The grey values of pictures; none means by percentiles.
    fn window(&self) -> Option<Window> {
        None
    }
}

/// The random numbers of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseSeed {
    /// What the user asked for with `--seed`.
    pub seed: u64,
    /// The name of the case, from the digest of its input.
    pub case: u64,
}

impl CaseSeed {
    /// Those of the slice at this position.
    pub fn slice(self, position_um: i64) -> SliceSeed {
        SliceSeed { seed: self.seed, case: self.case, slice: position_um }
    }
}

/// The problem with the noise that was told, if any was.
pub(super) fn told<T: Transform>(mut problem: Problem<T>, noise_std: Option<f64>) -> Problem<T> {
    if let Some(std) = noise_std {
        problem.noise = DataNoise::white(std as f32);
    }
    problem
}
