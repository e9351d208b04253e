//! Repeats of one image on one grid, each with noise of its own.

use super::check::image;
use super::grid::check_grid;
use super::levels::{effective, estimated, told};
use super::{Body, CaseSeed, DenoiseSpec, Frame, ImageInput, Images, Remarks, Slice, Study, Truth, Values};
use crate::report::preview::Window;
use crate::{ModalityName, Refused, SliceSeed};
use anyhow::Result;
use ndarray::Array2;
use recon_data::{Modality, Selection, Unit, hounsfield_to_signed_attenuation};
use recon_operators::{DataNoise, Identity, Mask, Problem};
use std::path::Path;

/// The problem that repeats `y_i = x + σ_i n_i` of one image amount to. Of independent Gaussian noise the mean weighted by
/// precision is sufficient: `ȳ = v Σ y_i/σ_i²` with `v = 1/Σ σ_i⁻²`, which is `x + √v n`. Images and noise are in one unit,
/// axes (row, col).
///
/// # Errors
/// When the images differ in shape.
pub fn combine(repeats: &[Array2<f32>], std: &[f64]) -> Result<Problem<Identity>> {
    let (rows, cols) = repeats.first().map_or((0, 0), Array2::dim);
    let variance = effective(std).powi(2);
    let mut mean = Array2::<f64>::zeros((rows, cols));
    for (image, std) in repeats.iter().zip(std) {
        anyhow::ensure!(image.dim() == (rows, cols), "repeats of different shapes");
        let weight = variance / (std * std);
        mean.zip_mut_with(image, |sum, &value| *sum += weight * f64::from(value));
    }
    let measured = mean.mapv(|value| value as f32);
    let problem = Problem::new(Identity { rows, cols }, Mask::full(rows * cols), measured)?;
    Ok(problem.with_noise(DataNoise::white(variance.sqrt() as f32))?)
}

/// Repeats of one image, to become one.
pub struct ImageDenoise {
    repeats: Vec<Images>,
    /// One noise level an image for each slice, in the unit of the images.
    levels: Vec<Vec<f64>>,
    seed: CaseSeed,
    truth: Truth,
    frame: Frame,
}

impl ImageDenoise {
    /// Opens the images of a case, with what the user should know.
    ///
    /// # Errors
    /// When they cannot be read, do not lie on one grid, or nobody says what made them.
    pub fn open(input: &ImageInput, spec: &DenoiseSpec, seed: CaseSeed) -> Result<(Self, Remarks)> {
        let (images, mut remarks) = Images::open(&input.path, input.slices, input.selection())?;
        let modality = modality(&images, input, spec)?;
        let images = in_unit(images, modality, input, &input.path)?;
        let warned = if modality == Modality::Ct { image::ct(&images) } else { image::layout(&images) };
        remarks.warnings.extend(warned);
        let mut repeats = vec![images];
        for path in &spec.repeats {
            let selection = Selection { series: None, nan_to: input.nan_to };
            let (other, warned) = Images::open(path, input.slices, selection)?;
            let other = in_unit(other, modality, input, path)?;
            check_grid(&repeats[0], &other, (&input.path, path))?;
            repeats.push(other);
            remarks.warnings.extend(warned.warnings);
        }
        let levels = if spec.noise_std.is_empty() {
            estimated(&repeats, modality, &input.path, &mut remarks)?
        } else {
            told(&spec.noise_std, &repeats, &mut remarks)
        };
        let first = &repeats[0];
        let truth = Truth::new(input.reference.as_deref(), false, first.unit(), first.shape(), input.slices)?;
        let frame = Frame {
            shape: first.shape(),
            geometry: first.geometry().clone(),
            values: Values::of_ct(first.unit()),
            source: first.source().clone(),
            keep_axis: first.keep_axis(),
        };
        Ok((Self { repeats, levels, seed, truth, frame }, remarks))
    }

    fn is_hounsfield(&self) -> bool {
        self.frame.values == Values::Hounsfield
    }
}

/// What made the images.
fn modality(images: &Images, input: &ImageInput, spec: &DenoiseSpec) -> Result<Modality, Refused> {
    let path = input.path.display();
    let told = spec.modality.map(Modality::from);
    match (images.modality(), told) {
        (Some(found), Some(told)) if found != told => Err(Refused::Usage(format!(
            "--modality: {path} says another one by itself; leave the option out"
        ))),
        (Some(modality), _) | (None, Some(modality)) => Ok(modality),
        (None, None) if ct_unit(images, input) != Unit::Arbitrary => Ok(Modality::Ct),
        (None, None) => {
            let [ct, mr] = [ModalityName::Ct, ModalityName::Mr];
            Err(Refused::Usage(format!(
                "{path}: does not say what made it; add --modality {ct} (and --unit) or --modality {mr}"
            )))
        }
    }
}

/// The unit of the images, if they are CT.
fn ct_unit(images: &Images, input: &ImageInput) -> Unit {
    Body::unit_of(images, input.unit)
}

/// The images in the unit that their modality has.
fn in_unit(images: Images, modality: Modality, input: &ImageInput, path: &Path) -> Result<Images> {
    if modality == Modality::Mr {
        if images.modality() == Some(Modality::Ct) {
            let message =
                format!("{}: is a CT image beside MR images; give repeats of one image", path.display());
            return Err(Refused::Input(message).into());
        }
        return Ok(images.in_unit(Unit::Arbitrary));
    }
    image::check_ct(&images, input.unit, path)?;
    let unit = ct_unit(&images, input);
    if unit == Unit::Arbitrary {
        let message = format!(
            "{}: the numbers of a CT image have a unit; say with --unit hu or --unit attenuation which it is",
            path.display()
        );
        return Err(Refused::Usage(message).into());
    }
    let images = images.in_unit(unit);
    image::check_range(&images, path)?;
    Ok(images)
}

impl Study for ImageDenoise {
    type Transform = Identity;

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(self.repeats[0].position_um(k))
    }

    fn slice(&self, k: usize) -> Result<Slice<Identity>> {
        let images = self.repeats.iter().map(|repeat| repeat.slice(k)).collect::<Result<Vec<_>>>()?;
        let levels = &self.levels[k];
        if levels.iter().any(|&std| std <= 0.0) {
            return Ok(Slice::Known(combine(&images, &vec![1.0; images.len()])?.measured));
        }
        if !self.is_hounsfield() {
            return Ok(Slice::Measured(combine(&images, levels)?));
        }
        let images: Vec<_> =
            images.into_iter().map(|image| image.mapv_into(hounsfield_to_signed_attenuation)).collect();
        let zero = hounsfield_to_signed_attenuation(0.0);
        let level = |&std: &f64| f64::from(hounsfield_to_signed_attenuation(std as f32) - zero);
        Ok(Slice::Measured(combine(&images, &levels.iter().map(level).collect::<Vec<_>>())?))
    }

    fn image(&self, _k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        Ok(self.frame.values.image(image))
    }

    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        self.frame.values.difference(difference)
    }

    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        self.truth.slice(k, None)
    }

    fn knows_truth(&self) -> bool {
        self.truth.is_known()
    }

    fn noise_std(&self, k: usize) -> Option<f64> {
        self.levels.get(k).map(|levels| effective(levels)).filter(|&std| std > 0.0)
    }

    fn window(&self) -> Option<Window> {
        super::ct::window(self.frame.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use recon_data::{Geometry, Source, Volume};

    /// Of 1 ± 1 and 4 ± 2: `(1/1 + 4/4)/(1 + 1/4)` and `(1 + 1/4)^(−1/2)`.
    #[test]
    fn a_repeat_counts_by_its_precision() {
        let repeats = [1.0_f32, 4.0].map(|value| Array2::from_elem((2, 3), value));
        let problem = combine(&repeats, &[1.0, 2.0]).expect("one shape");
        assert!(problem.measured.iter().all(|value| (value - 1.6).abs() < 1e-6));
        assert!((problem.noise.root_mean_square(&problem.mask) - 0.8_f64.sqrt()).abs() < 1e-7);
        let equal = combine(&[repeats[0].clone(), repeats[0].clone()], &[0.2, 0.2]).expect("one shape");
        assert!((effective(&[0.2; 4]) - 0.1).abs() < 1e-12 && equal.measured == repeats[0]);
        assert!(combine(&[Array2::zeros((2, 3)), Array2::zeros((3, 2))], &[1.0, 1.0]).is_err());
    }

    fn study(unit: Unit, values: [f32; 2], levels: [f64; 2]) -> ImageDenoise {
        let images = |value| {
            let volume =
                Volume { voxels: Array3::from_elem((1, 2, 2), value), geometry: Geometry::default(), unit };
            Images::held(volume, Source::Npy)
        };
        let repeats = values.map(images).into();
        let frame = Frame {
            shape: [1, 2, 2],
            geometry: Geometry::default(),
            values: Values::of_ct(unit),
            source: Source::Npy,
            keep_axis: false,
        };
        let seed = CaseSeed { seed: 0, case: 0 };
        ImageDenoise { repeats, levels: vec![levels.into()], seed, truth: Truth::Unknown, frame }
    }

    #[test]
    fn values_below_vacuum_come_back_as_they_were_and_noise_in_their_unit() {
        let study = study(Unit::Hounsfield, [-1100.0, -1000.0], [30.0, 40.0]);
        let Ok(Slice::Measured(problem)) = study.slice(0) else { panic!("it is measured") };
        let image = study.image(0, problem.measured.clone()).expect("an image");
        assert!((image[[0, 0]] + 1064.0).abs() < 1e-2, "{image}");
        let noise = problem.noise.root_mean_square(&problem.mask) as f32;
        let noise = study.difference(Array2::from_elem((1, 1), noise))[[0, 0]];
        assert!((noise - 24.0).abs() < 1e-2 && study.noise_std(0).is_some_and(|n| (n - 24.0).abs() < 1e-9));
    }

    #[test]
    fn slices_without_noise_are_averaged() {
        let study = study(Unit::Arbitrary, [1.0, 2.0], [0.0, 0.1]);
        assert!(matches!(study.slice(0), Ok(Slice::Known(image)) if image[[1, 1]] == 1.5));
        assert_eq!(study.noise_std(0), None);
    }
}
