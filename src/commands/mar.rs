//! `recon mar`: CT without the rays that went through metal.

use super::cli::common::{Common, ImageOptions};
use super::cli::settings::{SettingArgs, method_of};
use super::cli::values::count;
use super::ct::ScannerOptions;
use super::session::cases::Request;
use super::session::inputs::image_inputs;
use anyhow::Result;
use clap::Args;
use recon::knobs::Info;
use recon_pipelines::{FilterName, MarSpec, Task, TaskSpec};
use std::path::PathBuf;

/// Arguments of `recon mar`.
#[derive(Args, Debug)]
pub struct MarArgs {
    /// CT images with metal: DICOM files or folders, NIfTI or .npy.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Method of reconstruction; recon help METHOD explains it.
    #[arg(long, value_parser = method_of(Task::Mar), default_value = "score", help_heading = "Method")]
    pub method: &'static Info,
    #[command(flatten)]
    pub metal: MetalOptions,
    /// Number of simulated detector bins [default: the image diagonal].
    #[arg(long, value_name = "D", value_parser = count, help_heading = "Scanner")]
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

/// Options that say where metal is and what is measured around it.
#[derive(Args, Clone, Debug)]
pub struct MetalOptions {
    /// Values of at least this are metal, in the unit of the image.
    #[arg(
        long,
        value_name = "HU",
        default_value = "3000",
        help_heading = "Metal",
        allow_negative_numbers = true
    )]
    pub metal_threshold: f32,
    /// Where metal is, .npy of the shape of the image; replaces the threshold.
    #[arg(long, value_name = "FILE.npy", help_heading = "Metal")]
    pub metal_mask: Option<PathBuf>,
    /// Number of detector bins on each side of the metal that are discarded too.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Metal")]
    pub metal_margin: usize,
    /// Number of views over half a turn.
    #[arg(long, value_name = "N", value_parser = count, default_value = "360", help_heading = "Scanner")]
    pub views: usize,
}

impl MetalOptions {
    /// What they amount to.
    pub fn spec(&self, detectors: Option<usize>, filter: FilterName) -> MarSpec {
        let Self { metal_threshold, metal_mask, metal_margin, views } = self.clone();
        MarSpec { metal_threshold, metal_mask, metal_margin, views, detectors, filter, noise_std: None }
    }
}

/// What the arguments ask for.
///
/// # Errors
/// When a folder of inputs cannot be listed.
pub fn request<'a>(args: &'a MarArgs, words: &'a [String]) -> Result<Request<'a>> {
    let ScannerOptions { unit, spacing, .. } = args.scanner;
    Ok(Request {
        inputs: image_inputs(&args.inputs, (&args.image, &args.common), (unit, spacing))?,
        task: TaskSpec::Mar(args.metal.spec(args.detectors, args.scanner.filter)),
        method: Some(args.method),
        settings: &args.settings,
        mask: None,
        common: &args.common,
        words,
    })
}

/// Runs `recon mar`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &MarArgs, words: &[String]) -> Result<()> {
    request(args, words)?.run()
}
