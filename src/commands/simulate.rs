//! `recon simulate`: only the measurement.

use super::context::Context;
use super::load::{self, has_slice_axis, squeezed};
use super::mar::MetalOptions;
use super::options::RunOptions;
use super::sampling::SamplingOptions;
use super::scanner::{Body, ViewOptions};
use super::target::{check_npy, overwrite};
use super::values::{FilterName, SliceRange, UnitName, count, positive};
use anyhow::Result;
use clap::{Args, Subcommand};
use ndarray::{Array1, Array3, ArrayView2};
use num_complex::Complex32;
use recon_data::{Format, Source, npy};
use recon_operators::{Radon, metal_trace};
use recon_pipelines::{ct, mri};
use std::path::{Path, PathBuf};

/// What to simulate.
#[derive(Subcommand, Debug)]
pub enum SimulateCommand {
    /// The sinogram of a CT image, .npy [angle, detector], or [slice, angle, detector] of a volume.
    Ct(SimulateCt),
    /// Undersampled k-space of an MR image, .npy [row, col], or [slice, row, col] of a volume.
    Mri(SimulateMri),
    /// The sinogram of a CT image with metal, and which of its rays miss the metal.
    Mar(SimulateMar),
}

/// Input and output of a simulation.
#[derive(Args, Debug)]
pub struct SimulateCommon {
    /// The image: a DICOM file or folder, NIfTI or .npy.
    #[arg(value_name = "IMAGE")]
    pub input: PathBuf,
    /// Where to write the measurement.
    #[arg(short, long, value_name = "FILE.npy", env = "RECON_OUTPUT")]
    pub output: PathBuf,
    /// Only these slices, counted from 0, B left out.
    #[arg(long, value_name = "A..B")]
    pub slices: Option<SliceRange>,
    /// Write over existing files.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub run: RunOptions,
}

/// The scanner of a simulation.
#[derive(Args, Debug)]
pub struct SimulatedScanner {
    /// Side of a pixel and of a detector bin in mm, for .npy images (default: 1).
    #[arg(long, value_name = "MM", value_parser = positive)]
    pub spacing: Option<f64>,
    /// What the numbers of the image mean; .npy images are projected as they are unless told.
    #[arg(long, value_enum)]
    pub unit: Option<UnitName>,
    /// Write the angles in degrees.
    #[arg(long, value_name = "FILE.npy")]
    pub angles_out: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub view: ViewOptions,
}

/// Arguments of `recon simulate ct`.
#[derive(Args, Debug)]
pub struct SimulateCt {
    /// Number of views, equally spaced over half a turn.
    #[arg(long, value_name = "N", value_parser = count)]
    pub views: usize,
    /// Photons that a ray counts in air: adds the noise of such a dose (default: no noise).
    #[arg(long, value_name = "N", value_parser = positive)]
    pub photons: Option<f64>,
    /// Seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0, env = "RECON_SEED")]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub scanner: SimulatedScanner,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: SimulateCommon,
}

/// Arguments of `recon simulate mri`.
#[derive(Args, Debug)]
pub struct SimulateMri {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sampling: SamplingOptions,
    /// Seed of random masks.
    #[arg(long, value_name = "N", default_value_t = 0, env = "RECON_SEED")]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: SimulateCommon,
}

/// Arguments of `recon simulate mar`.
#[derive(Args, Debug)]
pub struct SimulateMar {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub metal: MetalOptions,
    /// Write which rays miss the metal, .npy booleans of the shape of the sinogram.
    #[arg(long, value_name = "FILE.npy")]
    pub mask_out: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub scanner: SimulatedScanner,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: SimulateCommon,
}

/// Runs `recon simulate`.
///
/// # Errors
/// See [`super::failure`].
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

/// The image to project and the scanner that does.
fn scanner(
    common: &SimulateCommon,
    options: &SimulatedScanner,
    views: usize,
    context: &Context,
) -> Result<(Body, Radon)> {
    let mut scan = load::scan(&common.input, common.slices, context)?;
    let spacing = load::square_spacing(&mut scan, options.spacing, &common.input)?;
    // Arrays have no unit: whatever their values, what is asked for is their Radon transform.
    let is_array = matches!(scan.source, Source::Npy);
    let told = options.unit.or(is_array.then_some(UnitName::Arbitrary));
    let body = Body::new(&scan, told, &common.input, context);
    let radon = body.scanner(views, spacing, &options.view, FilterName::Ramp)?;
    Ok((body, radon))
}

fn write_sinogram(
    sinogram: Array3<f32>,
    radon: &Radon,
    common: &SimulateCommon,
    options: &SimulatedScanner,
) -> Result<()> {
    let overwrite = overwrite(common.force);
    npy::write_real(&common.output, squeezed(sinogram, has_slice_axis(&common.input)).view(), overwrite)?;
    if let Some(path) = &options.angles_out {
        let degrees: Array1<f64> = radon.geometry().angles.iter().map(|angle| angle.to_degrees()).collect();
        npy::write_f64(path, degrees.view(), overwrite)?;
    }
    Ok(())
}

fn simulate_ct(args: &SimulateCt) -> Result<()> {
    let context = begin(&args.common, &[args.scanner.angles_out.as_ref()])?;
    let (body, radon) = scanner(&args.common, &args.scanner, args.views, &context)?;
    let sinogram = match args.photons {
        None => ct::simulate(&body.attenuation.voxels, &radon),
        Some(photons) => {
            body.check_attenuation("--photons")?;
            ct::simulate_low_dose(&body.attenuation, &radon, photons, args.seed)
        }
    };
    context.say(&described(&args.common, &sinogram, "sinogram"));
    write_sinogram(sinogram, &radon, &args.common, &args.scanner)
}

fn simulate_mri(args: &SimulateMri) -> Result<()> {
    let context = begin(&args.common, &[args.sampling.mask_out.as_ref()])?;
    let images = complex_images(&args.common.input, args.common.slices, &context)?;
    let (_, rows, cols) = images.dim();
    let mask = args.sampling.mask(rows, cols, args.seed)?;
    context.say(&format!("{}: simulating {}", args.common.input.display(), args.sampling.describe(&mask)));
    let kspace = mri::simulate(&images, &mask);
    npy::write_complex(
        &args.common.output,
        squeezed(kspace, has_slice_axis(&args.common.input)).view(),
        overwrite(args.common.force),
    )?;
    args.sampling.write(&mask, rows, cols, args.common.force)
}

/// Arrays may be complex; other images are real.
fn complex_images(path: &Path, slices: Option<SliceRange>, context: &Context) -> Result<Array3<Complex32>> {
    if Format::of_path(path) == Some(Format::Npy) && path.is_file() {
        return load::complex_stack(path, slices);
    }
    Ok(load::scan(path, slices, context)?.volume.voxels.mapv(|value| Complex32::new(value, 0.0)))
}

fn simulate_mar(args: &SimulateMar) -> Result<()> {
    let context = begin(&args.common, &[args.scanner.angles_out.as_ref(), args.mask_out.as_ref()])?;
    let (body, radon) = scanner(&args.common, &args.scanner, args.metal.views, &context)?;
    let metal = args.metal.metal(&body.image)?;
    let sinogram = ct::simulate(&body.attenuation.voxels, &radon);
    context.say(&described(&args.common, &sinogram, "sinogram"));
    let (slices, views, detectors) = sinogram.dim();
    write_sinogram(sinogram, &radon, &args.common, &args.scanner)?;
    if let Some(path) = &args.mask_out {
        let trace =
            |metal: ArrayView2<'_, bool>| metal_trace(&radon, &metal.to_owned(), args.metal.metal_margin);
        let kept: Vec<bool> = metal.outer_iter().flat_map(|metal| trace(metal).kept().to_vec()).collect();
        let kept = squeezed(
            Array3::from_shape_vec((slices, views, detectors), kept)?,
            has_slice_axis(&args.common.input),
        );
        npy::write_mask(path, kept.view(), overwrite(args.common.force))?;
    }
    Ok(())
}

fn described(common: &SimulateCommon, sinogram: &Array3<f32>, what: &str) -> String {
    let (slices, views, detectors) = sinogram.dim();
    format!(
        "{}: simulating the {what} of {slices} slices, {views} views x {detectors} bins",
        common.input.display()
    )
}
