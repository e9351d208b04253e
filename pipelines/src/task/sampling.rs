//! Which samples of k-space are measured.

use crate::{Named, PhaseAxisName, Refused, SamplingName};
use recon_operators::SamplingPlan;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Which samples of k-space are measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SamplingSpec {
    /// How many times fewer samples than a full scan.
    #[serde(default = "acceleration")]
    pub accel: f64,
    /// The rule, or a `.npy` file.
    #[serde(default)]
    pub mask: MaskChoice,
    /// Fraction of lines in the fully sampled centre; [`center_fraction`] without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center_fraction: Option<f64>,
    /// First line of an equispaced mask; drawn by the seed without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_offset: Option<usize>,
    /// Image axis along which lines are left out.
    #[serde(default = "columns")]
    pub phase_axis: PhaseAxisName,
}

impl Default for SamplingSpec {
    /// Every fourth column.
    fn default() -> Self {
        Self {
            accel: acceleration(),
            mask: MaskChoice::default(),
            center_fraction: None,
            mask_offset: None,
            phase_axis: columns(),
        }
    }
}

/// A mask by its rule or from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MaskChoice {
    /// By a rule.
    Rule(SamplingName),
    /// From a `.npy` file.
    File(PathBuf),
}

fn acceleration() -> f64 {
    4.0
}
fn columns() -> PhaseAxisName {
    PhaseAxisName::Columns
}

impl Default for MaskChoice {
    fn default() -> Self {
        Self::Rule(SamplingName::Equispaced)
    }
}

impl std::str::FromStr for MaskChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = SamplingName::from_name(text) {
            return Ok(Self::Rule(name));
        }
        let path = PathBuf::from(text);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy")) {
            return Ok(Self::File(path));
        }
        let names: Vec<&str> = SamplingName::ALL.iter().map(|name| name.name()).collect();
        Err(format!("give {} or a .npy file", names.join(", ")))
    }
}

impl TryFrom<String> for MaskChoice {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MaskChoice> for String {
    fn from(mask: MaskChoice) -> Self {
        mask.to_string()
    }
}

impl fmt::Display for MaskChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(name) => name.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The fraction of lines in the centre of a mask of this acceleration: 0.08 up to 4x, 0.04 up to 8x, then 0.32/R.
pub fn center_fraction(acceleration: f64) -> f64 {
    match acceleration {
        r if r <= 4.0 => 0.08,
        r if r <= 8.0 => 0.04,
        r => 0.32 / r,
    }
}

impl SamplingSpec {
    /// With the centre fraction of line masks filled in.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        use SamplingName::{Equispaced, Magic, Random};
        if matches!(self.mask, MaskChoice::Rule(Equispaced | Random | Magic)) {
            self.center_fraction.get_or_insert(center_fraction(self.accel));
        }
        self
    }

    /// The plan of a mask by a rule; none for a file.
    pub fn plan(&self, seed: u64) -> Option<SamplingPlan> {
        let MaskChoice::Rule(name) = &self.mask else { return None };
        Some(SamplingPlan {
            sampling: (*name).into(),
            acceleration: self.accel,
            center_fraction: self.center_fraction,
            offset: self.mask_offset,
            seed,
            phase_axis: self.phase_axis.into(),
        })
    }

    pub(super) fn check(&self) -> Result<(), Refused> {
        at_least_one("accel", self.accel)?;
        self.center_fraction.map_or(Ok(()), |fraction| share("center-fraction", fraction))
    }
}

fn at_least_one(name: &str, value: f64) -> Result<(), Refused> {
    if value.is_finite() && value >= 1.0 {
        return Ok(());
    }
    Err(Refused::Usage(format!("{name} = {value}: give a number of at least 1; 1 means fully sampled")))
}

fn share(name: &str, value: f64) -> Result<(), Refused> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Refused::Usage(format!("{name} = {value}: give a number from 0 to 1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_name_or_a_npy_file() {
        assert_eq!("poisson-disc".parse(), Ok(MaskChoice::Rule(SamplingName::PoissonDisc)));
        assert_eq!("m/own.npy".parse(), Ok(MaskChoice::File("m/own.npy".into())));
        assert!("spiral".parse::<MaskChoice>().is_err_and(|message| message.contains("magic")));
    }
}
