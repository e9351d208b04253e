//! The parameters that a training starts from.

use crate::models::{ArchFile, NetworkConfig, Parameter, UnetConfig, upstream_levels};
use candle_core::{Device, Result, Tensor};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;

/// Random parameters: uniform in `±1/√fan_in`, norms at the identity, and zero where a block or the network
/// ends, so that each block starts as its skip.
///
/// # Errors
/// When memory runs out.
pub fn initial_parameters(config: &UnetConfig, seed: u64) -> Result<BTreeMap<String, Tensor>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bound = 1.0;
    let draw = |(name, shape): (String, Vec<usize>)| {
        let count: usize = shape.iter().product();
        let weight = name.ends_with(".weight");
        if weight {
            bound = 1.0 / (shape[1..].iter().product::<usize>() as f32).sqrt();
        }
        let values = if name.contains("norm") {
            vec![if weight { 1.0 } else { 0.0 }; count]
        } else if name.contains("conv2.") || name.starts_with("out.") {
            vec![0.0; count]
        } else {
            uniform(count, bound, &mut rng)
        };
        Ok((name, Tensor::from_vec(values, shape, &Device::Cpu)?))
    };
    config.parameters().into_iter().map(draw).collect()
}

/// Random parameters of a published network, distributed as in the public code: for NCSN++ and DDPM uniform with
/// variance `scale/mean(fan_in, fan_out)` (scale 1, in matrices of attention and shortcuts 0.1, and almost 0 where
/// a block or the network ends), biases 0; for the NCSN family uniform in `±1/√fan_in`, and factors of
/// normalisations from N(1, 0.02²).
///
/// # Errors
/// When memory runs out.
pub fn initial_published(arch: &ArchFile, seed: u64) -> Result<BTreeMap<String, Tensor>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut bound, mut tensors) = (1.0, BTreeMap::new());
    for parameter in arch.parameters() {
        let values = if parameter.trainable {
            match &arch.network {
                NetworkConfig::Ncsnpp(config) => modern(&parameter, arch, config.init_scale, &mut rng),
                NetworkConfig::Ddpm(_) => modern(&parameter, arch, 0.0, &mut rng),
                _ => ncsn(&parameter, &mut bound, &mut rng),
            }
        } else {
            fixed(&parameter, arch, &mut rng)
        };
        let tensor = Tensor::from_vec(values, parameter.shape, &Device::Cpu)?;
        tensors.insert(parameter.name, tensor);
    }
    Ok(tensors)
}

/// Stands for a scale of 0 in the public code, where a variance must not be 0.
const LEAST_SCALE: f64 = 1e-10;

/// NCSN++, DDPM++ and DDPM.
fn modern(parameter: &Parameter, arch: &ArchFile, last: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let Parameter { name, shape, .. } = parameter;
    let count: usize = shape.iter().product();
    let named = |part: &str| name.contains(part);
    let scale = match shape.as_slice() {
        [_] => return vec![if name.ends_with("weight") { 1.0 } else { 0.0 }; count],
        _ if named("Conv_1.") || named("NIN_3.") => last,
        [outputs, _, 3, 3] if *outputs == arch.data.num_channels => last,
        _ if named("NIN_") => 0.1,
        _ => 1.0,
    };
    let area: usize = shape.iter().skip(2).product();
    let fans = (shape[0] + shape[1]) * area;
    let variance = scale.max(LEAST_SCALE) / (0.5 * fans as f64);
    uniform(count, (3.0 * variance).sqrt() as f32, rng)
}

/// The NCSN family; `bound` is that of the weight before a bias.
fn ncsn(parameter: &Parameter, bound: &mut f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let Parameter { name, shape, .. } = parameter;
    let count: usize = shape.iter().product();
    let mut factors = |count: usize| -> Vec<f32> {
        let normal = |_| -> f32 { StandardNormal.sample(&mut *rng) };
        (0..count).map(normal).map(|z| 1.0 + 0.02 * z).collect()
    };
    match (name.rsplit('.').next(), shape.as_slice()) {
        (Some("alpha" | "gamma"), _) => factors(count),
        (Some("beta"), _) => vec![0.0; count],
        (_, [levels, width]) => {
            // Rows hold factors of the normalised values and of the means, then what is added.
            let row = |_| [factors(width / 3 * 2), vec![0.0; width - width / 3 * 2]].concat();
            (0..*levels).flat_map(row).collect()
        }
        (Some("weight"), [_, fan_in @ ..]) => {
            *bound = 1.0 / (fan_in.iter().product::<usize>() as f32).sqrt();
            uniform(count, *bound, rng)
        }
        _ => uniform(count, *bound, rng),
    }
}

/// What training leaves alone: the list of noise levels, and random frequencies.
fn fixed(parameter: &Parameter, arch: &ArchFile, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let count: usize = parameter.shape.iter().product();
    if let NetworkConfig::Ncsnpp(config) = &arch.network
        && parameter.name.ends_with(".W")
    {
        let normal = |_| -> f32 { StandardNormal.sample(&mut *rng) };
        return (0..count).map(normal).map(|z| config.fourier_scale as f32 * z).collect();
    }
    let listed = match &arch.network {
        NetworkConfig::Ncsnpp(_) | NetworkConfig::Ddpm(_) => upstream_levels(arch),
        _ => arch.noise_list().map(|levels| levels.into_iter().map(|l| l as f32).collect()),
    };
    let mut levels: Vec<f32> = listed.unwrap_or_default();
    levels.resize(count, 1.0);
    levels
}

fn uniform(count: usize, bound: f32, rng: &mut impl Rng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-bound..bound)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(tensor: &Tensor) -> f64 {
        let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn ddpm_starts_with_the_published_variances() {
        let arch = ArchFile::parse(
            "architecture = \"ddpm\"\n[model]\nnf = 32\nch_mult = [1]\nnum_res_blocks = 1\n\
             attn_resolutions = [8]\n[data]\nimage_size = 8\nnum_channels = 1\n[sde]\nkind = \"vp\"\n\
             continuous = false\nbeta_min = 0.1\nbeta_max = 20.0\n",
        )
        .unwrap();
        let tensors = initial_published(&arch, 1).unwrap();
        let mut ends = 0;
        for (name, tensor) in tensors.iter().filter(|(_, t)| t.rank() > 1) {
            let fans =
                tensor.dims()[..2].iter().sum::<usize>() * tensor.dims()[2..].iter().product::<usize>();
            let scale = spread(tensor).powi(2) * fans as f64 / 2.0;
            let end = scale < 1e-6;
            ends += usize::from(end);
            let expected = if name.contains("NIN_") { 0.1 } else { 1.0 };
            // The least tensor has 288 numbers: its variance scatters by 5 %.
            assert!(end || (scale / expected - 1.0).abs() < 0.25, "{name}: {scale}");
        }
        // Four blocks, three attentions, the output.
        assert_eq!(ends, 5 + 3 + 1, "{ends}");
        assert_eq!(tensors["sigmas"].dims(), [1000]);
    }

    #[test]
    fn ncsnv2_lists_its_levels() {
        let arch = ArchFile::parse(
            "architecture = \"ncsnv2\"\n[model]\nngf = 8\nnum_classes = 3\nsigma_begin = 4.0\nsigma_end = 0.04\n\
             [data]\nimage_size = 8\nnum_channels = 1\n",
        )
        .unwrap();
        let tensors = initial_published(&arch, 1).unwrap();
        let levels: Vec<f32> = tensors["sigmas"].to_vec1().unwrap();
        for (found, expected) in levels.iter().zip([4.0, 0.4, 0.04]) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{levels:?}");
        }
        let gamma = &tensors["normalizer.gamma"];
        assert!((spread(gamma) - 1.0).abs() < 0.05);
    }
}
