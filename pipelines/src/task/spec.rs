//! What is measured: the part of a case that names the acquisition.

use crate::{FilterName, Named, PhaseAxisName, Refused, SamplingName};
use recon_operators::SamplingPlan;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// The kinds of acquisition, which decide the defaults of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// CT from few views.
    Ct,
    /// MRI from few samples.
    Mri,
    /// CT around metal.
    Mar,
}

impl Task {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Ct, Self::Mri, Self::Mar];

    /// The name of its command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "ct",
            Self::Mri => "mri",
            Self::Mar => "mar",
        }
    }
}

impl Named for Task {
    const ALL: &'static [Self] = &Task::ALL;

    fn name(self) -> &'static str {
        Task::name(self)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An acquisition with everything that decides its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum TaskSpec {
    /// CT from few views.
    Ct(CtSpec),
    /// MRI from few samples.
    Mri(MriSpec),
    /// CT around metal.
    Mar(MarSpec),
}

/// Parallel-beam CT.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CtSpec {
    /// Number of simulated views, equally spaced over half a turn; 23 without it. A sinogram has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<usize>,
    /// Number of simulated detector bins; the image diagonal without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectors: Option<usize>,
    /// Window of the ramp filter.
    #[serde(default = "ramp")]
    pub filter: FilterName,
    /// Photons that a ray counts in air: simulated views get the noise of such a dose, of a sinogram it tells the noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photons: Option<f64>,
    /// Standard deviation of the noise that methods are told, instead of what `photons` implies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_std: Option<f64>,
}

/// Cartesian single-channel MRI.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MriSpec {
    /// The simulated undersampling; measured k-space has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingSpec>,
    /// Standard deviation of the noise in the real and in the imaginary part that methods are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_std: Option<f64>,
}

/// CT without the rays that come near metal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MarSpec {
    /// Values from here on are metal, in the unit of the image.
    #[serde(default = "metal_threshold")]
    pub metal_threshold: f32,
    /// Where metal is, `.npy` of the shape of the image; instead of the threshold.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub metal_mask: Option<PathBuf>,
    /// How many detector bins beside metal are not trusted either.
    #[serde(default = "metal_margin")]
    pub metal_margin: usize,
    /// Number of views over half a turn.
    #[serde(default = "mar_views")]
    pub views: usize,
    /// Number of simulated detector bins; the image diagonal without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectors: Option<usize>,
    /// Window of the ramp filter.
    #[serde(default = "ramp")]
    pub filter: FilterName,
    /// Standard deviation of the noise that methods are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_std: Option<f64>,
}

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

/// Views of simulated CT where nobody says how many.
pub const VIEWS: usize = 23;
const MAR_VIEWS: usize = 360;
/// More views or detector bins than anybody has.
const MAX_COUNT: usize = 1_000_000;

fn ramp() -> FilterName {
    FilterName::Ramp
}
fn metal_threshold() -> f32 {
    3000.0
}
fn metal_margin() -> usize {
    1
}
fn mar_views() -> usize {
    MAR_VIEWS
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

impl Default for FilterName {
    fn default() -> Self {
        ramp()
    }
}

impl std::str::FromStr for MaskChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        use crate::Named;
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

    fn check(&self) -> Result<(), Refused> {
        at_least_one("accel", self.accel)?;
        self.center_fraction.map_or(Ok(()), |fraction| share("center-fraction", fraction))
    }
}

impl TaskSpec {
    /// Which kind it is.
    pub fn task(&self) -> Task {
        match self {
            Self::Ct(_) => Task::Ct,
            Self::Mri(_) => Task::Mri,
            Self::Mar(_) => Task::Mar,
        }
    }

    /// Standard deviation of the noise that methods are told.
    pub fn noise_std(&self) -> Option<f64> {
        match self {
            Self::Ct(spec) => spec.noise_std,
            Self::Mri(spec) => spec.noise_std,
            Self::Mar(spec) => spec.noise_std,
        }
    }

    /// Every file that decides the data.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Ct(_) => Vec::new(),
            Self::Mri(spec) => match spec.sampling.as_ref().map(|sampling| &sampling.mask) {
                Some(MaskChoice::File(path)) => vec![path],
                _ => Vec::new(),
            },
            Self::Mar(spec) => spec.metal_mask.iter().map(PathBuf::as_path).collect(),
        }
    }

    /// Every path in it, to be changed.
    pub fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Ct(_) => Vec::new(),
            Self::Mri(spec) => match spec.sampling.as_mut().map(|sampling| &mut sampling.mask) {
                Some(MaskChoice::File(path)) => vec![path],
                _ => Vec::new(),
            },
            Self::Mar(spec) => spec.metal_mask.iter_mut().collect(),
        }
    }

    /// Refuses numbers that no acquisition has.
    ///
    /// # Errors
    /// [`Refused::Usage`] naming the number.
    pub fn check(&self) -> Result<(), Refused> {
        if let Some(std) = self.noise_std().filter(|std| !(std.is_finite() && *std >= 0.0)) {
            return Err(Refused::Usage(format!("noise-std = {std}: give a number of at least 0")));
        }
        match self {
            Self::Ct(spec) => {
                count("views", spec.views)?;
                count("detectors", spec.detectors)?;
                let photons = spec.photons.filter(|photons| !(photons.is_finite() && *photons > 0.0));
                photons
                    .map_or(Ok(()), |n| Err(Refused::Usage(format!("photons = {n}: give a number above 0"))))
            }
            Self::Mri(spec) => spec.sampling.as_ref().map_or(Ok(()), SamplingSpec::check),
            Self::Mar(spec) => {
                count("views", Some(spec.views))?;
                count("detectors", spec.detectors)
            }
        }
    }
}

fn count(name: &str, value: Option<usize>) -> Result<(), Refused> {
    match value.filter(|value| !(1..=MAX_COUNT).contains(value)) {
        Some(value) => Err(Refused::Usage(format!("{name} = {value}: give a whole number of at least 1"))),
        None => Ok(()),
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

    #[test]
    fn missing_numbers_are_the_defaults() {
        let task = |text: &str| serde_json::from_str::<TaskSpec>(text).expect("a task");
        let TaskSpec::Mar(mar) = task(r#"{"name": "mar"}"#) else { panic!("another task") };
        assert_eq!((mar.metal_threshold, mar.views), (3000.0, 360));
        assert_eq!(task(r#"{"name": "ct"}"#), TaskSpec::Ct(CtSpec::default()));
        assert!(serde_json::from_str::<TaskSpec>(r#"{"name": "ct", "veiws": 3}"#).is_err());
    }

    #[test]
    fn numbers_that_no_scanner_has_are_refused() {
        let ct = |change: fn(&mut CtSpec)| {
            let mut spec = CtSpec::default();
            change(&mut spec);
            TaskSpec::Ct(spec).check()
        };
        assert!(ct(|_| ()).is_ok());
        assert!(ct(|spec| spec.views = Some(0)).is_err_and(|e| e.to_string().contains("views")));
        assert!(ct(|spec| spec.photons = Some(-1.0)).is_err());
        assert!(ct(|spec| spec.noise_std = Some(f64::NAN)).is_err());
    }
}
