//! `recon simulate mri`: undersampled k-space.

use super::{SimulateCommon, begin, open};
use crate::commands::mri::SamplingOptions;
use crate::commands::session::context::Context;
use anyhow::Result;
use clap::Args;
use ndarray::{Array3, ArrayView2};
use num_complex::Complex32;
use recon_data::{Format, npy};
use recon_pipelines::overwrite;
use recon_pipelines::task::arrays::{complex_stack, squeezed};
use recon_pipelines::task::{has_slice_axis, mri};
use std::path::Path;

/// Arguments of `recon simulate mri`.
#[derive(Args, Debug)]
pub struct SimulateMri {
    #[command(flatten)]
    pub sampling: SamplingOptions,
    /// Seed of random masks.
    #[arg(long, value_name = "N", default_value_t = 0, env = "RECON_SEED", hide_env = true)]
    pub seed: u64,
    #[command(flatten)]
    pub common: SimulateCommon,
}

/// Runs `recon simulate mri`.
///
/// # Errors
/// See [`failure`](crate::commands::session::failure).
pub(super) fn run(args: &SimulateMri) -> Result<()> {
    let context = begin(&args.common, &[args.sampling.mask_out.as_ref()])?;
    let images = complex_images(&args.common, &context)?;
    let (_, rows, cols) = images.dim();
    let sampling = args.sampling.spec();
    let mask = sampling.mask(rows, cols, args.seed)?;
    let input = args.common.input.display();
    context.say(&format!("{input}: simulating {}", sampling.describe(&mask)));
    let kspace = mri::simulate(&images, &mask);
    let overwrite = overwrite(args.common.force);
    let keep_axis = has_slice_axis(&args.common.input);
    npy::write_complex(&args.common.output, squeezed(kspace, keep_axis).view(), overwrite)?;
    let Some(path) = &args.sampling.mask_out else { return Ok(()) };
    let flags = ArrayView2::from_shape((rows, cols), mask.kept())?;
    Ok(npy::write_mask(path, flags, overwrite)?)
}

/// Arrays may be complex; other images are real.
fn complex_images(common: &SimulateCommon, context: &Context) -> Result<Array3<Complex32>> {
    let path: &Path = &common.input;
    if Format::of_path(path) == Some(Format::Npy) && path.is_file() {
        return complex_stack(path, common.slices);
    }
    let images = open(common, context)?;
    let [slices, rows, cols] = images.shape();
    let mut all = Array3::zeros((slices, rows, cols));
    for (k, mut slice) in all.outer_iter_mut().enumerate() {
        slice.assign(&images.slice(k)?.mapv(|value| Complex32::new(value, 0.0)));
    }
    Ok(all)
}
