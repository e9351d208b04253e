//! `recon simulate`: only the measurement.

mod ct;
mod mar;
mod mri;

use super::cli::common::RunOptions;
use super::cli::values::{count, named, positive};
use super::session::context::Context;
use anyhow::Result;
use clap::{Args, Subcommand};
use ct::SimulateCt;
use mar::SimulateMar;
use mri::SimulateMri;
use ndarray::{Array1, Array2, Array3};
use recon_data::{Selection, Source, npy};
use recon_operators::{LinearOperator, Radon};
use recon_pipelines::task::arrays::squeezed;
use recon_pipelines::task::has_slice_axis;
use recon_pipelines::{Body, FilterName, Images, SliceRange, UnitName, check_npy, overwrite};
use std::path::PathBuf;

/// What to simulate.
#[derive(Subcommand, Debug)]
pub enum SimulateCommand {
    /// Simulate the sinogram of a CT image, .npy [angle, detector], or [slice, angle, detector] of a volume.
    Ct(SimulateCt),
    /// Simulate undersampled k-space of an MR image, .npy [row, col], or [slice, row, col] of a volume.
    Mri(SimulateMri),
    /// Simulate the sinogram of a CT image with metal, and write which of its rays miss the metal.
    Mar(SimulateMar),
}

/// Input and output of a simulation.
#[derive(Args, Debug)]
pub struct SimulateCommon {
    /// The image: a DICOM file or folder, NIfTI or .npy.
    #[arg(value_name = "IMAGE")]
    pub input: PathBuf,
    /// Where to write the measurement.
    #[arg(short, long, value_name = "FILE.npy", env = "RECON_OUTPUT", hide_env = true)]
    pub output: PathBuf,
    /// Only slices A to B, counted from 0, without B itself.
    #[arg(long, value_name = "A..B")]
    pub slices: Option<SliceRange>,
    /// Overwrite existing files.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub run: RunOptions,
}

/// The scanner of a simulation.
#[derive(Args, Debug)]
pub struct SimulatedScanner {
    /// Side of a pixel and of a detector bin in mm, for .npy images [default: 1].
    #[arg(long, value_name = "MM", value_parser = positive)]
    pub spacing: Option<f64>,
    /// What the numbers of the image mean; without it .npy images are projected as they are.
    #[arg(long, value_name = "UNIT", value_parser = named::<UnitName>())]
    pub unit: Option<UnitName>,
    /// Write the angles in degrees.
    #[arg(long, value_name = "FILE.npy")]
    pub angles_out: Option<PathBuf>,
    /// Number of detector bins [default: the image diagonal].
    #[arg(long, value_name = "D", value_parser = count)]
    pub detectors: Option<usize>,
}

/// Runs `recon simulate`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(command: &SimulateCommand) -> Result<()> {
    match command {
        SimulateCommand::Ct(args) => ct::run(args),
        SimulateCommand::Mri(args) => mri::run(args),
        SimulateCommand::Mar(args) => mar::run(args),
    }
}

fn begin(common: &SimulateCommon, others: &[Option<&PathBuf>]) -> Result<Context> {
    for path in others.iter().copied().flatten().chain([&common.output]) {
        check_npy(path, common.force)?;
    }
    Context::new(&common.run)
}

fn open(common: &SimulateCommon, context: &Context) -> Result<Images> {
    let (images, remarks) = Images::open(&common.input, common.slices, Selection::default())?;
    let input = common.input.display();
    remarks.warnings.iter().for_each(|warning| context.say(&format!("warning: {input}: {warning}")));
    Ok(images)
}

/// The image to project and the scanner that does.
fn scanner(
    common: &SimulateCommon,
    options: &SimulatedScanner,
    views: usize,
    context: &Context,
) -> Result<(Body, Radon)> {
    let mut images = open(common, context)?;
    let spacing = images.square_spacing(options.spacing, &common.input)?;
    // Arrays have no unit: whatever their values, what is asked for is their Radon transform.
    let is_array = matches!(images.source(), Source::Npy);
    let body = Body::new(images, options.unit.or(is_array.then_some(UnitName::Arbitrary)));
    let radon = body.scanner(views, options.detectors, spacing, FilterName::Ramp)?;
    Ok((body, radon))
}

/// Writes sinograms, one a slice, and the angles where they are asked for.
fn write_sinogram(
    slices: usize,
    sinogram: impl Fn(usize) -> Result<Array2<f32>>,
    radon: &Radon,
    (common, options): (&SimulateCommon, &SimulatedScanner),
) -> Result<()> {
    let shape = radon.data_shape();
    let mut all = Array3::zeros((slices, shape[0], shape[1]));
    for (k, mut slice) in all.outer_iter_mut().enumerate() {
        slice.assign(&sinogram(k)?);
    }
    let overwrite = overwrite(common.force);
    npy::write_real(&common.output, squeezed(all, has_slice_axis(&common.input)).view(), overwrite)?;
    if let Some(path) = &options.angles_out {
        let degrees: Array1<f64> = radon.geometry().angles.iter().map(|angle| angle.to_degrees()).collect();
        npy::write_f64(path, degrees.view(), overwrite)?;
    }
    Ok(())
}

fn described(common: &SimulateCommon, slices: usize, radon: &Radon) -> String {
    let (input, shape) = (common.input.display(), radon.data_shape());
    format!("{input}: simulating the sinogram of {slices} slices, {} views x {} bins", shape[0], shape[1])
}
