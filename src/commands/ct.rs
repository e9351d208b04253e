//! `recon ct`: CT from few views.

use super::cli::common::{Common, ImageOptions};
use super::cli::settings::{SettingArgs, method_of};
use super::cli::values::{count, named, not_negative, positive};
use super::session::cases::Request;
use super::session::inputs::image_inputs;
use anyhow::Result;
use clap::Args;
use recon::knobs::Info;
use recon_pipelines::{CtSpec, FilterName, ImageSize, Input, SinogramInput, Task, TaskSpec, UnitName};
use std::path::PathBuf;

/// Arguments of `recon ct`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("given").required(true).args(["inputs", "sinogram"])))]
pub struct CtArgs {
    /// CT images: DICOM files or folders, NIfTI or .npy; their measurement is simulated.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Method of reconstruction; recon help METHOD explains it.
    #[arg(long, value_parser = method_of(Task::Ct), default_value = "score", help_heading = "Method")]
    pub method: &'static Info,
    /// Number of views to simulate, equally spaced over half a turn [default: 23].
    #[arg(long, value_name = "N", value_parser = count, conflicts_with = "sinogram", help_heading = "Scanner")]
    pub views: Option<usize>,
    /// Photons that a ray counts in air: simulated views get the noise of such a dose; with --sinogram it says how noisy
    /// the line integrals -ln(counts/N) are [default: no noise].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Scanner")]
    pub photons: Option<f64>,
    /// Measured line integrals, .npy [angle, detector] or [slice, angle, detector].
    #[arg(
        long,
        value_name = "FILE.npy",
        requires = "size",
        conflicts_with = "ImageOptions",
        help_heading = "Input"
    )]
    pub sinogram: Option<PathBuf>,
    /// Angles of the sinogram in degrees, .npy [default: equally spaced over half a turn].
    #[arg(long, value_name = "FILE.npy", conflicts_with = "inputs", help_heading = "Input")]
    pub angles: Option<PathBuf>,
    /// Which rays of the sinogram to use, .npy of its shape or with one flag for each detector bin [default: all].
    #[arg(long, value_name = "FILE.npy", conflicts_with = "inputs", help_heading = "Input")]
    pub mask: Option<PathBuf>,
    /// Size of the image to reconstruct from a sinogram.
    #[arg(long, value_name = "ROWSxCOLS", conflicts_with = "inputs", help_heading = "Input")]
    pub size: Option<ImageSize>,
    /// Width of a detector bin of the sinogram in mm [default: the side of a pixel].
    #[arg(long, value_name = "MM", value_parser = positive, conflicts_with = "inputs", help_heading = "Input")]
    pub detector_spacing: Option<f64>,
    /// The bin of the sinogram that the axis of rotation falls on, counted from 0 [default: the middle].
    #[arg(long, value_name = "BIN", value_parser = not_negative, conflicts_with = "inputs", help_heading = "Input")]
    pub center: Option<f64>,
    /// Number of simulated detector bins [default: the image diagonal].
    #[arg(long, value_name = "D", value_parser = count, conflicts_with = "sinogram", help_heading = "Scanner")]
    pub detectors: Option<usize>,
    #[command(flatten)]
    pub scanner: ScannerOptions,
    #[command(flatten)]
    pub image: ImageOptions,
    #[command(flatten)]
    pub settings: SettingArgs,
    #[command(flatten)]
    pub common: Common,
}

/// Options of a scanner that are the same for measured and simulated data.
#[derive(Args, Clone, Debug)]
pub struct ScannerOptions {
    /// Filter of the back-projection.
    #[arg(long, value_name = "NAME", value_parser = named::<FilterName>(), default_value = "ramp", help_heading = "Scanner")]
    pub filter: FilterName,
    /// Side of a pixel in mm, for .npy arrays; detector bins are as wide [default: 1].
    #[arg(long, value_name = "MM", value_parser = positive, help_heading = "Scanner")]
    pub spacing: Option<f64>,
    /// What the numbers of an image mean [default: hu for CT files and where values lie below -200].
    #[arg(long, value_name = "UNIT", value_parser = named::<UnitName>(), help_heading = "Input")]
    pub unit: Option<UnitName>,
}

impl CtArgs {
    fn inputs(&self) -> Result<Vec<Input>> {
        let ScannerOptions { unit, spacing, .. } = self.scanner;
        if let (Some(path), Some(size)) = (&self.sinogram, self.size) {
            return Ok(vec![Input::Sinogram(SinogramInput {
                path: path.clone(),
                angles: self.angles.clone(),
                mask: self.mask.clone(),
                size,
                slices: self.common.slices,
                unit,
                spacing,
                detector_spacing: self.detector_spacing,
                center: self.center,
                reference: self.common.reference.clone(),
            })]);
        }
        Ok(image_inputs(&self.inputs, (&self.image, &self.common), (unit, spacing))?)
    }

    fn task(&self) -> TaskSpec {
        let simulated = self.sinogram.is_none();
        TaskSpec::Ct(CtSpec {
            views: simulated.then(|| self.views.unwrap_or(recon_pipelines::VIEWS)),
            detectors: self.detectors,
            filter: self.scanner.filter,
            photons: self.photons,
            noise_std: None,
        })
    }
}

/// What the arguments ask for.
///
/// # Errors
/// When a folder of inputs cannot be listed.
pub fn request<'a>(args: &'a CtArgs, words: &'a [String]) -> Result<Request<'a>> {
    Ok(Request {
        inputs: args.inputs()?,
        task: args.task(),
        method: Some(args.method),
        settings: &args.settings,
        mask: None,
        common: &args.common,
        words,
    })
}

/// Runs `recon ct`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &CtArgs, words: &[String]) -> Result<()> {
    request(args, words)?.run()
}
