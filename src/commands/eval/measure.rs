//! One slice, measured and reconstructed by the code that `recon ct` and `recon mri` run.

use super::images::{self, Image};
use super::setting::{CtSetting, MriSetting, Setting};
use super::thesis;
use crate::commands::session::context::Context;
use anyhow::{Context as _, Result};
use ndarray::{Array2, ArrayView2};
use recon::settings::MethodSpec;
use recon_data::{Selection, Unit, digest, hounsfield_to_attenuation};
use recon_operators::{PhasedFourier, Radon};
use recon_pipelines::judge::thesis::Levels;
use recon_pipelines::judge::{Calibration, CalibrationSums, Quality, QualitySums, assess_outside};
use recon_pipelines::report::preview::Window;
use recon_pipelines::{
    Acquisition, Body, Cancelled, CaseSeed, ImageCt, ImageMri, Images, Map, Method, Refused, SliceRecord,
    Solved as Found, Solver, Study, Task, Watch,
};
use std::path::{Path, PathBuf};

/// A slice that was measured, reconstructed and judged.
pub struct Solved {
    /// How good it came out.
    pub quality: Quality,
    /// What the spread of several samples is worth.
    pub calibration: Option<Calibration>,
    /// What it took.
    pub record: SliceRecord,
    /// What it should be, (row, col).
    pub truth: Array2<f32>,
    /// What came out, in the same unit.
    pub image: Array2<f32>,
}

/// A slice; none when the user stopped it.
pub type Outcome = Option<Solved>;

/// One slice of a scan.
pub struct Single {
    /// The scan's file or folder.
    pub path: PathBuf,
    /// Which slice of it, from 0.
    pub number: usize,
    /// The slice alone.
    pub images: Images,
    /// The name of the scan in random streams.
    case: u64,
    /// What the dissertation takes for 0 and 1 in the whole scan.
    pub levels: Levels,
}

/// A method that is tried.
pub struct Tried<'a, T: Acquisition> {
    /// Its description.
    pub spec: &'a MethodSpec,
    /// The method.
    pub method: &'a Method<T>,
}

impl Single {
    /// The slice alone once more.
    ///
    /// # Errors
    /// Never in practice: it is held in memory.
    pub fn again(&self) -> Result<Images> {
        self.images.single(0)
    }

    /// The random numbers of the scan.
    pub fn seed(&self, seed: u64) -> CaseSeed {
        CaseSeed { seed, case: self.case }
    }
}

/// CT or MRI: how a slice is measured, and by which numbers it is judged.
pub trait Modality {
    /// The operator of the measurement.
    type Transform: Acquisition;
    /// One way to measure.
    type Setting: Setting;
    /// Which defaults the methods have.
    const TASK: Task;
    /// The unit of results.
    const UNIT: Unit;

    /// Which grey values a true slice is shown in.
    fn window(truth: &ArrayView2<'_, f32>) -> Window;

    /// Makes images that were opened into what the protocol is about.
    ///
    /// # Errors
    /// When they are another kind of image.
    fn prepare(images: Images, path: &Path) -> Result<Images>;

    /// What the dissertation takes for 0 and 1 in a whole scan, in the unit that is measured.
    ///
    /// # Errors
    /// When an image cannot be read.
    fn levels(images: &Images) -> Result<Levels>;

    /// Measures a slice, reconstructs it by a method and judges it.
    ///
    /// # Errors
    /// When it cannot be measured or the method fails.
    fn solve(
        single: &Single,
        setting: &Self::Setting,
        tried: &Tried<'_, Self::Transform>,
        seed: u64,
        context: &Context,
    ) -> Result<Outcome>;
}

/// The slices of a scan that a protocol with `wanted` a scan takes.
///
/// # Errors
/// When the scan cannot be read or is another kind of image.
pub fn singles<M: Modality>(image: &Image, wanted: usize, context: &Context) -> Result<Vec<Single>> {
    let (images, remarks) = Images::open(&image.path, None, Selection::default())?;
    let path = image.path.display();
    remarks.warnings.iter().for_each(|warning| context.say(&format!("warning: {path}: {warning}")));
    let images = M::prepare(images, &image.path)?;
    let chosen = images::slices(images.shape()[0], wanted, image.slices);
    let (levels, case) = (M::levels(&images)?, digest::case_id(&digest::sha256_file(&image.path)?));
    let single = |number: usize| {
        Ok(Single { path: image.path.clone(), number, images: images.single(number)?, case, levels })
    };
    chosen.into_iter().map(single).collect()
}

/// Parallel-beam CT of images in Hounsfield units.
pub struct Ct;

impl Modality for Ct {
    type Transform = Radon;
    type Setting = CtSetting;
    const TASK: Task = Task::Ct;
    const UNIT: Unit = Unit::Hounsfield;

    fn window(_truth: &ArrayView2<'_, f32>) -> Window {
        Window::SOFT_TISSUE
    }

    fn prepare(images: Images, path: &Path) -> Result<Images> {
        hounsfield(images, path)
    }

    fn levels(images: &Images) -> Result<Levels> {
        let (low, high) = images.range();
        let attenuation = |hounsfield: f32| f64::from(hounsfield_to_attenuation(hounsfield));
        Ok(Levels { low: attenuation(low), high: attenuation(high) })
    }

    fn solve(
        single: &Single,
        setting: &CtSetting,
        tried: &Tried<'_, Radon>,
        seed: u64,
        context: &Context,
    ) -> Result<Outcome> {
        let body = Body::new(single.again()?, None);
        if setting.legacy.is_some() {
            return thesis::ct(single, &body, setting.views, tried.method, (seed, context));
        }
        let spacing = single.images.geometry().spacing_mm[2] as f32;
        let radon = body.scanner(setting.views, None, spacing, setting.filter)?;
        let study = ImageCt::of(body, radon, setting.photons, single.seed(seed));
        judge(&study, tried.method, None, context)
    }
}

/// Takes images for CT.
///
/// # Errors
/// When pixels are not square or values not in Hounsfield units.
pub fn hounsfield(mut images: Images, path: &Path) -> Result<Images> {
    images.square_spacing(None, path)?;
    // By the values of the whole scan: a single slice need not show air.
    let unit = Body::new(images, None);
    if unit.unit() == Unit::Hounsfield {
        return Ok(unit.into_images());
    }
    let message = "is not in Hounsfield units, which the CT protocols need; convert it";
    Err(Refused::Input(format!("{}: {message}", path.display())).into())
}

/// Cartesian single-channel MRI of magnitude images.
pub struct Mri;

impl Modality for Mri {
    type Transform = PhasedFourier;
    type Setting = MriSetting;
    const TASK: Task = Task::Mri;
    const UNIT: Unit = Unit::Arbitrary;

    fn window(truth: &ArrayView2<'_, f32>) -> Window {
        Window::percentiles(truth)
    }

    fn prepare(images: Images, _path: &Path) -> Result<Images> {
        Ok(images)
    }

    fn levels(images: &Images) -> Result<Levels> {
        Ok(Levels::without_outliers(&images.all()?.view()))
    }

    fn solve(
        single: &Single,
        setting: &MriSetting,
        tried: &Tried<'_, PhasedFourier>,
        seed: u64,
        context: &Context,
    ) -> Result<Outcome> {
        if setting.legacy.is_some() {
            return thesis::mri(single, setting.acceleration, tried.method, (seed, context));
        }
        let [_, rows, cols] = single.images.shape();
        let mask = setting.plan(seed).mask(rows, cols)?;
        let study = ImageMri::of(single.again()?, mask, single.seed(seed));
        judge(&study, tried.method, None, context)
    }
}

/// Runs a method on the only slice of a study and compares the result with the truth, outside the pixels that are `hidden`.
///
/// # Errors
/// When it cannot be measured or the method fails.
pub fn judge<S: Study>(
    study: &S,
    method: &Method<S::Transform>,
    hidden: Option<&Array2<bool>>,
    context: &Context,
) -> Result<Outcome>
where
    S::Transform: Acquisition,
{
    let Some(found) = reconstruct(study, method, context)? else { return Ok(None) };
    let truth = study.truth(0)?.context("the truth of a protocol's images is known")?;
    let unit = study.frame().values.unit();
    let quality = match hidden {
        None => {
            let largest = truth.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sums = QualitySums::new(largest, unit);
            sums.add(&truth, &found.image)?;
            sums.finish()
        }
        Some(hidden) => assess_outside(&truth, &found.image, hidden, unit)?,
    };
    let std = found.maps.iter().find(|(map, _)| *map == Map::Std).map(|(_, std)| std);
    // A method that stands in for another one may draw several samples where that draws none.
    let calibration = match (std, CalibrationSums::of(method.spread)?) {
        (Some(std), Some(mut sums)) => {
            sums.add(&truth, &found.image, std)?;
            sums.finish()
        }
        _ => None,
    };
    let Found { image, record, .. } = found;
    Ok(Some(Solved { quality, calibration, record, truth, image }))
}

/// Runs a method on the only slice of a study; none when the user stopped it.
///
/// # Errors
/// When it cannot be measured or the method fails.
pub fn reconstruct<S: Study>(
    study: &S,
    method: &Method<S::Transform>,
    context: &Context,
) -> Result<Option<Found>>
where
    S::Transform: Acquisition,
{
    let bars = context.bars();
    bars.begin(1);
    let found = Solver { method, baselines: Vec::new(), null_space: false }.solve(study, 0, &bars);
    bars.end();
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is::<Cancelled>() => Ok(None),
        Err(error) => Err(error),
    }
}
