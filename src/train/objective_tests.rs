//! Objectives of published networks against closed forms, with Gaussian images in the place of a dataset and
//! their exact score in the place of a network.

use super::noise_levels::{FIRST_TIME, Matching, NoiseLevels, Weighting};
use super::published::{Reduction, ScoreBatch, score_matching};
use super::times::Times;
use crate::models::ArchFile;
use crate::score::{SubVp, Ve, Vp};
use candle_core::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Spread of the pixels, which are independent.
const SPREAD: f64 = 0.4;
const PIXELS: usize = 16;

fn arch(sde: &str) -> ArchFile {
    let text = format!(
        "architecture = \"ddpm\"\n[model]\nnf = 32\nch_mult = [1]\nnum_res_blocks = 1\nattn_resolutions = []\n\
         [data]\nimage_size = 8\nnum_channels = 1\ncentered = true\n[sde]\n{sde}\n"
    );
    ArchFile::parse(&text).unwrap()
}

fn normal(shape: (usize, usize, usize, usize), rng: &mut ChaCha8Rng) -> Tensor {
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    let values: Vec<f32> = (0..count).map(|_| rng.sample::<f32, _>(StandardNormal)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn batch(levels: &NoiseLevels, images: usize, seed: u64) -> ScoreBatch {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let levels = (0..images).map(|_| levels.draw(&mut rng)).collect();
    let shape = (images, 1, 4, PIXELS / 4);
    let clean = normal(shape, &mut rng).affine(SPREAD, 0.0).unwrap();
    ScoreBatch { clean, noise: normal(shape, &mut rng), levels }
}

/// The loss of the exact score `−x/(m² spread² + s²)`, which a network would give as output `score/factor`.
fn loss(batch: &ScoreBatch, reduction: Reduction) -> f64 {
    let exact = |x: &Tensor, _: &Tensor| {
        let column = batch.levels.iter().map(|level| {
            let c = level.conditioning;
            (-1.0 / (c.mean.powi(2) * SPREAD.powi(2) + c.std.powi(2)) / c.factor) as f32
        });
        let column: Vec<f32> = column.collect();
        x.broadcast_mul(&Tensor::from_vec(column, (batch.levels.len(), 1, 1, 1), &Device::Cpu)?)
    };
    f64::from(score_matching(&exact, reduction, batch).unwrap().to_scalar::<f32>().unwrap())
}

/// Left after the best denoising, a pixel: `E (s score + z)² = m² spread²/(m² spread² + s²)`.
fn remaining(mean: f64, std: f64) -> f64 {
    let signal = (mean * SPREAD).powi(2);
    signal / (signal + std * std)
}

/// The mean of `value` over uniform times.
fn over_time(value: impl Fn(f64) -> f64) -> f64 {
    // Midpoints in ln t.
    let (count, low) = (40_000, FIRST_TIME.ln());
    let width = -low / f64::from(count);
    let times = (0..count).map(|i| (low + (f64::from(i) + 0.5) * width).exp());
    times.map(|t| value(t) * t * width).sum::<f64>() / (1.0 - FIRST_TIME)
}

const VE: &str = "kind = \"ve\"\nsigma_min = 0.01\nsigma_max = 50.0";
const VP: &str = "kind = \"vp\"\nbeta_min = 0.1\nbeta_max = 20.0";
const SUB_VP: &str = "kind = \"subvp\"\nbeta_min = 0.1\nbeta_max = 20.0";

fn continuous() -> [(Matching, ArchFile, Times); 3] {
    let vp = Vp { beta_min: 0.1, beta_max: 20.0 };
    [
        (Matching::Ve, arch(VE), Times::ve(Ve { sigma_min: 0.01, sigma_max: 50.0 })),
        (Matching::Vp, arch(VP), Times::vp(vp)),
        (Matching::SubVp, arch(SUB_VP), Times::sub_vp(SubVp(vp))),
    ]
}

/// Mean and standard error over batches.
fn estimate(levels: &NoiseLevels, reduction: Reduction) -> (f64, f64) {
    let losses: Vec<f64> = (0..60).map(|seed| loss(&batch(levels, 500, seed), reduction)).collect();
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (losses.len() - 1) as f64;
    (mean, (variance / losses.len() as f64).sqrt())
}

fn assert_mean((mean, error): (f64, f64), expected: f64, name: &str) {
    println!("{name}: {mean:.5} ± {error:.5}, {expected:.5}");
    assert!((mean - expected).abs() < 4.5 * error, "{name}: {mean} ± {error} instead of {expected}");
}

#[test]
fn continuous_objectives_have_their_analytic_value_at_the_exact_score() {
    for (matching, arch, times) in continuous() {
        let expected = over_time(|t| {
            let at = times.marginal(t);
            remaining(at.mean, at.std)
        });
        let levels = NoiseLevels::new(&arch, matching, Weighting::Denoising).unwrap();
        assert_mean(estimate(&levels, Reduction::Mean), expected, &format!("{matching:?} mean"));
        let half = 0.5 * PIXELS as f64 * expected;
        assert_mean(estimate(&levels, Reduction::HalfSum), half, &format!("{matching:?} half the sum"));
    }
}

#[test]
fn both_weightings_by_likelihood_have_the_analytic_mean() {
    for (matching, arch, times) in continuous() {
        let expected = over_time(|t| {
            let at = times.marginal(t);
            times.density(t) * remaining(at.mean, at.std)
        });
        let found = [Weighting::Likelihood, Weighting::LikelihoodImportance].map(|weighting| {
            let levels = NoiseLevels::new(&arch, matching, weighting).unwrap();
            estimate(&levels, Reduction::Mean)
        });
        // Uniform times meet the many times near 0 that matter too rarely for a trustworthy standard error
        // under VP and sub-VP; the margin covers it.
        let [uniform, importance] = found;
        assert_mean((uniform.0, uniform.1), expected, &format!("{matching:?} uniform"));
        assert_mean(importance, expected, &format!("{matching:?} importance"));
        if matching != Matching::Ve {
            assert!(importance.1 < 0.5 * uniform.1, "{matching:?}: {} and {}", importance.1, uniform.1);
        }
    }
}

#[test]
fn listed_objectives_have_their_analytic_value_at_the_exact_score() {
    let count = 20;
    let smld = arch(&format!("{VE}\ncontinuous = false\nnum_scales = {count}"));
    let mean =
        |value: &dyn Fn(f64) -> f64| (0..count).map(|i| value(f64::from(i))).sum::<f64>() / f64::from(count);
    let expected = mean(&|i| remaining(1.0, 50.0 * 5000f64.powf(-i / 19.0)));
    let levels = NoiseLevels::new(&smld, Matching::Smld, Weighting::Denoising).unwrap();
    assert_mean(estimate(&levels, Reduction::Mean), expected, "smld");

    let ddpm = arch(&format!("{VP}\ncontinuous = false\nnum_scales = {count}"));
    // The product of 1 − βⱼ, written out again.
    let kept =
        |i: f64| -> f64 { (0..=i as u32).map(|j| 1.0 - (0.1 + 19.9 * f64::from(j) / 19.0) / 20.0).product() };
    let expected = mean(&|i| remaining(kept(i).sqrt(), (1.0 - kept(i)).sqrt()));
    let levels = NoiseLevels::new(&ddpm, Matching::Ddpm, Weighting::Denoising).unwrap();
    assert_mean(estimate(&levels, Reduction::Mean), expected, "ddpm");
}

#[test]
fn objectives_that_do_not_fit_the_description_say_what_they_need() {
    let discrete = arch(&format!("{VP}\ncontinuous = false"));
    for matching in [Matching::Ve, Matching::Vp, Matching::SubVp, Matching::Smld] {
        let problem = NoiseLevels::new(&discrete, matching, Weighting::Denoising).unwrap_err();
        assert!(problem.contains("needs"), "{problem}");
    }
    assert_eq!(NoiseLevels::objective(&discrete), Matching::Ddpm);
    assert!(NoiseLevels::new(&discrete, Matching::Ddpm, Weighting::Likelihood).is_err());
    assert_eq!(NoiseLevels::objective(&arch(SUB_VP)), Matching::SubVp);
}
