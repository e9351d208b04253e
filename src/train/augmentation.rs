//! How training slices are varied, so that a prior serves scanners that it has not seen.

use super::resample::{halve, resize, rotate};
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2};
use rand::{Rng, RngExt};
use recon_data::Modality;
use serde::Serialize;

/// Chances and ranges of the variations, each drawn anew for every image of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Augmentation {
    /// Chance of the means of 2x2 pixels, for slices with at least [`Augmentation::HALVED_SIDE`] rows and columns.
    pub halve: f64,
    /// Chance of another resolution.
    pub resize: f64,
    /// Least and largest factor on rows and columns.
    pub factors: [f64; 2],
    /// Chance of a small rotation.
    pub rotate: f64,
    /// Largest angle either way, in degrees.
    pub degrees: f64,
    /// Chance of a left-right flip.
    pub flip: f64,
    /// Chance of an up-down flip.
    pub flop: f64,
    /// Chance of a transpose.
    pub transpose: f64,
    /// Spread of the logarithm of a factor on all values.
    pub gain: f64,
}

impl Augmentation {
    /// Slices smaller than this are never halved.
    pub const HALVED_SIDE: usize = 512;

    /// Images as they are.
    pub const NONE: Self = Self {
        halve: 0.0,
        resize: 0.0,
        factors: [0.7, 1.3],
        rotate: 0.0,
        degrees: 10.0,
        flip: 0.0,
        flop: 0.0,
        transpose: 0.0,
        gain: 0.0,
    };

    /// What suits the modality. CT numbers are absolute and the table lies below the patient; the intensity and
    /// the orientation of MR slices are the scanner's choice.
    pub fn of(modality: Modality) -> Self {
        let common = Self { resize: 0.15, rotate: 0.2, flip: 0.5, ..Self::NONE };
        match modality {
            Modality::Ct => Self { halve: 0.3, flop: 0.2, transpose: 0.1, ..common },
            Modality::Mr => Self { flop: 0.5, transpose: 0.5, gain: 0.2, ..common },
        }
    }

    /// What suits whole slices that were shrunk: where things lie is what is learned, so they stay upright.
    pub fn of_layouts(modality: Modality) -> Self {
        let upright = Self { halve: 0.0, flop: 0.0, transpose: 0.0, ..Self::of(modality) };
        Self { resize: 0.8, factors: [0.85, 1.15], rotate: 0.5, gain: 0.5 * upright.gain, ..upright }
    }

    /// A slice at another resolution and angle, or as it is.
    pub(super) fn warp<'a>(&self, slice: &ArrayView2<'a, f32>, rng: &mut impl Rng) -> CowArray<'a, f32, Ix2> {
        let mut slice = CowArray::from(*slice);
        let halved = rng.random_bool(self.halve);
        if halved && slice.nrows().min(slice.ncols()) >= Self::HALVED_SIDE {
            slice = halve(&slice.view()).into();
        }
        if rng.random_bool(self.resize) {
            let [least, largest] = self.factors;
            slice = resize(&slice.view(), rng.random_range(least..=largest)).into();
        }
        if rng.random_bool(self.rotate) {
            slice = rotate(&slice.view(), rng.random_range(-self.degrees..=self.degrees)).into();
        }
        slice
    }

    /// A crop flipped, transposed and scaled.
    pub(super) fn turn(&self, crop: &Array2<f32>, square: bool, rng: &mut impl Rng) -> Array2<f32> {
        let mut turned = crop.view();
        let [flip, flop, transpose] = [self.flip, self.flop, self.transpose].map(|p| rng.random_bool(p));
        if flip {
            turned.invert_axis(Axis(1));
        }
        if flop {
            turned.invert_axis(Axis(0));
        }
        // Whole slices of one batch share a shape, which a transpose would change.
        if transpose && square {
            turned.swap_axes(0, 1);
        }
        let z: f32 = rng.sample(rand_distr::StandardNormal);
        let gain = (self.gain as f32 * z).exp();
        turned.mapv(|v| gain * v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn chances_are_kept() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut share = |augmentation: &Augmentation, side: usize| {
            let slice = Array2::from_shape_fn((side, side), |(i, j)| (i * j % 7) as f32);
            let changed = (0..400).filter(|_| augmentation.warp(&slice.view(), &mut rng) != slice);
            changed.count() as i32
        };
        let large = Augmentation::HALVED_SIDE;
        let halving = Augmentation { halve: 0.3, ..Augmentation::NONE };
        // Of 400, with a standard deviation of 9.
        assert!((share(&halving, large) - 120).abs() < 30);
        assert_eq!(share(&halving, large - 1), 0);
        let both = Augmentation { resize: 0.15, rotate: 0.2, ..Augmentation::NONE };
        assert!((share(&both, 12) - 128).abs() < 30);
    }

    #[test]
    fn without_variations_a_slice_stays_as_it_is() {
        let slice = Array2::from_shape_fn((5, 5), |(i, j)| (i * 5 + j) as f32);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..20 {
            let warped = Augmentation::NONE.warp(&slice.view(), &mut rng).into_owned();
            assert_eq!(Augmentation::NONE.turn(&warped, true, &mut rng), slice);
        }
    }

    #[test]
    fn gains_have_the_right_spread() {
        let augmentation = Augmentation { gain: 0.2, ..Augmentation::NONE };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let one = Array2::ones((1, 1));
        let logs: Vec<f64> =
            (0..2000).map(|_| f64::from(augmentation.turn(&one, true, &mut rng)[[0, 0]]).ln()).collect();
        let spread = (logs.iter().map(|l| l * l).sum::<f64>() / 2000.0).sqrt();
        assert!((spread - 0.2).abs() < 0.015, "{spread}");
    }
}
