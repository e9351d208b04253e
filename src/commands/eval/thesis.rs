//! The dissertation's settings: its scale, its choice of views and lines, its metrics.

use super::measure::{Outcome, Single, Solved, reconstruct};
use crate::commands::session::context::Context;
use anyhow::Result;
use ndarray::{Array2, Axis};
use recon_data::{Source, Unit, Volume, attenuation_to_hounsfield};
use recon_operators::{Filter, ParallelBeam, PhasedFourier, Radon, SamplingPlan};
use recon_pipelines::judge::thesis;
use recon_pipelines::{Body, ImageCt, ImageMri, Images, Method};

/// The slice with other values, in this unit.
fn held(single: &Single, image: Array2<f32>, unit: Unit) -> Images {
    let (voxels, geometry) = (image.insert_axis(Axis(0)), single.images.geometry().clone());
    Images::held(Volume { voxels, geometry, unit }, Source::Npy)
}

/// A CT slice in 8 bits of its scan's range of attenuation, from `views` of as many views as it has rows. The images of
/// the outcome are in Hounsfield units.
///
/// # Errors
/// When it cannot be measured or the method fails.
pub fn ct(
    single: &Single,
    body: &Body,
    views: usize,
    method: &Method<Radon>,
    (seed, context): (u64, &Context),
) -> Result<Outcome> {
    let levels = single.levels;
    let truth = levels.digitised(&body.attenuation(0)?);
    let attenuation = levels.values(&truth);
    let (rows, cols) = truth.dim();
    let spacing = single.images.geometry().spacing_mm[2] as f32;
    let geometry = ParallelBeam::with_angles(rows, cols, spacing, thesis::views(rows, views), None);
    let radon = Radon::new(geometry, Filter::Ramp)?;
    let body = Body::new(held(single, attenuation.clone(), Unit::Attenuation), None);
    let study = ImageCt::of(body, radon, None, single.seed(seed));
    let Some(found) = reconstruct(&study, method, context)? else { return Ok(None) };
    let quality = thesis::assess(&truth, &levels.shares(&found.image))?;
    let shown = |attenuation: &Array2<f32>| attenuation.mapv(attenuation_to_hounsfield);
    let (truth, image) = (shown(&attenuation), shown(&found.image));
    Ok(Some(Solved { quality, calibration: None, record: found.record, truth, image }))
}

/// An MR slice in 8 bits of its scan's range, from every `acceleration`-th line of k-space. The images of the outcome
/// are from 0 to 1.
///
/// # Errors
/// When it cannot be measured or the method fails.
pub fn mri(
    single: &Single,
    acceleration: f64,
    method: &Method<PhasedFourier>,
    (seed, context): (u64, &Context),
) -> Result<Outcome> {
    let truth = single.levels.digitised(&single.images.slice(0)?);
    let (rows, cols) = truth.dim();
    let kept = ((cols as f64 / acceleration).round() as usize).max(1);
    let mask = SamplingPlan::score_inverse_problems(cols, kept)?.mask(rows, cols)?;
    let study = ImageMri::of(held(single, truth.clone(), Unit::Arbitrary), mask, single.seed(seed));
    let Some(found) = reconstruct(&study, method, context)? else { return Ok(None) };
    let image = found.image.mapv_into(|value| value.clamp(0.0, 1.0));
    let quality = thesis::assess(&truth, &image)?;
    Ok(Some(Solved { quality, calibration: None, record: found.record, truth, image }))
}
