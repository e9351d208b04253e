//! `recon simulate mar`: sinograms around metal.

use super::{SimulateCommon, SimulatedScanner, begin, described, scanner, write_sinogram};
use crate::commands::mar::MetalOptions;
use anyhow::Result;
use clap::Args;
use ndarray::{Array3, Axis};
use recon_data::npy;
use recon_operators::{LinearOperator, metal_trace};
use recon_pipelines::task::arrays::squeezed;
use recon_pipelines::task::has_slice_axis;
use recon_pipelines::{FilterName, Metal, overwrite};
use std::path::PathBuf;

/// Arguments of `recon simulate mar`.
#[derive(Args, Debug)]
pub struct SimulateMar {
    #[command(flatten)]
    pub metal: MetalOptions,
    /// Write which rays miss the metal, .npy booleans of the shape of the sinogram.
    #[arg(long, value_name = "FILE.npy")]
    pub mask_out: Option<PathBuf>,
    #[command(flatten)]
    pub scanner: SimulatedScanner,
    #[command(flatten)]
    pub common: SimulateCommon,
}

/// Runs `recon simulate mar`.
///
/// # Errors
/// See [`failure`](crate::commands::session::failure).
pub(super) fn run(args: &SimulateMar) -> Result<()> {
    let context = begin(&args.common, &[args.scanner.angles_out.as_ref(), args.mask_out.as_ref()])?;
    let (body, radon) = scanner(&args.common, &args.scanner, args.metal.views, &context)?;
    let spec = args.metal.spec(args.scanner.detectors, FilterName::Ramp);
    let metal = Metal::new(&spec, body.images().shape())?;
    let slices = body.images().shape()[0];
    context.say(&described(&args.common, slices, &radon));
    let sinogram = |k| Ok(radon.forward(&body.attenuation(k)?));
    write_sinogram(slices, sinogram, &radon, (&args.common, &args.scanner))?;
    let Some(path) = &args.mask_out else { return Ok(()) };
    let shape = radon.data_shape();
    let mut kept = Array3::from_elem((slices, shape[0], shape[1]), false);
    for (k, mut kept) in kept.axis_iter_mut(Axis(0)).enumerate() {
        let trace = metal_trace(&radon, &metal.slice(k, &body.images().slice(k)?), spec.metal_margin);
        kept.iter_mut().zip(trace.kept()).for_each(|(flag, kept)| *flag = *kept);
    }
    let kept = squeezed(kept, has_slice_axis(&args.common.input));
    Ok(npy::write_mask(path, kept.view(), overwrite(args.common.force))?)
}
