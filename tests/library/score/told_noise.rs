//! The noise of the data, told as it is, must serve the default method best: neither believed less nor more.

use candle_core::Device;
use ndarray::{Array2, s};
use num_complex::Complex32;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use recon::knobs::{SamplerSettings, Table};
use recon::methods::Sampled;
use recon::models::{Modality, ModelSource, open};
use recon::score::{Autograd, Decomposed, UnitRule};
use recon_data::hounsfield_to_attenuation;
use recon_operators::solvers::TvSettings;
use recon_operators::{
    DataNoise, Filter, LinearOperator, Mask, ParallelBeam, PhasedFourier, Problem, Radon, Transform,
};
use recon_pipelines::{Reconstruct, Silent, SliceSeed, Task, Tv};
use std::path::Path;

/// Side of the images, which are every second pixel of a sample.
const SIDE: usize = 64;
/// What the noise is told to be, in units of what it is.
const TOLD: [f32; 5] = [0.35, 0.6, 1.0, 1.6, 2.5];
/// dB that the truth may be behind.
const BEHIND: f64 = 0.3;

fn sample(name: &str, slice: usize) -> Array2<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples").join(name);
    let voxels = recon_data::read(&path).unwrap().volume.voxels;
    let image = voxels.index_axis(ndarray::Axis(0), slice);
    let (top, left) = (image.nrows() / 2 - SIDE, image.ncols() / 2 - SIDE);
    image.slice(s![top..top + 2 * SIDE; 2, left..left + 2 * SIDE; 2]).to_owned()
}

/// PSNR in dB of the default method for each of [`TOLD`].
fn told<T: Transform<Image = Array2<f32>> + Clone>(
    problem: &Problem<T>,
    truth: &Array2<f32>,
    std: f32,
    (task, modality, unit): (Task, Modality, UnitRule),
) -> Vec<f64> {
    let prior = open(&ModelSource::Builtin(modality), &Device::Cpu).unwrap();
    let sampler = Decomposed { passes: 1, ..Decomposed::defaults(task, &Table::default()) };
    let tv = Tv { settings: TvSettings { weight: 0.0005, iterations: 60, nonnegative: task == Task::Ct } };
    let method = Sampled::new(Autograd(prior), sampler, unit, Device::Cpu).from(tv);
    let range = f64::from(truth.iter().copied().fold(0.0, f32::max));
    let psnr = |factor: f32| {
        let problem = Problem { noise: DataNoise::white(factor * std), ..problem.clone() };
        let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
        let found = method.reconstruct(&problem, seed, &Silent).unwrap().image;
        let error = (&found - truth).mapv(|d| f64::from(d).powi(2)).mean().unwrap();
        10.0 * (range * range / error).log10()
    };
    TOLD.map(psnr).to_vec()
}

fn holds(name: &str, found: &[f64]) {
    let best = found.iter().copied().fold(0.0, f64::max);
    println!("{name}: told {TOLD:?} gives {found:.2?}");
    assert!(found[2] > best - BEHIND, "{name}: {found:?}");
}

#[test]
fn the_true_noise_of_k_space_is_the_best_to_tell() {
    let truth = sample("mr_brain.nii.gz", 2);
    let columns: Vec<bool> = (0..SIDE).map(|j| j % 4 == 0 || j.abs_diff(SIDE / 2) < 4).collect();
    let mask = Mask::columns(SIDE, &columns);
    let transform = PhasedFourier::new(SIDE, SIDE, None);
    let largest = truth.iter().copied().fold(0.0, f32::max);
    for percent in [0.5, 2.0, 5.0] {
        let std = largest * percent / 100.0;
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut draw = || -> f32 { std * Distribution::<f32>::sample(&StandardNormal, &mut random) };
        let noisy = transform.forward(&truth).mapv(|value| value + Complex32::new(draw(), draw()));
        let problem = Problem::new(transform.clone(), mask.clone(), mask.select(noisy)).unwrap();
        let unit = UnitRule::Percentile { percentile: 99.5, factor: 1.0 };
        holds(&format!("MRI {percent} %"), &told(&problem, &truth, std, (Task::Mri, Modality::Mr, unit)));
    }
}

#[test]
fn the_true_noise_of_a_sinogram_is_the_best_to_tell() {
    let truth = sample("ct_lung.dcm", 0).mapv(hounsfield_to_attenuation);
    let radon = Radon::new(ParallelBeam::equally_spaced(SIDE, SIDE, 3.0, 60), Filter::Ramp).unwrap();
    let clean = radon.forward(&truth);
    let largest = clean.iter().copied().fold(0.0, f32::max);
    for percent in [0.5, 2.0, 5.0] {
        let std = largest * percent / 100.0;
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let noisy =
            clean.mapv(|value| value + std * Distribution::<f32>::sample(&StandardNormal, &mut random));
        let problem = Problem::new(radon.clone(), Mask::full(noisy.len()), noisy).unwrap();
        let unit = UnitRule::Fixed(0.0384);
        holds(&format!("CT {percent} %"), &told(&problem, &truth, std, (Task::Ct, Modality::Ct, unit)));
    }
}
