//! Every method, and what there is to know about it.

use super::{BayesSpec, ConditionalSpec, SamplerSpec};
use crate::knobs::{Info, Knob, Range};
use recon_pipelines::Task;

const STEPS: Knob = Knob::new("steps", Range::Count(1), "Number of iterations");

/// The methods without a network.
pub const CLASSICAL: [&Info; 6] = [&FBP, &ZERO_FILLED, &LI, &TV, &L1_WAVELET, &AVERAGE];

/// Filtered back-projection.
pub(super) const FBP: Info = Info {
    name: "fbp",
    aliases: &[],
    about: "Filtered back-projection; around metal, without any correction",
    source: "Bracewell and Riddle, Astrophys. J. 150, 1967",
    tasks: &[Task::Ct, Task::Mar],
    knobs: &[],
    learned: false,
    noise: false,
};

/// Zeros where nothing was measured.
pub(super) const ZERO_FILLED: Info = Info {
    name: "zero-filled",
    aliases: &[],
    about: "Magnitude of the inverse Fourier transform, zeros where nothing was measured",
    source: "the baseline of fastMRI, Zbontar et al. 2018",
    tasks: &[Task::Mri],
    knobs: &[],
    learned: false,
    noise: false,
};

/// Linear interpolation of the rays through metal.
pub(super) const LI: Info = Info {
    name: "li",
    aliases: &[],
    about: "Linear interpolation of the rays through metal",
    source: "Kalender et al., Radiology 164, 1987",
    tasks: &[Task::Mar],
    knobs: &[],
    learned: false,
    noise: false,
};

/// Total variation.
pub(super) const TV: Info = Info {
    name: "tv",
    aliases: &["fista-tv"],
    about: "Total variation by FISTA",
    source: "Beck and Teboulle, IEEE Trans. Image Process. 18, 2009",
    tasks: &[Task::Ct, Task::Mri, Task::Mar],
    knobs: &[Knob::new("tv-weight", Range::NotNegative, "Weight of the total variation"), STEPS],
    learned: false,
    noise: false,
};

/// Sparsity in wavelets.
pub(super) const L1_WAVELET: Info = Info {
    name: "l1-wavelet",
    aliases: &[],
    about: "Sparsity in Daubechies' wavelets by FISTA",
    source: "Lustig, Donoho and Pauly, Magn. Reson. Med. 58, 2007",
    tasks: &[Task::Mri],
    knobs: &[Knob::new("wavelet-weight", Range::NotNegative, "Weight of the wavelet coefficients"), STEPS],
    learned: false,
    noise: false,
};

/// The mean of repeats.
pub(super) const AVERAGE: Info = Info {
    name: "average",
    aliases: &[],
    about: "The mean of repeats, weighted by their precisions",
    source: "Gauss 1809",
    tasks: &[Task::Denoise],
    knobs: &[],
    learned: false,
    noise: true,
};

/// Every method, the classical ones first.
pub fn infos() -> impl Iterator<Item = &'static Info> {
    CLASSICAL
        .into_iter()
        .chain(SamplerSpec::INFOS.iter().copied())
        .chain([ConditionalSpec::INFO, BayesSpec::INFO])
}

/// The method of this name.
pub fn find(name: &str) -> Option<&'static Info> {
    infos().find(|info| info.name == name || info.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn names_are_unique_and_settings_of_one_name_are_alike() {
        let mut names = BTreeSet::new();
        let mut ranges: BTreeMap<&str, std::mem::Discriminant<Range>> = BTreeMap::new();
        for info in infos() {
            for name in info.aliases.iter().chain([&info.name]) {
                assert!(names.insert(*name), "{name} twice");
            }
            let own: BTreeSet<_> = info.all_knobs().map(|knob| knob.key).collect();
            assert_eq!(own.len(), info.all_knobs().count(), "{}: a setting twice", info.name);
            for knob in info.all_knobs() {
                let kind = std::mem::discriminant(&knob.range);
                assert_eq!(*ranges.entry(knob.key).or_insert(kind), kind, "{}", knob.key);
            }
        }
        assert_eq!(find("fista-tv").map(|info| info.name), Some("tv"));
    }
}
