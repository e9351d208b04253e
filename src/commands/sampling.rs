//! The undersampling of an MRI command: its options, and the mask that they amount to.

use super::load;
use super::values::{PhaseAxisName, SamplingName, acceleration, fraction};
use anyhow::Result;
use clap::{Args, ValueEnum};
use recon_operators::{Mask, SamplingPlan};
use serde::Serialize;
use std::path::PathBuf;

/// Options of a simulated undersampling.
#[derive(Args, Clone, Debug, Serialize)]
pub struct SamplingOptions {
    /// How many times fewer samples than a full scan.
    #[arg(long, value_name = "R", value_parser = acceleration, default_value = "4", env = "RECON_ACCEL", help_heading = "Sampling")]
    pub accel: f64,
    /// Which samples: equispaced, random, magic, gaussian1d, gaussian2d, poisson-disc, radial, or a .npy mask.
    #[arg(long, value_name = "NAME|FILE.npy", default_value = "equispaced", help_heading = "Sampling")]
    pub mask: MaskChoice,
    /// Fraction of lines in the fully sampled centre (default: 0.08 up to 4x, 0.04 up to 8x, then 0.32/R).
    #[arg(long, value_name = "F", value_parser = fraction, help_heading = "Sampling")]
    pub center_fraction: Option<f64>,
    /// First line of an equispaced mask (default: drawn by the seed).
    #[arg(long, value_name = "K", help_heading = "Sampling")]
    pub mask_offset: Option<usize>,
    /// Image axis along which lines are left out.
    #[arg(long, value_enum, default_value_t = PhaseAxisName::Columns, help_heading = "Sampling")]
    pub phase_axis: PhaseAxisName,
    /// Write the mask, .npy [row, col].
    #[arg(long, value_name = "FILE.npy", help_heading = "Output")]
    pub mask_out: Option<PathBuf>,
}

/// A mask by its rule or from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskChoice {
    /// By a rule.
    Rule(SamplingName),
    /// From a `.npy` file.
    File(PathBuf),
}

impl std::str::FromStr for MaskChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(name) = SamplingName::from_str(text, false) {
            return Ok(Self::Rule(name));
        }
        let path = PathBuf::from(text);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy")) {
            return Ok(Self::File(path));
        }
        let names: Vec<String> = SamplingName::value_variants()
            .iter()
            .filter_map(|name| name.to_possible_value().map(|value| value.get_name().to_owned()))
            .collect();
        Err(format!("give {} or a .npy file", names.join(", ")))
    }
}

impl SamplingOptions {
    /// With the centre fraction that line masks take by default filled in, for the report.
    #[must_use]
    pub fn resolved(&self) -> Self {
        use SamplingName::{Equispaced, Magic, Random};
        let mut options = self.clone();
        if matches!(options.mask, MaskChoice::Rule(Equispaced | Random | Magic)) {
            let fraction = match options.accel {
                r if r <= 4.0 => 0.08,
                r if r <= 8.0 => 0.04,
                r => 0.32 / r,
            };
            options.center_fraction.get_or_insert(fraction);
        }
        options
    }

    /// The mask for images of `rows` × `cols`.
    ///
    /// # Errors
    /// When the numbers contradict each other or a mask file has another shape.
    pub fn mask(&self, rows: usize, cols: usize, seed: u64) -> Result<Mask> {
        let sampling = match &self.mask {
            MaskChoice::File(path) => return load::mask(path, rows, cols),
            MaskChoice::Rule(name) => (*name).into(),
        };
        let plan = SamplingPlan {
            sampling,
            acceleration: self.accel,
            center_fraction: self.center_fraction,
            offset: self.mask_offset,
            seed,
            phase_axis: self.phase_axis.into(),
        };
        Ok(plan.mask(rows, cols)?)
    }

    /// Writes the mask where `--mask-out` says.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, mask: &Mask, rows: usize, cols: usize, force: bool) -> Result<()> {
        let Some(path) = &self.mask_out else { return Ok(()) };
        let flags = ndarray::ArrayView2::from_shape((rows, cols), mask.kept())?;
        Ok(recon_data::npy::write_mask(path, flags, super::target::overwrite(force))?)
    }

    /// A mask in words.
    pub fn describe(&self, mask: &Mask) -> String {
        let name = match &self.mask {
            MaskChoice::Rule(name) => {
                name.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned())
            }
            MaskChoice::File(path) => path.display().to_string(),
        };
        let (kept, all) = (mask.count(), mask.kept().len());
        format!("{kept} of {all} k-space samples ({name}, {:.2}x)", all as f64 / kept.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_name_or_a_npy_file() {
        assert_eq!("poisson-disc".parse(), Ok(MaskChoice::Rule(SamplingName::PoissonDisc)));
        assert_eq!("gaussian1d".parse(), Ok(MaskChoice::Rule(SamplingName::Gaussian1d)));
        assert_eq!("m/own.npy".parse(), Ok(MaskChoice::File("m/own.npy".into())));
        assert!("spiral".parse::<MaskChoice>().is_err_and(|message| message.contains("magic")));
    }
}
