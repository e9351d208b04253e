//! What is measured: the part of a case that names the acquisition.

use super::{MaskChoice, SamplingSpec};
use crate::{FilterName, ModalityName, Named, Refused};
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
    /// Repeats of one image.
    Denoise,
}

impl Task {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Ct, Self::Mri, Self::Mar, Self::Denoise];

    /// Those in which a part of an image is not measured.
    pub const RECONSTRUCTIONS: [Self; 3] = [Self::Ct, Self::Mri, Self::Mar];

    /// The name of its command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "ct",
            Self::Mri => "mri",
            Self::Mar => "mar",
            Self::Denoise => "denoise",
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
    /// Repeats of one image.
    Denoise(DenoiseSpec),
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

/// Repeats of one image on one grid, each with white noise of its own: `y_i = x + σ_i n_i`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DenoiseSpec {
    /// The other repeats beside the input.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "crate::paths::list")]
    pub repeats: Vec<PathBuf>,
    /// `σ_i` in the unit of the images: one for all, or one for the input and each repeat; estimated if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise_std: Vec<f64>,
    /// What made the images, where their files do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modality: Option<ModalityName>,
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
impl Default for FilterName {
    fn default() -> Self {
        ramp()
    }
}

impl TaskSpec {
    /// Which kind it is.
    pub fn task(&self) -> Task {
        match self {
            Self::Ct(_) => Task::Ct,
            Self::Mri(_) => Task::Mri,
            Self::Mar(_) => Task::Mar,
            Self::Denoise(_) => Task::Denoise,
        }
    }

    /// Standard deviation of the noise that methods are told, where it is one number.
    pub fn noise_std(&self) -> Option<f64> {
        match self {
            Self::Ct(spec) => spec.noise_std,
            Self::Mri(spec) => spec.noise_std,
            Self::Mar(spec) => spec.noise_std,
            Self::Denoise(_) => None,
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
            Self::Denoise(spec) => spec.repeats.iter().map(PathBuf::as_path).collect(),
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
            Self::Denoise(spec) => spec.repeats.iter_mut().collect(),
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
            Self::Denoise(spec) => spec.check(),
        }
    }
}

impl DenoiseSpec {
    /// How many images there are.
    pub fn images(&self) -> usize {
        1 + self.repeats.len()
    }

    fn check(&self) -> Result<(), Refused> {
        if let Some(std) = self.noise_std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            let message =
                format!("noise-std = {std}: give numbers above 0, or leave it out to have it estimated");
            return Err(Refused::Usage(message));
        }
        let (given, images) = (self.noise_std.len(), self.images());
        if given > 1 && given != images {
            let message =
                format!("noise-std: {given} numbers for {images} images; give one for all, or one each");
            return Err(Refused::Usage(message));
        }
        Ok(())
    }
}

fn count(name: &str, value: Option<usize>) -> Result<(), Refused> {
    match value.filter(|value| !(1..=MAX_COUNT).contains(value)) {
        Some(value) => Err(Refused::Usage(format!("{name} = {value}: give a whole number of at least 1"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
