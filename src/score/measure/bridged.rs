//! A measurement whose operator works on arrays.

use super::bridge;
use super::measured::{CG_TOLERANCE, Form, Measured, Weighting};
use crate::score::process::Marginal;
use candle_core::{Result, Tensor};
use recon_operators::solvers::{conjugate_gradient, operator_norm};
use recon_operators::{DataNoise, Field, LinearOperator, Picture, Problem, Transform, Weights};

/// [`Measured`] by a [`Problem`]: the reference for operators on a device. Sums are in double precision.
pub struct Bridged<'a, T: Transform> {
    problem: &'a Problem<T>,
    measured: T::Data,
    unit: f64,
    norm: f64,
    /// In model units.
    noise_std: f64,
}

/// Iterations of the power method behind `‖A‖`; the weights that use it need a few per cent, not digits.
const NORM_ITERATIONS: usize = 12;

impl<'a, T: Transform<Image: Picture>> Bridged<'a, T> {
    /// Images in model units are physical values divided by `unit`.
    pub fn new(problem: &'a Problem<T>, unit: f32) -> Self {
        let mut measured = problem.measured.clone();
        measured.scale(1.0 / unit);
        let noise_std = problem.noise.root_mean_square(&problem.mask) / f64::from(unit);
        let norm = operator_norm(problem, NORM_ITERATIONS);
        Self { problem, measured, unit: f64::from(unit), norm, noise_std }
    }

    /// The problem, in physical units.
    pub fn problem(&self) -> &Problem<T> {
        self.problem
    }

    /// `Λ(y − A x)`, in model units.
    pub fn residual(&self, x: &T::Image) -> T::Data {
        self.difference(x, &self.measured)
    }

    /// `N d`: data times the variance of their noise, in model units.
    pub fn noisy(&self, data: &T::Data) -> T::Data {
        let mut data = data.clone();
        match &self.problem.noise {
            DataNoise::Independent(stds) => {
                let variance = |&std: &f32| (f64::from(std) / self.unit).powi(2) as f32;
                data.weigh(&stds.iter().map(variance).collect::<Vec<_>>());
            }
            DataNoise::None | DataNoise::White(_) => data.scale((self.noise_std * self.noise_std) as f32),
        }
        data
    }

    fn difference(&self, x: &T::Image, target: &T::Data) -> T::Data {
        let mut difference = self.problem.mask.select(target.clone());
        difference.add_scaled(-1.0, &self.problem.forward(x));
        difference
    }

    fn weights(&self, weighting: Weighting) -> Weights {
        let noise = &self.problem.noise;
        match weighting {
            Weighting::Even(weight) => Weights::Even(weight as f32),
            // Images, and so the data, are in model units; the noise is in that of the data.
            Weighting::ByNoise { level, limit } => noise.weights(level * self.unit, limit),
            Weighting::Likelihood { variance } => match noise {
                DataNoise::Independent(stds) => {
                    let weight =
                        |&std: &f32| (1.0 / (variance + (f64::from(std) / self.unit).powi(2))) as f32;
                    Weights::Each(stds.iter().map(weight).collect())
                }
                DataNoise::None | DataNoise::White(_) => {
                    Weights::Even((1.0 / (variance + self.noise_variance())) as f32)
                }
            },
        }
    }

    /// `λ s²/(s² + m² nᵢ²)`
    fn shares(&self, lambda: f64, at: Marginal) -> Shares {
        let share = |std: f64| {
            let (process, noise) = (at.std.powi(2), (at.mean * std).powi(2));
            lambda * if noise > 0.0 { process / (process + noise) } else { 1.0 }
        };
        let DataNoise::Independent(stds) = &self.problem.noise else {
            return Shares::Even(share(self.noise_std));
        };
        Shares::Each(stds.iter().map(|&std| share(f64::from(std) / self.unit)).collect())
    }

    /// `ŷₜ = m y + s T z`; entries outside Λ are left as they fall, since no form looks at them.
    fn noised(&self, z: &T::Image, at: Marginal) -> T::Data {
        let mut data = self.problem.transform.forward(z);
        data.scale(at.std as f32);
        data.add_scaled(at.mean as f32, &self.measured);
        data
    }

    fn exchanged(&self, x: &T::Image, target: &T::Data, shares: &Shares, form: Form) -> T::Image {
        let Problem { transform, mask, .. } = self.problem;
        match (form, shares) {
            (Form::Published, Shares::Even(lambda)) => {
                transform.inverse(&mask.blend(*lambda as f32, target, transform.forward(x)))
            }
            (Form::Published, Shares::Each(_)) => {
                let mut data = transform.forward(x);
                data.add_scaled(1.0, &shares.of(self.difference(x, target)));
                transform.inverse(&data)
            }
            (Form::Residual, Shares::Even(lambda)) => {
                let mut step = transform.inverse(&self.difference(x, target));
                step.scale(*lambda as f32);
                sum(x, &step)
            }
            (Form::Residual, Shares::Each(_)) => {
                sum(x, &transform.inverse(&shares.of(self.difference(x, target))))
            }
            (Form::ConjugateGradient { iterations }, _) => {
                let stay = ((1.0 - shares.largest()) * self.norm.powi(2)) as f32;
                sum(x, &self.stepped(x, target, (stay, &shares.weights()), iterations))
            }
        }
    }

    /// `(stay I + AᴴWA)⁻¹ AᴴW(target − A x)` for `weights = (stay, W)`.
    fn stepped(
        &self,
        x: &T::Image,
        target: &T::Data,
        (stay, weights): (f32, &Weights),
        iterations: usize,
    ) -> T::Image {
        let right = self.problem.weighted_adjoint(self.difference(x, target), weights);
        let apply = |d: &T::Image| {
            let mut product = self.problem.weighted_normal(d, weights);
            product.add_scaled(stay, d);
            product
        };
        let zero = T::Image::zeros(&self.problem.image_shape());
        conjugate_gradient(apply, &right, zero, iterations, CG_TOLERANCE)
    }

    fn each(&self, x: &Tensor, one: impl Fn(&T::Image) -> T::Image) -> Result<Tensor> {
        let images: Vec<T::Image> = bridge::to_pictures(x)?.iter().map(one).collect();
        bridge::to_tensor(&images, x.device())
    }

    /// Mean square of differences of data in model units, in units of the noise.
    fn size(&self, mut difference: T::Data) -> f64 {
        difference.scale(self.unit as f32);
        self.problem.noise.chi_squared(&difference, &self.problem.mask).unwrap_or(f64::INFINITY)
    }

    fn sizes(&self, x: &Tensor, data: impl Fn(&T::Image) -> T::Data) -> Result<Option<Vec<f64>>> {
        if self.problem.noise == DataNoise::None {
            return Ok(None);
        }
        let images: Vec<T::Image> = bridge::to_pictures(x)?;
        Ok(Some(images.iter().map(|image| self.size(data(image))).collect()))
    }
}

fn sum<F: Field>(x: &F, step: &F) -> F {
    let mut sum = x.clone();
    sum.add_scaled(1.0, step);
    sum
}

/// How much of the way to the data every entry goes.
enum Shares {
    Even(f64),
    Each(Vec<f64>),
}

impl Shares {
    /// That of the entry that is believed most.
    fn largest(&self) -> f64 {
        match self {
            Self::Even(share) => *share,
            Self::Each(shares) => shares.iter().copied().fold(0.0, f64::max),
        }
    }

    fn weights(&self) -> Weights {
        match self {
            Self::Even(share) => Weights::Even(*share as f32),
            Self::Each(shares) => Weights::Each(shares.iter().map(|&share| share as f32).collect()),
        }
    }

    /// Every entry times its share.
    fn of<F: Field>(&self, mut data: F) -> F {
        match self.weights() {
            Weights::Even(share) => data.scale(share),
            Weights::Each(shares) => data.weigh(&shares),
        }
        data
    }
}

impl<T: Transform<Image: Picture>> Measured for Bridged<'_, T> {
    fn image_dims(&self) -> [usize; 3] {
        let channels = T::Image::zeros(&self.problem.image_shape()).channels();
        let (rows, cols) = channels.first().map_or((0, 0), ndarray::Array2::dim);
        [channels.len(), rows, cols]
    }

    fn pull(&self, x: &Tensor, weighting: Weighting) -> Result<Tensor> {
        let weights = self.weights(weighting);
        self.each(x, |image| self.problem.weighted_adjoint(self.residual(image), &weights))
    }

    fn normal(&self, x: &Tensor, weighting: Weighting) -> Result<Tensor> {
        let weights = self.weights(weighting);
        self.each(x, |image| self.problem.weighted_normal(image, &weights))
    }

    fn exchange(
        &self,
        x: &Tensor,
        z: Option<&Tensor>,
        at: Marginal,
        lambda: f64,
        form: Form,
    ) -> Result<Tensor> {
        let shares = self.shares(lambda, at);
        let images: Vec<T::Image> = bridge::to_pictures(x)?;
        let noise: Option<Vec<T::Image>> = z.map(bridge::to_pictures).transpose()?;
        let exchanged = |(k, image): (usize, &T::Image)| match &noise {
            Some(noise) => self.exchanged(image, &self.noised(&noise[k], at), &shares, form),
            None => self.exchanged(image, &self.measured, &shares, form),
        };
        bridge::to_tensor(&images.iter().enumerate().map(exchanged).collect::<Vec<_>>(), x.device())
    }

    fn distance(&self, x: &Tensor) -> Result<Vec<f64>> {
        let images: Vec<T::Image> = bridge::to_pictures(x)?;
        Ok(images.iter().map(|image| self.residual(image).norm()).collect())
    }

    fn chi_squared(&self, x: &Tensor) -> Result<Option<Vec<f64>>> {
        self.sizes(x, |image| {
            let mut misfit = self.problem.forward(image);
            misfit.add_scaled(-1.0, &self.measured);
            misfit
        })
    }

    fn seen(&self, difference: &Tensor) -> Result<Option<Vec<f64>>> {
        self.sizes(difference, |image| self.problem.forward(image))
    }

    fn norm(&self) -> f64 {
        self.norm
    }

    fn noise_variance(&self) -> f64 {
        self.noise_std * self.noise_std
    }

    fn step(&self, x: &Tensor, stay: f64, weighting: Weighting, iterations: usize) -> Result<Tensor> {
        let weights = self.weights(weighting);
        self.each(x, |image| self.stepped(image, &self.measured, (stay as f32, &weights), iterations))
    }

    fn fit(&self, x: &Tensor, stay: f64, weighting: Weighting, iterations: usize) -> Result<Tensor> {
        let weights = self.weights(weighting);
        self.each(x, |image| {
            sum(image, &self.stepped(image, &self.measured, (stay as f32, &weights), iterations))
        })
    }

    fn has_even_noise(&self) -> bool {
        !matches!(self.problem.noise, DataNoise::Independent(_))
    }
}
