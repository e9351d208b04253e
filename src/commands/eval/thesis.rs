//! The dissertation's settings: its scale, its choice of views and lines, its metrics.

use super::measure::{Found, Outcome, Single, Solved, reconstruct};
use crate::commands::context::Context;
use crate::commands::job::Method;
use crate::commands::scanner::Body;
use anyhow::Result;
use ndarray::{Array2, Array3, Axis};
use recon_data::attenuation_to_hounsfield;
use recon_operators::{Filter, ParallelBeam, PhasedFourier, Radon, SamplingPlan};
use recon_pipelines::{ct as ct_case, mri as mri_case, thesis};

/// The first and only slice of a volume, or the volume of one slice.
fn slice(volume: &Array3<f32>) -> Array2<f32> {
    volume.index_axis(Axis(0), 0).to_owned()
}

fn volume(slice: Array2<f32>) -> Array3<f32> {
    slice.insert_axis(Axis(0))
}

/// A CT slice in 8 bits of its scan's range of attenuation, from `views` of as many views as it has rows. The images of
/// the outcome are in Hounsfield units.
///
/// # Errors
/// When it cannot be measured or the method fails.
pub(super) fn ct(
    single: &Single,
    mut body: Body,
    views: usize,
    method: &Method<Radon>,
    (seed, context): (u64, &Context),
) -> Result<Outcome> {
    let levels = single.levels;
    let truth = levels.digitised(&slice(&body.attenuation.voxels));
    body.attenuation.voxels = volume(levels.values(&truth));
    let (rows, cols) = truth.dim();
    let spacing = single.scan.volume.geometry.spacing_mm[2] as f32;
    let geometry = ParallelBeam::with_angles(rows, cols, spacing, thesis::views(rows, views), None);
    let radon = Radon::new(geometry, Filter::Ramp)?;
    let case = ct_case::from_image(&body.attenuation, &radon, seed, 0);
    let Some(Found { images: result, record, .. }) = reconstruct(&case, method, context)? else {
        return Ok(None);
    };
    let quality = thesis::assess(&truth, &levels.shares(&slice(&result)))?;
    let shown = |attenuation: &Array3<f32>| slice(attenuation).mapv(attenuation_to_hounsfield);
    Ok(Some(Solved {
        quality,
        calibration: None,
        record,
        truth: shown(&body.attenuation.voxels),
        image: shown(&result),
    }))
}

/// An MR slice in 8 bits of its scan's range, from every `acceleration`-th line of k-space. The images of the outcome
/// are from 0 to 1.
///
/// # Errors
/// When it cannot be measured or the method fails.
pub(super) fn mri(
    single: &Single,
    acceleration: f64,
    method: &Method<PhasedFourier>,
    (seed, context): (u64, &Context),
) -> Result<Outcome> {
    let mut scan = single.scan.volume.clone();
    let truth = single.levels.digitised(&slice(&scan.voxels));
    scan.voxels = volume(truth.clone());
    let (rows, cols) = truth.dim();
    let kept = ((cols as f64 / acceleration).round() as usize).max(1);
    let mask = SamplingPlan::score_inverse_problems(cols, kept)?.mask(rows, cols)?;
    let case = mri_case::from_image(&scan, &mask, seed, 0);
    let Some(Found { images: result, record, .. }) = reconstruct(&case, method, context)? else {
        return Ok(None);
    };
    let image = slice(&result).mapv_into(|value| value.clamp(0.0, 1.0));
    let quality = thesis::assess(&truth, &image)?;
    Ok(Some(Solved { quality, calibration: None, record, truth, image }))
}
