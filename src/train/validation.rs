//! How well the averaged weights denoise slices that training never sees.

use super::dataset::{Dataset, cut};
use super::ladder;
use crate::models::Prior;
use crate::score::ScoreModel;
use crate::score::bridge::{to_images, to_tensor};
use anyhow::{Context, Result};
use candle_core::Tensor;
use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use recon_pipelines::report::preview::{Window, grid, png};
use serde::Serialize;

/// Noise levels that are looked at, in model units.
pub const SIGMAS: [f64; 5] = [0.02, 0.05, 0.1, 0.3, 1.0];
/// Slices at most; they are spread over the volumes.
const SLICES: usize = 8;
/// Largest side of what is taken from the middle of a slice.
const SIDE: usize = 256;
/// Rows of the picture.
const ROWS: usize = 4;
/// Noise levels on the way to an unconditional sample.
const RUNGS: usize = 18;
/// The random numbers of validation come from the end of the streams that steps take theirs from.
const LAST_STREAM: u64 = u64::MAX;

/// Slices of held-out patients, with fixed noise.
pub struct Validation {
    clean: Vec<Array2<f32>>,
    seed: u64,
}

/// What is found at one noise level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Band {
    /// Standard deviation of the noise, in model units.
    pub sigma: f64,
    /// Mean squared error of the denoised slices, in model units squared.
    pub mse: f64,
    /// Mean over slices of `−10 log₁₀ mse`: the peak is one model unit.
    pub psnr: f64,
}

/// What a validation finds, a line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Steps taken.
    pub step: u64,
    /// Every noise level.
    pub validation: Vec<Band>,
    /// The mean of their PSNRs.
    pub mean_psnr: f64,
}

impl Validation {
    /// The middles of up to eight slices, spread evenly over the volumes, and over the slices of each.
    pub fn new(data: &Dataset, multiple: usize, seed: u64) -> Self {
        let volumes = data.volumes();
        let mut chosen = Vec::new();
        for i in 0..SLICES.min(data.slices()) {
            let volume = &volumes
                [if volumes.len() >= SLICES { i * volumes.len() / SLICES } else { i % volumes.len() }];
            // The turn of this volume, of so many.
            let turns = SLICES.div_ceil(volumes.len().min(SLICES));
            let turn = i / volumes.len().min(SLICES);
            let number = (2 * turn + 1) * volume.len() / (2 * turns);
            chosen.push(volume[number.min(volume.len() - 1)].view());
        }
        let side = |n: usize| n.min(SIDE).next_multiple_of(multiple);
        let clean = chosen
            .iter()
            .map(|slice| cut(slice, [side(slice.nrows()), side(slice.ncols())], &mut |most| most / 2));
        Self { clean: clean.collect(), seed }
    }

    /// How many slices.
    pub fn slices(&self) -> usize {
        self.clean.len()
    }

    /// Denoises every slice at every noise level, one at a time.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn measure(&self, prior: &Prior, step: u64) -> Result<Scores> {
        let mut bands = Vec::with_capacity(SIGMAS.len());
        for sigma in SIGMAS {
            let mut errors = Vec::with_capacity(self.clean.len());
            for number in 0..self.clean.len() {
                let (_, denoised) = self.denoised(prior, number, sigma)?;
                let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
                let sum: f64 = denoised.iter().zip(&self.clean[number]).map(square).sum();
                errors.push(sum / denoised.len() as f64);
            }
            let mean = |values: &dyn Fn(f64) -> f64| {
                errors.iter().map(|e| values(*e)).sum::<f64>() / errors.len() as f64
            };
            let psnr = mean(&|mse| -10.0 * mse.max(f64::MIN_POSITIVE).log10());
            bands.push(Band { sigma, mse: mean(&|mse| mse), psnr });
        }
        let mean_psnr = bands.iter().map(|band| band.psnr).sum::<f64>() / bands.len() as f64;
        Ok(Scores { step, validation: bands, mean_psnr })
    }

    /// A picture (PNG): in every row a slice with noise, the same denoised, the slice itself, and an image that
    /// the network makes of noise alone. The noise of the rows is 0.1, 0.3, 1 and 0.1 model units.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn picture(&self, prior: &Prior) -> Result<Vec<u8>> {
        let mut rows = Vec::new();
        for (number, clean) in self.clean.iter().enumerate().take(ROWS) {
            let (noisy, denoised) = self.denoised(prior, number, [0.1, 0.3, 1.0][number % 3])?;
            let sample = self.sample(prior, number)?;
            rows.push([noisy, denoised, clean.clone(), sample]);
        }
        let views: Vec<Vec<ArrayView2<'_, f32>>> =
            rows.iter().map(|row| row.iter().map(|image| image.view()).collect()).collect();
        let bright = self.clean.iter().flatten().fold(0.0f32, |m, v| m.max(*v));
        png(&grid(&views, Window { low: 0.0, high: bright.min(1.0) }))
    }

    /// Slice `number` with noise, and what the network makes of it.
    fn denoised(&self, prior: &Prior, number: usize, sigma: f64) -> Result<(Array2<f32>, Array2<f32>)> {
        let clean = &self.clean[number];
        let noise = self.noise(LAST_STREAM - 2 * number as u64, clean.dim());
        let noisy = clean + &noise.mapv_into(|z| sigma as f32 * z);
        let denoised =
            single(&prior.denoise(&to_tensor(std::slice::from_ref(&noisy), prior.device())?, sigma)?)?;
        Ok((noisy, denoised))
    }

    /// An image from noise alone, of the size of slice `number`.
    fn sample(&self, prior: &Prior, number: usize) -> Result<Array2<f32>> {
        let (smallest, largest) = prior.manifest().noise_range();
        let levels = ladder::levels(largest, smallest, RUNGS);
        let noise = self.noise(LAST_STREAM - 2 * number as u64 - 1, self.clean[number].dim());
        let start = to_tensor(&[noise.mapv_into(|z| largest as f32 * z)], prior.device())?;
        single(&ladder::descend(prior, &start, &levels)?)
    }

    fn noise(&self, stream: u64, shape: (usize, usize)) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        Array2::from_shape_simple_fn(shape, || rng.sample(rand_distr::StandardNormal))
    }
}

/// The only image of a batch.
fn single(batch: &Tensor) -> Result<Array2<f32>> {
    to_images(batch)?.pop().context("the network returned no image")
}
