//! Posteriors to be sampled, and the parts that samplers of them are made of.

use crate::score::exact::ExactPosterior;
use crate::score::statistics::noise;
use crate::score::transforms::{Dense, Numbers};
use anyhow::Result;
use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2};
use recon::score::{
    Bridged, Consistency, Counted, Descent, Form, Gaussian, GaussianMixture, GuidedDenoiser, LevelMethod,
    LikelihoodGradient, Projection, PseudoInverse, ReverseProcess, ScoreModel, Sde, SubVp, Unconditional,
    Update, Ve, Vp, bridge, levels_of_process,
};
use recon_operators::solvers::operator_norm;
use recon_operators::{
    DataNoise, Field, Filter, Identity, LinearOperator, Mask, ParallelBeam, PhasedFourier, Problem, Radon,
    Transform,
};

pub(crate) const SIDE: usize = 8;
/// Images drawn for a cell of the table. Nine in ten lie between the 4th and the 76th value of a pixel.
pub(crate) const SAMPLES: usize = 79;
pub(crate) const PRIOR_VARIANCE: f64 = 0.09;
/// Noise of measurements that methods take for exact: small enough not to be seen.
pub(crate) const NONE: f64 = 1e-2;
pub(crate) const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };

#[derive(Clone, Copy, Debug)]
pub(crate) enum Process {
    Ve,
    Vp,
    SubVp,
}

impl Process {
    pub(crate) fn sde(self) -> Box<dyn Sde> {
        match self {
            Self::Ve => Box::new(Ve { sigma_min: 0.01, sigma_max: 20.0 }),
            Self::Vp => Box::new(VP),
            Self::SubVp => Box::new(SubVp(VP)),
        }
    }
    pub(crate) fn t_end(self) -> f64 {
        if matches!(self, Self::Ve) { 1e-5 } else { 1e-3 }
    }
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ve => "VE",
            Self::Vp => "VP",
            Self::SubVp => "sub-VP",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Operator {
    Fourier,
    Radon,
    Inpainting,
}

impl Operator {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fourier => "Fourier",
            Self::Radon => "Radon",
            Self::Inpainting => "inpainting",
        }
    }

    /// Five of eight columns, four views, or every second pixel.
    pub(crate) fn transform(self) -> (Dense, Mask) {
        match self {
            Self::Fourier => {
                let columns: Vec<bool> = (0..SIDE).map(|j| j.abs_diff(SIDE / 2) < 2 || j % 7 == 0).collect();
                masked(&PhasedFourier::new(SIDE, SIDE, None), &Mask::columns(SIDE, &columns))
            }
            Self::Radon => {
                let geometry = ParallelBeam::equally_spaced(SIDE, SIDE, 1.0, 4);
                let all = Mask::full(geometry.angles.len() * geometry.detectors);
                masked(&Radon::new(geometry, Filter::Ramp).unwrap(), &all)
            }
            Self::Inpainting => {
                let kept = (0..SIDE * SIDE).map(|i| (i / SIDE + i).is_multiple_of(2)).collect();
                masked(&Identity { rows: SIDE, cols: SIDE }, &Mask::new(kept))
            }
        }
    }

    /// Standard deviation of the noise where there is some: a tenth of what is measured, or so.
    pub(crate) fn noise(self) -> f64 {
        if matches!(self, Self::Radon) { 0.2 } else { 0.1 }
    }
}

/// The operator as a matrix, with a mask of real numbers.
fn masked<T: Transform<Image = Array2<f32>>>(transform: &T, mask: &Mask) -> (Dense, Mask)
where
    T::Data: Numbers,
{
    let kept = mask.kept().iter().flat_map(|kept| std::iter::repeat_n(*kept, T::Data::PARTS));
    (Dense::of(transform), Mask::new(kept.collect()))
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Prior {
    Gaussian,
    Mixture,
}

fn gaussian(offset: f32, variance: f64) -> Gaussian {
    let mean = Array2::from_shape_fn((SIDE, SIDE), |(i, j)| {
        0.5 + 0.3 * (0.7 * i as f32 - 0.4 * j as f32).sin() + offset * (0.5 * i as f32 + 0.9 * j as f32).cos()
    });
    Gaussian::new(&mean, variance, &Device::Cpu).unwrap()
}

/// One posterior to be sampled.
pub(crate) struct Task {
    pub(crate) process: Process,
    pub(crate) problem: Problem<Dense>,
    pub(crate) prior: Counted<GaussianMixture>,
    pub(crate) truth: ExactPosterior,
}

impl Task {
    /// The measurement of an image half way between the components, with weights that leave open which it is: the
    /// first has 0.4 of the posterior.
    pub(crate) fn new(process: Process, operator: Operator, noise: f64, prior: Prior) -> Self {
        let components = match prior {
            Prior::Gaussian => vec![gaussian(0.0, PRIOR_VARIANCE)],
            Prior::Mixture => vec![gaussian(0.25, PRIOR_VARIANCE), gaussian(-0.25, 0.05)],
        };
        let (transform, mask) = operator.transform();
        let measured = mask.select(measured(&transform, noise));
        // Methods that know of no noise take the least for none.
        let told = if noise > NONE { DataNoise::white(noise as f32) } else { DataNoise::None };
        let problem = Problem { transform, mask, measured, noise: told };
        let weights = vec![1.0; components.len()];
        let mut prior = GaussianMixture { components, weights };
        let evidence = ExactPosterior::new(&prior, &problem, noise);
        let wanted = [0.4, 0.6];
        prior.weights = evidence.0.iter().zip(wanted).map(|(part, wanted)| wanted / part.weight).collect();
        let truth = ExactPosterior::new(&prior, &problem, noise);
        Self { process, problem, prior: Counted::new(prior), truth }
    }

    pub(crate) fn measurement(&self) -> Bridged<'_, Dense> {
        Bridged::new(&self.problem, 1.0)
    }

    pub(crate) fn projection(&self) -> Projection<Bridged<'_, Dense>> {
        Projection::new(Bridged::new(&self.problem, 1.0), 1.0, 1.0, Form::ConjugateGradient { iterations: 8 })
    }

    pub(crate) fn annealed_likelihood(&self) -> LikelihoodGradient<Bridged<'_, Dense>> {
        let coefficient = operator_norm(&self.problem, 30);
        LikelihoodGradient { measurement: self.measurement(), coefficient }
    }

    pub(crate) fn pseudo_inverse(
        &self,
    ) -> GuidedDenoiser<&Counted<GaussianMixture>, PseudoInverse<Bridged<'_, Dense>>> {
        let guidance =
            PseudoInverse { measurement: self.measurement(), prior_variance: PRIOR_VARIANCE, iterations: 15 };
        GuidedDenoiser { prior: &self.prior, guidance }
    }

    pub(crate) fn in_time(
        &self,
        model: &dyn ScoreModel,
        (predictor, corrector): (impl Update, impl Update),
        steps: usize,
        consistency: &mut dyn Consistency,
    ) -> Result<Tensor> {
        let (sde, t_end) = (self.process.sde(), self.process.t_end());
        let (predictor, corrector) = (Box::new(predictor), Box::new(corrector));
        let sampler = ReverseProcess { sde, predictor, corrector, steps, t_end };
        sampler.sample(model, consistency, &mut draws(), &mut |_| Ok(()))
    }

    pub(crate) fn over_levels(
        &self,
        model: &dyn ScoreModel,
        method: LevelMethod,
        steps: usize,
    ) -> Result<Tensor> {
        let mut levels = levels_of_process(&*self.process.sde(), steps, self.process.t_end());
        levels.push(0.0);
        Descent { levels, method }.sample(model, &mut Unconditional, &mut draws(), &mut |_| Ok(()))
    }
}

pub(crate) fn draws() -> recon::score::Noise {
    noise(SAMPLES as u64, (SIDE, SIDE))
}

/// Data of one image, drawn around the middle of the components.
fn measured(transform: &Dense, noise: f64) -> Array1<f32> {
    use rand::SeedableRng;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(17);
    let mut image = bridge::to_images(&gaussian(0.0, 0.0).mean).unwrap().swap_remove(0);
    image.add_scaled(PRIOR_VARIANCE.sqrt() as f32, &Field::randn(&[SIDE, SIDE], &mut rng));
    let mut data = transform.forward(&image);
    data.add_scaled(noise as f32, &Field::randn(&transform.data_shape(), &mut rng));
    data
}
