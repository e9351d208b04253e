//! Repeats of one image on one grid, each with noise of its own.

use super::arrays::wrong_shape;
use super::check::image;
use super::noise::{Estimator, NoiseLevels};
use super::{Body, CaseSeed, DenoiseSpec, Frame, ImageInput, Images, Remarks, Slice, Study, Truth, Values};
use crate::report::preview::Window;
use crate::{ModalityName, Refused, SliceSeed};
use anyhow::Result;
use ndarray::Array2;
use recon_data::{Geometry, Modality, Selection, Source, Unit, hounsfield_to_signed_attenuation};
use recon_operators::{DataNoise, Identity, Mask, Problem};
use std::collections::BTreeMap;
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
    Ok(Problem { noise: DataNoise::white(variance.sqrt() as f32), ..problem })
}

/// `√v = (Σ σ_i⁻²)^(−1/2)`, the noise that is left in the weighted mean; 0 if one of them is.
fn effective(std: &[f64]) -> f64 {
    let precision: f64 = std.iter().map(|std| std.powi(-2)).sum();
    precision.powf(-0.5)
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

/// How far apart voxels of one grid may be said to lie, in millimetres, and how far directions may point apart.
const SAME_PLACE: f64 = 1e-2;
const SAME_DIRECTION: f64 = 1e-3;

/// Refuses a repeat on another grid or in another unit; `.npy` arrays have no place.
fn check_grid(first: &Images, other: &Images, (a, b): (&Path, &Path)) -> Result<()> {
    let wanted = format!("repeats of the shape of {}, {:?}", a.display(), first.shape());
    if first.shape() != other.shape() {
        return Err(wrong_shape(b, &other.shape(), &wanted));
    }
    let refused = |what: &str| {
        let (a, b) = (a.display(), b.display());
        Err(Refused::Input(format!("{b}: {what} than {a}; give repeats of one image on one grid")).into())
    };
    if matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b) {
        let message = format!("{}: is given twice; each repeat counts once", b.display());
        return Err(Refused::Usage(message).into());
    }
    if first.unit() != other.unit() {
        return refused("has another unit");
    }
    let have_place = ![first, other].iter().any(|images| matches!(images.source(), Source::Npy));
    match have_place.then(|| difference(first.geometry(), other.geometry())).flatten() {
        Some(what) => refused(what),
        None => Ok(()),
    }
}

/// In what two places differ.
fn difference(a: &Geometry, b: &Geometry) -> Option<&'static str> {
    let apart = |a: &[f64; 3], b: &[f64; 3], most: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > most);
    if apart(&a.spacing_mm, &b.spacing_mm, SAME_PLACE) {
        return Some("has voxels of another size");
    }
    if apart(&a.origin_mm, &b.origin_mm, SAME_PLACE) {
        return Some("begins at another place");
    }
    let turned = a.direction.iter().zip(&b.direction).any(|(a, b)| apart(a, b, SAME_DIRECTION));
    turned.then_some("lies in another direction")
}

/// The noise levels that were told, for every slice.
fn told(given: &[f64], repeats: &[Images], remarks: &mut Remarks) -> Vec<Vec<f64>> {
    let each: Vec<f64> = (0..repeats.len()).map(|i| given[i.min(given.len() - 1)]).collect();
    let unit = unit_words(repeats[0].unit());
    let all = each.iter().map(|&std| rounded(std)).collect::<Vec<_>>().join(", ");
    remarks.note(format!("noise {all}{unit} as given; {}", combined(&each, unit)));
    vec![each; repeats[0].shape()[0]]
}

/// The noise levels of every slice, from the images.
fn estimated(
    repeats: &[Images],
    modality: Modality,
    path: &Path,
    remarks: &mut Remarks,
) -> Result<Vec<Vec<f64>>> {
    let slices = repeats[0].shape()[0];
    let of_slice = |k: usize| {
        let images = repeats.iter().map(|repeat| repeat.slice(k)).collect::<Result<Vec<_>>>()?;
        Ok(NoiseLevels::of(&images, modality == Modality::Mr))
    };
    let found = (0..slices).map(of_slice).collect::<Result<Vec<_>>>()?;
    let (seen, blank): (Vec<_>, Vec<_>) =
        found.iter().partition(|levels| levels.std.iter().all(|&std| std > 0.0));
    if seen.is_empty() {
        let message = "no noise can be seen in it; say with --noise-std how much there is";
        return Err(Refused::Input(format!("{}: {message}", path.display())).into());
    }
    let mut by_estimator: BTreeMap<Estimator, Vec<&NoiseLevels>> = BTreeMap::new();
    seen.iter().for_each(|levels| by_estimator.entry(levels.by).or_default().push(levels));
    for (estimator, levels) in by_estimator {
        remarks.note(described(estimator, &levels, unit_words(repeats[0].unit())));
    }
    if !blank.is_empty() {
        remarks.note(format!("{} of {slices} slices show no noise and are only averaged", blank.len()));
    }
    Ok(found.into_iter().map(|levels| levels.std).collect())
}

/// The estimates of one kind in words: the middle of every image's, and where they lie.
fn described(estimator: Estimator, levels: &[&NoiseLevels], unit: &str) -> String {
    let images = levels[0].std.len();
    let sorted = |i: usize| {
        let mut all: Vec<f64> = levels.iter().map(|levels| levels.std[i]).collect();
        all.sort_unstable_by(f64::total_cmp);
        all
    };
    let middle: Vec<f64> = (0..images).map(sorted).map(|all| all[all.len() / 2]).collect();
    let one = |i: usize| {
        let all = sorted(i);
        match all[..] {
            [low, .., high] => {
                format!("{} ({} to {})", rounded(middle[i]), rounded(low), rounded(high))
            }
            _ => rounded(middle[i]),
        }
    };
    let words = (0..images).map(one).collect::<Vec<_>>().join(", ");
    let slices = if levels.len() > 1 { format!(" in {} slices", levels.len()) } else { String::new() };
    format!("noise {words}{unit}{slices}, estimated from {estimator}; {}", combined(&middle, unit))
}

fn combined(each: &[f64], unit: &str) -> String {
    match each {
        [_] => "one image".to_owned(),
        _ => format!("{} repeats together have {}{unit}", each.len(), rounded(effective(each))),
    }
}

/// Three digits, which is more than is known.
fn rounded(value: f64) -> String {
    format!("{value:.2e}").parse::<f64>().unwrap_or(value).to_string()
}

fn unit_words(unit: Unit) -> &'static str {
    match unit {
        Unit::Hounsfield => " HU",
        Unit::Attenuation => "/mm",
        Unit::Arbitrary => "",
    }
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
