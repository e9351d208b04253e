//! The protocols, frozen by name: what is measured of which slices, and what else is run on the same data.
//!
//! A published number names its protocol. So nothing here may change once it was used; what should be different
//! gets another name.

use super::setting::{CtSetting, Legacy, MarSetting, MriSetting};
use clap::ValueEnum;
use recon_pipelines::FilterName;
use serde::Serialize;

/// A protocol by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub enum ProtocolName {
    /// CT from 23 views without noise.
    #[value(name = "ct-23")]
    #[serde(rename = "ct-23")]
    Ct23,
    /// CT from 10, 20, 23, 45 and 90 views without noise.
    #[value(name = "ct-sparse")]
    #[serde(rename = "ct-sparse")]
    CtSparse,
    /// CT from 180 views with 10 000, 30 000 and 100 000 photons a ray.
    #[value(name = "ct-lowdose")]
    #[serde(rename = "ct-lowdose")]
    CtLowdose,
    /// MRI with every eighth sample.
    #[value(name = "mri-8x")]
    #[serde(rename = "mri-8x")]
    Mri8x,
    /// MRI at 2x, 4x, 8x, 12x and 24x.
    #[value(name = "mri-sweep")]
    #[serde(rename = "mri-sweep")]
    MriSweep,
    /// CT with small, medium and large titanium put into the images.
    #[value(name = "mar")]
    #[serde(rename = "mar")]
    Mar,
}

impl ProtocolName {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct23 => "ct-23",
            Self::CtSparse => "ct-sparse",
            Self::CtLowdose => "ct-lowdose",
            Self::Mri8x => "mri-8x",
            Self::MriSweep => "mri-sweep",
            Self::Mar => "mar",
        }
    }

    /// What the name stands for.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Ct23 => Protocol::Ct(&CT_23),
            Self::CtSparse => Protocol::Ct(&CT_SPARSE),
            Self::CtLowdose => Protocol::Ct(&CT_LOWDOSE),
            Self::Mri8x => Protocol::Mri(&MRI_8X),
            Self::MriSweep => Protocol::Mri(&MRI_SWEEP),
            Self::Mar => Protocol::Mar(&MAR),
        }
    }
}

/// What is measured of what.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// CT images in Hounsfield units.
    Ct(&'static Outline<CtSetting>),
    /// MR images on any scale.
    Mri(&'static Outline<MriSetting>),
    /// CT images in Hounsfield units, with metal put into them.
    Mar(&'static Outline<MarSetting>),
}

/// The slices, the measurements and the methods of a protocol.
#[derive(Debug)]
pub struct Outline<S: 'static> {
    /// How many slices of a scan, evenly spaced: of n slices number `⌊(k + ½) n / slices⌋` for every k.
    pub slices: usize,
    /// What is measured, in the order of [`Setting::amount`](super::setting::Setting::amount).
    pub settings: &'static [S],
    /// What [`Setting::amount`](super::setting::Setting::amount) counts, for the plot.
    pub amount: &'static str,
    /// The dissertation's settings for the same, see [`Legacy`].
    pub thesis: &'static [S],
    /// What runs when no `--method` is given: the classical baselines and the default learned method.
    pub methods: &'static [&'static str],
}

const fn views(label: &'static str, views: usize) -> CtSetting {
    CtSetting { label, views, photons: None, filter: FilterName::Ramp, legacy: None }
}

const fn photons(label: &'static str, photons: f64) -> CtSetting {
    CtSetting { label, views: 180, photons: Some(photons), filter: FilterName::Hann, legacy: None }
}

const fn lines(label: &'static str, acceleration: f64, center_fraction: f64) -> MriSetting {
    MriSetting { label, acceleration, center_fraction, legacy: None }
}

const fn thesis_views(label: &'static str, views: usize) -> CtSetting {
    CtSetting { label, views, photons: None, filter: FilterName::Ramp, legacy: Some(Legacy::Thesis) }
}

/// The centre is n/1000 for n lines of 240.
const fn thesis_lines(label: &'static str, acceleration: f64) -> MriSetting {
    let center_fraction = 0.24 / acceleration;
    MriSetting { label, acceleration, center_fraction, legacy: Some(Legacy::Thesis) }
}

const fn metal(label: &'static str, semi_axes_mm: (f64, f64)) -> MarSetting {
    MarSetting { label, pieces: 2, semi_axes_mm, views: 360, margin: 1 }
}

const CT_METHODS: &[&str] = &["fbp", "tv", "score"];
const MRI_METHODS: &[&str] = &["zero-filled", "l1-wavelet", "tv", "score"];
const MAR_METHODS: &[&str] = &["fbp", "li", "tv", "score"];

const CT_23: Outline<CtSetting> = Outline {
    slices: 2,
    settings: &[views("23 views", 23)],
    thesis: &[thesis_views("23 views thesis", 23)],
    amount: "views",
    methods: CT_METHODS,
};

const CT_SPARSE: Outline<CtSetting> = Outline {
    slices: 2,
    settings: &[
        views("10 views", 10),
        views("20 views", 20),
        views("23 views", 23),
        views("45 views", 45),
        views("90 views", 90),
    ],
    thesis: &[
        thesis_views("10 views thesis", 10),
        thesis_views("20 views thesis", 20),
        thesis_views("23 views thesis", 23),
    ],
    amount: "views",
    methods: CT_METHODS,
};

const CT_LOWDOSE: Outline<CtSetting> = Outline {
    slices: 2,
    settings: &[photons("10000 photons", 1e4), photons("30000 photons", 3e4), photons("100000 photons", 1e5)],
    thesis: &[],
    amount: "photons a ray",
    methods: CT_METHODS,
};

const MRI_8X: Outline<MriSetting> = Outline {
    slices: 3,
    settings: &[lines("8x", 8.0, 0.04)],
    thesis: &[thesis_lines("8x thesis", 8.0)],
    amount: "% of k-space measured",
    methods: MRI_METHODS,
};

const MRI_SWEEP: Outline<MriSetting> = Outline {
    slices: 3,
    settings: &[
        lines("24x", 24.0, 0.32 / 24.0),
        lines("12x", 12.0, 0.32 / 12.0),
        lines("8x", 8.0, 0.04),
        lines("4x", 4.0, 0.08),
        lines("2x", 2.0, 0.08),
    ],
    thesis: &[
        thesis_lines("24x thesis", 24.0),
        thesis_lines("8x thesis", 8.0),
        thesis_lines("4x thesis", 4.0),
    ],
    amount: "% of k-space measured",
    methods: MRI_METHODS,
};

const MAR: Outline<MarSetting> = Outline {
    slices: 2,
    settings: &[metal("small", (1.5, 3.0)), metal("medium", (4.0, 7.0)), metal("large", (8.0, 14.0))],
    thesis: &[],
    amount: "mm2 of metal",
    methods: MAR_METHODS,
};

#[cfg(test)]
mod tests {
    use super::super::setting::Setting;
    use super::*;
    use recon_operators::SamplingPlan;

    fn increasing(amounts: impl Iterator<Item = f64>) -> bool {
        let amounts: Vec<f64> = amounts.collect();
        amounts.windows(2).all(|pair| pair[0] < pair[1])
    }

    #[test]
    fn settings_go_from_small_amounts_to_large() {
        for name in ProtocolName::value_variants() {
            assert!(match name.protocol() {
                Protocol::Ct(outline) => increasing(outline.settings.iter().map(Setting::amount)),
                Protocol::Mri(outline) => increasing(outline.settings.iter().map(Setting::amount)),
                Protocol::Mar(outline) => increasing(outline.settings.iter().map(Setting::amount)),
            });
            let value = name.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), name.name());
            assert_eq!(serde_json::to_value(name).expect("text"), name.name());
        }
    }

    #[test]
    fn legacy_settings_are_named_so() {
        let check = |labels: Vec<(&str, Option<Legacy>)>, thesis: bool| {
            for (label, legacy) in labels {
                assert_eq!((label.ends_with("thesis"), legacy.is_some()), (thesis, thesis), "{label}");
            }
        };
        fn labels<S: Setting>(settings: &[S]) -> Vec<(&str, Option<Legacy>)> {
            settings.iter().map(|setting| (setting.label(), setting.legacy())).collect()
        }
        for name in ProtocolName::value_variants() {
            let (own, thesis) = match name.protocol() {
                Protocol::Ct(outline) => (labels(outline.settings), labels(outline.thesis)),
                Protocol::Mri(outline) => (labels(outline.settings), labels(outline.thesis)),
                Protocol::Mar(outline) => (labels(outline.settings), labels(outline.thesis)),
            };
            check(own, false);
            check(thesis, true);
        }
    }

    #[test]
    fn masks_are_those_of_the_command() {
        for setting in MRI_SWEEP.settings {
            let by_default = SamplingPlan::equispaced(setting.acceleration).mask(64, 240).expect("valid");
            assert_eq!(setting.plan(0).mask(64, 240).expect("valid").kept(), by_default.kept());
        }
    }
}
