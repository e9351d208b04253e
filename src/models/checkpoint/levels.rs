//! The list of noise levels that PyTorch checkpoints carry and Flax ones do not.

use crate::models::{ArchFile, SdeConfig};

/// How the list is called.
pub(super) const NAME: &str = "sigmas";

/// `σᵢ`, geometric from the largest to the smallest, as upstream fills the list; none where the description does not
/// say. Networks that go by time carry the list and never look at it: theirs is upstream's default.
pub(crate) fn levels(arch: &ArchFile) -> Option<Vec<f32>> {
    let (largest, smallest, count) = match arch.sde? {
        SdeConfig::Ve { sigma_min, sigma_max, num_scales, .. } => (sigma_max, sigma_min, num_scales),
        SdeConfig::Vp(beta) | SdeConfig::SubVp(beta) => (50.0, 0.01, beta.num_scales),
    };
    let step = (smallest.ln() - largest.ln()) / (count.max(2) - 1) as f64;
    Some((0..count).map(|i| (largest.ln() + i as f64 * step).exp() as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_fall_from_the_largest_to_the_smallest() {
        let arch = ArchFile::parse(
            "architecture = \"ddpm\"\n[model]\nnf = 32\nch_mult = [1]\nnum_res_blocks = 1\nattn_resolutions = []\n\
             resamp_with_conv = true\nscale_by_sigma = false\n[data]\nimage_size = 8\nnum_channels = 1\n[sde]\n\
             kind = \"ve\"\nsigma_min = 0.01\nsigma_max = 100\nnum_scales = 5\n",
        )
        .unwrap();
        let levels = levels(&arch).unwrap();
        for (found, expected) in levels.iter().zip([100.0, 10.0, 1.0, 0.1, 0.01]) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{levels:?}");
        }
    }
}
