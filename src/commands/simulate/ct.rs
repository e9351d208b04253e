//! `recon simulate ct`: sinograms.

use super::{SimulateCommon, SimulatedScanner, begin, described, scanner, write_sinogram};
use crate::commands::cli::values::{count, positive};
use anyhow::{Result, bail};
use clap::Args;
use recon_data::digest;
use recon_operators::Radon;
use recon_pipelines::{CaseSeed, ImageCt, Slice, Study, Values};
use std::path::Path;

/// Arguments of `recon simulate ct`.
#[derive(Args, Debug)]
pub struct SimulateCt {
    /// Number of views, equally spaced over half a turn.
    #[arg(long, value_name = "N", value_parser = count)]
    pub views: usize,
    /// Photons that a ray counts in air: adds the noise of such a dose [default: no noise].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub photons: Option<f64>,
    /// Seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0, env = "RECON_SEED", hide_env = true)]
    pub seed: u64,
    #[command(flatten)]
    pub scanner: SimulatedScanner,
    #[command(flatten)]
    pub common: SimulateCommon,
}

/// Runs `recon simulate ct`.
///
/// # Errors
/// See [`failure`](crate::commands::session::failure).
pub(super) fn run(args: &SimulateCt) -> Result<()> {
    let context = begin(&args.common, &[args.scanner.angles_out.as_ref()])?;
    let (body, radon) = scanner(&args.common, &args.scanner, args.views, &context)?;
    if args.photons.is_some() {
        body.check_attenuation("--photons")?;
    }
    let slices = body.images().shape()[0];
    context.say(&described(&args.common, slices, &radon));
    // The same noise as that of a case.
    let case = digest::case_id(&digest::sha256_file(&args.common.input)?);
    let study = ImageCt::of(body, radon.clone(), args.photons, CaseSeed { seed: args.seed, case });
    let sinogram = |k| match study.slice(k)? {
        Slice::Measured(problem) => Ok(problem.measured),
        Slice::Known(_) => bail!("slice {k} was not measured"),
    };
    write_sinogram(slices, sinogram, &radon, (&args.common, &args.scanner))?;
    context.say(&back(&args.common.output, &args.scanner, &radon, study.frame().values));
    Ok(())
}

/// The command that reconstructs a sinogram that was written.
fn back(sinogram: &Path, scanner: &SimulatedScanner, radon: &Radon, values: Values) -> String {
    let geometry = radon.geometry();
    let unit = if values == Values::Hounsfield { " --unit hu" } else { "" };
    let angles =
        scanner.angles_out.as_ref().map_or(String::new(), |path| format!(" --angles {}", path.display()));
    format!(
        "{}: bins of {} mm; reconstruct with recon ct --sinogram {} --size {}x{} --spacing {}{unit}{angles}",
        sinogram.display(),
        geometry.detector_spacing,
        sinogram.display(),
        geometry.rows,
        geometry.cols,
        geometry.spacing
    )
}
