//! `recon denoise`: repeats of one image made one, without their noise.

use super::cli::common::{Common, ImageOptions};
use super::cli::settings::{SettingArgs, method_of};
use super::cli::values::named;
use super::session::cases::Request;
use super::session::failure::Failure;
use super::session::inputs::expanded;
use anyhow::Result;
use clap::Args;
use recon::knobs::Info;
use recon_pipelines::{DenoiseSpec, ImageInput, Input, ModalityName, Task, TaskSpec, UnitName};
use std::path::PathBuf;

/// Arguments of `recon denoise`.
#[derive(Args, Debug)]
pub struct DenoiseArgs {
    /// An image, or repeats of one on one grid, CT or MR: DICOM files or folders, NIfTI or .npy; one result comes of all.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Method of denoising; recon help METHOD explains it.
    #[arg(long, value_parser = method_of(Task::Denoise), default_value = "bayes", help_heading = "Method")]
    pub method: &'static Info,
    /// One more repeat of the image; in a plan, where every input is a case of its own, repeats are named so.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub repeat: Vec<PathBuf>,
    /// What made the images, where the files do not say [default: ct where --unit or values below -200 tell it].
    #[arg(long, value_name = "NAME", value_parser = named::<ModalityName>(), help_heading = "Input")]
    pub modality: Option<ModalityName>,
    /// What the numbers of CT images mean [default: hu for CT files and where values lie below -200].
    #[arg(long, value_name = "UNIT", value_parser = named::<UnitName>(), help_heading = "Input")]
    pub unit: Option<UnitName>,
    #[command(flatten)]
    pub image: ImageOptions,
    #[command(flatten)]
    pub settings: SettingArgs,
    #[command(flatten)]
    pub common: Common,
}

/// What the arguments ask for: one case, whatever the number of images.
///
/// # Errors
/// When a folder of inputs cannot be listed.
pub fn request<'a>(args: &'a DenoiseArgs, words: &'a [String]) -> Result<Request<'a>> {
    let mut images = expanded(&args.inputs)?.into_iter().chain(args.repeat.iter().cloned());
    let path = images.next().ok_or_else(|| Failure::Usage("no image is named".to_owned()))?;
    let ImageOptions { series, nan_to } = args.image.clone();
    let Common { slices, reference, .. } = args.common.clone();
    let input = ImageInput { path, series, slices, unit: args.unit, spacing: None, nan_to, reference };
    let spec = DenoiseSpec { repeats: images.collect(), noise_std: Vec::new(), modality: args.modality };
    Ok(Request {
        inputs: vec![Input::Image(input)],
        task: TaskSpec::Denoise(spec),
        method: Some(args.method),
        settings: &args.settings,
        mask: None,
        common: &args.common,
        words,
    })
}

/// Runs `recon denoise`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &DenoiseArgs, words: &[String]) -> Result<()> {
    request(args, words)?.run()
}
