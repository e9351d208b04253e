//! `recon simulate`: only the measurement.

use super::cli::common::RunOptions;
use super::cli::values::{count, named, positive};
use super::mar::MetalOptions;
use super::mri::SamplingOptions;
use super::session::context::Context;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};
use num_complex::Complex32;
use recon_data::{Format, Selection, Source, digest, npy};
use recon_operators::{LinearOperator, Radon, metal_trace};
use recon_pipelines::task::arrays::{complex_stack, squeezed};
use recon_pipelines::task::{has_slice_axis, mri};
use recon_pipelines::{
    Body, CaseSeed, FilterName, ImageCt, Images, Metal, Slice, SliceRange, Study, UnitName, Values,
    check_npy, overwrite,
};
use std::path::{Path, PathBuf};

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

/// Runs `recon simulate`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(command: &SimulateCommand) -> Result<()> {
    match command {
        SimulateCommand::Ct(args) => simulate_ct(args),
        SimulateCommand::Mri(args) => simulate_mri(args),
        SimulateCommand::Mar(args) => simulate_mar(args),
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

fn simulate_ct(args: &SimulateCt) -> Result<()> {
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

fn simulate_mri(args: &SimulateMri) -> Result<()> {
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

fn simulate_mar(args: &SimulateMar) -> Result<()> {
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

fn described(common: &SimulateCommon, slices: usize, radon: &Radon) -> String {
    let (input, shape) = (common.input.display(), radon.data_shape());
    format!("{input}: simulating the sinogram of {slices} slices, {} views x {} bins", shape[0], shape[1])
}
