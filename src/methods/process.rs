//! The noising process of a model, and how wide its values lie: shared by `recon sample` and `recon likelihood`.

use crate::models::{Architecture, Manifest, SdeConfig};
use crate::score::{Sde, SubVp, Ve, Vp};

/// The forward process that a network was trained on; the program's own networks know added noise only.
pub fn process_of(manifest: &Manifest) -> Box<dyn Sde> {
    let sde = match &manifest.architecture {
        Architecture::FilmUnet(_) => None,
        Architecture::Published(arch) => arch.sde,
    };
    let vp = |beta: crate::models::BetaConfig| Vp { beta_min: beta.beta_min, beta_max: beta.beta_max };
    match sde {
        Some(SdeConfig::Vp(beta)) => Box::new(vp(beta)),
        Some(SdeConfig::SubVp(beta)) => Box::new(SubVp(vp(beta))),
        Some(SdeConfig::Ve { .. }) | None => {
            let (sigma_min, sigma_max) = manifest.noise_range();
            Box::new(Ve { sigma_min, sigma_max })
        }
    }
}

/// Where time ends for samples, as published: `10⁻⁵` for VE, `10⁻³` for VP and sub-VP.
pub fn sampling_end(sde: &dyn Sde) -> f64 {
    if sde.drift(1.0) == 0.0 { 1e-5 } else { 1e-3 }
}

/// The width of the range that a model's values fill: 2 for published networks of centred images (−1 to 1),
/// 1 otherwise (0 to 1).
pub fn value_range(manifest: &Manifest) -> f64 {
    match &manifest.architecture {
        Architecture::Published(arch) if arch.data.is_centered() => 2.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ArchFile;

    #[test]
    fn a_network_gets_the_process_it_was_trained_on() {
        let text = |kind: &str| {
            format!(
                "architecture = \"ddpm\"\n[model]\nnf = 32\nch_mult = [1]\nnum_res_blocks = 1\n\
                 attn_resolutions = []\n[data]\nimage_size = 8\nnum_channels = 1\ncentered = true\n\
                 [sde]\nkind = \"{kind}\"\nbeta_min = 0.1\nbeta_max = 20.0\n"
            )
        };
        let process = |kind| {
            let card = ArchFile::parse(&text(kind)).unwrap().manifest("x", "y");
            assert_eq!(value_range(&card), 2.0);
            process_of(&card)
        };
        let vp = Vp { beta_min: 0.1, beta_max: 20.0 };
        assert_eq!(process("vp").marginal(0.4), vp.marginal(0.4));
        assert_eq!(process("subvp").marginal(0.4), SubVp(vp).marginal(0.4));
        assert_eq!(sampling_end(&vp), 1e-3);
        let card: Manifest = toml::from_str(recon_data::weights::MR.manifest).unwrap();
        assert_eq!(value_range(&card), 1.0);
        let own = process_of(&card);
        assert!((own.marginal(1.0).std / card.noise_range().1 - 1.0).abs() < 1e-12);
        assert_eq!(sampling_end(&*own), 1e-5);
    }
}
