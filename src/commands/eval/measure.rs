//! One slice, measured and reconstructed by the code that `recon ct` and `recon mri` run.

use super::images::{self, Image};
use super::setting::{CtSetting, MriSetting, Setting};
use super::thesis;
use crate::commands::context::Context;
use crate::commands::ct::CtMethod;
use crate::commands::failure::Failure;
use crate::commands::job::Method;
use crate::commands::learned::{Plan, Task};
use crate::commands::load;
use crate::commands::mri::MriMethod;
use crate::commands::options::Family;
use crate::commands::scale::Values;
use crate::commands::scanner::{self, Body, ViewOptions};
use crate::commands::values::SliceRange;
use anyhow::Result;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use recon_data::{Scan, Unit, Volume, hounsfield_to_attenuation};
use recon_operators::{PhasedFourier, Radon, Transform};
use recon_pipelines::preview::Window;
use recon_pipelines::report::{Quality, assess, assess_outside};
use recon_pipelines::thesis::Levels;
use recon_pipelines::{Calibration, Case, Map, SliceRecord, calibration, ct, mar, mri};
use std::path::{Path, PathBuf};

/// A slice that was measured, reconstructed and judged.
pub(in crate::commands) struct Solved {
    /// How good it came out.
    pub(in crate::commands) quality: Quality,
    /// What the spread of several samples is worth.
    pub(in crate::commands) calibration: Option<Calibration>,
    /// What it took.
    pub(in crate::commands) record: SliceRecord,
    /// What it should be, (row, col).
    pub(in crate::commands) truth: Array2<f32>,
    /// What came out, in the same unit.
    pub(in crate::commands) image: Array2<f32>,
}

/// A slice; none when the user stopped it.
pub(in crate::commands) type Outcome = Option<Solved>;

/// One slice of a scan.
pub(in crate::commands) struct Single {
    /// The scan's file or folder.
    pub(in crate::commands) path: PathBuf,
    /// Which slice of it, from 0.
    pub(in crate::commands) number: usize,
    /// The slice alone.
    pub(in crate::commands) scan: Scan,
    /// What the dissertation takes for 0 and 1 in the whole scan.
    pub(super) levels: Levels,
}

/// CT or MRI: how a slice is measured, with what it is reconstructed and by which numbers it is judged.
pub(in crate::commands) trait Modality {
    /// The operator of the measurement.
    type Transform: Transform<Image = Array2<f32>> + 'static;
    /// One way to measure.
    type Setting: Setting;
    /// The methods that there are.
    type Method: Copy;
    /// Which defaults the methods have.
    const TASK: Task;

    /// The options that make sense with a method.
    fn family(method: Self::Method) -> Family;

    /// A method with its settings.
    ///
    /// # Errors
    /// When it has a model or a device that is not there.
    fn build(method: Self::Method, settings: &Plan) -> Result<Method<Self::Transform>>;

    /// Which grey values a true slice is shown in.
    fn window(truth: &ArrayView2<'_, f32>) -> Window;

    /// Makes a scan that was read into what the protocol is about.
    ///
    /// # Errors
    /// When it is another kind of image.
    fn prepare(scan: &mut Scan, path: &Path) -> Result<()>;

    /// What the dissertation takes for 0 and 1 in a whole scan, in the unit that is measured.
    fn levels(scan: &Scan) -> Levels;

    /// Measures a slice for a method of this kind, reconstructs and judges it.
    ///
    /// # Errors
    /// When it cannot be measured or the method fails.
    fn solve(
        single: &Single,
        setting: &Self::Setting,
        method: (Self::Method, &Method<Self::Transform>),
        seed: u64,
        context: &Context,
    ) -> Result<Outcome>;
}

/// The slices of a scan that a protocol with `wanted` a scan takes.
///
/// # Errors
/// When the scan cannot be read or is another kind of image.
pub(in crate::commands) fn singles<M: Modality>(
    image: &Image,
    wanted: usize,
    context: &Context,
) -> Result<Vec<Single>> {
    let mut scan = load::scan(&image.path, None, context)?;
    M::prepare(&mut scan, &image.path)?;
    let chosen = images::slices(scan.volume.voxels.len_of(Axis(0)), wanted, image.slices);
    let levels = M::levels(&scan);
    let single = |number: usize| {
        let range = SliceRange { first: number, end: Some(number + 1) };
        let volume = load::cut(&scan.volume, range, &image.path)?;
        let (source, modality) = (scan.source.clone(), scan.modality);
        let scan = Scan { volume, source, modality, warnings: Vec::new() };
        Ok(Single { path: image.path.clone(), number, scan, levels })
    };
    chosen.into_iter().map(single).collect()
}

/// Parallel-beam CT of images in Hounsfield units.
pub(in crate::commands) struct Ct;

impl Modality for Ct {
    type Transform = Radon;
    type Setting = CtSetting;
    type Method = CtMethod;
    const TASK: Task = Task::Ct;

    fn family(method: CtMethod) -> Family {
        method.family()
    }

    fn build(method: CtMethod, settings: &Plan) -> Result<Method<Radon>> {
        method.build(settings, Unit::Hounsfield)
    }

    fn window(_truth: &ArrayView2<'_, f32>) -> Window {
        Window::SOFT_TISSUE
    }

    fn prepare(scan: &mut Scan, path: &Path) -> Result<()> {
        hounsfield(scan, path)
    }

    fn levels(scan: &Scan) -> Levels {
        let Levels { low, high } = Levels::extremes(&scan.volume.voxels.view());
        let attenuation = |hounsfield: f64| f64::from(hounsfield_to_attenuation(hounsfield as f32));
        Levels { low: attenuation(low), high: attenuation(high) }
    }

    fn solve(
        single: &Single,
        setting: &CtSetting,
        (_, method): (CtMethod, &Method<Radon>),
        seed: u64,
        context: &Context,
    ) -> Result<Outcome> {
        let scan = &single.scan;
        let body = Body::new(scan, None, &single.path, context);
        if setting.legacy.is_some() {
            return thesis::ct(single, body, setting.views, method, (seed, context));
        }
        let spacing = scan.volume.geometry.spacing_mm[2] as f32;
        let radon = body.scanner(setting.views, spacing, &ViewOptions { detectors: None }, setting.filter)?;
        let case = match setting.photons {
            None => ct::from_image(&body.attenuation, &radon, seed, 0),
            Some(photons) => ct::low_dose(&body.attenuation, &radon, photons, seed, 0),
        };
        judge(&case, method, (&body.image, None), Values::Hounsfield, context)
    }
}

/// Takes a scan for a CT image.
///
/// # Errors
/// When its pixels are not square or its values not in Hounsfield units.
pub(super) fn hounsfield(scan: &mut Scan, path: &Path) -> Result<()> {
    load::square_spacing(scan, None, path)?;
    // Of the whole scan: a single slice need not show air.
    scan.volume.unit = scanner::unit(&scan.volume, None);
    if scan.volume.unit == Unit::Hounsfield {
        return Ok(());
    }
    let message = "is not in Hounsfield units, which the CT protocols are about; convert it";
    Err(Failure::Input(format!("{}: {message}", path.display())).into())
}

/// Cartesian single-channel MRI of magnitude images.
pub(in crate::commands) struct Mri;

impl Modality for Mri {
    type Transform = PhasedFourier;
    type Setting = MriSetting;
    type Method = MriMethod;
    const TASK: Task = Task::Mri;

    fn family(method: MriMethod) -> Family {
        method.family()
    }

    fn build(method: MriMethod, settings: &Plan) -> Result<Method<PhasedFourier>> {
        method.build(settings)
    }

    fn window(truth: &ArrayView2<'_, f32>) -> Window {
        Window::percentiles(truth)
    }

    fn prepare(_scan: &mut Scan, _path: &Path) -> Result<()> {
        Ok(())
    }

    fn levels(scan: &Scan) -> Levels {
        Levels::without_outliers(&scan.volume.voxels.view())
    }

    fn solve(
        single: &Single,
        setting: &MriSetting,
        (_, method): (MriMethod, &Method<PhasedFourier>),
        seed: u64,
        context: &Context,
    ) -> Result<Outcome> {
        if setting.legacy.is_some() {
            return thesis::mri(single, setting.acceleration, method, (seed, context));
        }
        let scan = &single.scan;
        let (_, rows, cols) = scan.volume.voxels.dim();
        let mask = setting.plan(seed).mask(rows, cols)?;
        let case = mri::from_image(&scan.volume, &mask, seed, 0);
        judge(&case, method, (&scan.volume, None), Values::As(scan.volume.unit), context)
    }
}

/// Runs a case of one slice and compares the result with `truth`, outside the voxels that are `hidden`, which are put
/// back.
pub(super) fn judge<T: Transform<Image = Array2<f32>>>(
    case: &Case<'_, T>,
    method: &Method<T>,
    (truth, hidden): (&Volume, Option<&Array3<bool>>),
    values: Values,
    context: &Context,
) -> Result<Outcome> {
    let Some(Found { images, std, record }) = reconstruct(case, method, context)? else { return Ok(None) };
    let (voxels, geometry) = (values.image(images), truth.geometry.clone());
    let mut result = Volume { voxels, geometry, unit: values.unit() };
    let quality = match hidden {
        None => assess(truth, &result, &[])?.result,
        Some(hidden) => {
            mar::restore_metal(&mut result.voxels, &truth.voxels, hidden);
            assess_outside(truth, &result, hidden)?
        }
    };
    let calibration = std.and_then(|std| {
        let std = values.spread(std);
        calibration(&truth.voxels, (&result.voxels, &std), method.samples).ok()
    });
    let slice = |volume: Volume| volume.voxels.index_axis_move(Axis(0), 0);
    Ok(Some(Solved { quality, calibration, record, truth: slice(truth.clone()), image: slice(result) }))
}

/// What a method found for one slice.
pub(super) struct Found {
    /// The image, axes (slice, row, col).
    pub(super) images: Array3<f32>,
    /// The standard deviation of several samples.
    std: Option<Array3<f32>>,
    /// What it took.
    pub(super) record: SliceRecord,
}

/// Runs a case of one slice; none when the user stopped it.
pub(super) fn reconstruct<T: Transform<Image = Array2<f32>>>(
    case: &Case<'_, T>,
    method: &Method<T>,
    context: &Context,
) -> Result<Option<Found>> {
    let bars = context.bars(1);
    let done = case.run(&*method.run, &[], &bars);
    bars.clear();
    let mut done = done?;
    let std = done.maps.into_iter().find(|(map, _)| *map == Map::Std).map(|(_, std)| std);
    Ok(done.records.pop().map(|record| Found { images: done.images, std, record }))
}
