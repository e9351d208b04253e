//! How a slice is measured in an evaluation.

use clap::ValueEnum;
use recon_operators::{Implants, PhaseAxis, Sampling, SamplingPlan};
use recon_pipelines::FilterName;
use serde::Serialize;
use std::f64::consts::PI;

/// A published work with settings and metrics of its own, to be read beside a protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Legacy {
    /// Song's dissertation (Stanford, 2022), chapter 8.
    Thesis,
}

impl Legacy {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thesis => "thesis",
        }
    }
}

/// One way to measure.
pub trait Setting: Serialize + 'static {
    /// Its name in tables.
    fn label(&self) -> &'static str;
    /// Whose scale and metrics it has; none for those of the program.
    fn legacy(&self) -> Option<Legacy> {
        None
    }
    /// How much is measured, or how much metal there is: the horizontal axis of the plot.
    fn amount(&self) -> f64;
}

/// Parallel views, equally spaced over half a turn without its end point; as many detector bins of a pixel's
/// width as the image diagonal needs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CtSetting {
    /// Its name in tables.
    pub(super) label: &'static str,
    /// Number of views.
    pub views: usize,
    /// Photons a ray in air, I₀; none for measurements without noise.
    pub photons: Option<f64>,
    /// Window of the ramp filter, of `fbp` and of the image that total variation starts from.
    pub filter: FilterName,
    /// Whose choice of views, scale and metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy: Option<Legacy>,
}

impl Setting for CtSetting {
    fn label(&self) -> &'static str {
        self.label
    }
    fn amount(&self) -> f64 {
        self.photons.unwrap_or(self.views as f64)
    }
    fn legacy(&self) -> Option<Legacy> {
        self.legacy
    }
}

/// Whole k-space columns at equal distances and a fully sampled centre, as fastMRI's equispaced-fraction mask; the
/// first line is drawn by the seed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MriSetting {
    /// Its name in tables.
    pub(super) label: &'static str,
    /// R: one column in R is measured, centre included.
    pub acceleration: f64,
    /// Share of the columns in the centre.
    pub center_fraction: f64,
    /// Whose mask, scale and metrics; such a mask has a centre of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy: Option<Legacy>,
}

impl MriSetting {
    /// All that decides the mask.
    pub fn plan(&self, seed: u64) -> SamplingPlan {
        SamplingPlan {
            sampling: Sampling::Equispaced,
            acceleration: self.acceleration,
            center_fraction: Some(self.center_fraction),
            offset: None,
            seed,
            phase_axis: PhaseAxis::Columns,
        }
    }
}

impl Setting for MriSetting {
    fn label(&self) -> &'static str {
        self.label
    }
    /// The share of k-space that is measured, in per cent.
    fn amount(&self) -> f64 {
        100.0 / self.acceleration
    }
    fn legacy(&self) -> Option<Legacy> {
        self.legacy
    }
}

/// Titanium in the image: ellipses inside the body, drawn slice by slice. The rays through it and beside it are not
/// trusted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MarSetting {
    /// Its name in tables.
    pub(super) label: &'static str,
    /// How many ellipses.
    pub pieces: usize,
    /// The least and the largest semi-axis in mm.
    pub semi_axes_mm: (f64, f64),
    /// Number of views over half a turn.
    pub views: usize,
    /// Number of detector bins on each side of the metal that are discarded too.
    pub margin: usize,
}

impl MarSetting {
    /// What is drawn for every slice.
    pub fn implants(&self) -> Implants {
        Implants { pieces: self.pieces, semi_axes: self.semi_axes_mm }
    }
}

impl Setting for MarSetting {
    fn label(&self) -> &'static str {
        self.label
    }
    /// The area of metal in mm² if both semi-axes of every piece are middling.
    fn amount(&self) -> f64 {
        let (least, largest) = self.semi_axes_mm;
        (self.pieces as f64 * PI * ((least + largest) / 2.0).powi(2)).round()
    }
}
