//! `recon mri`: MRI from undersampled k-space.

use super::cli::common::{Common, ImageOptions};
use super::cli::settings::{SettingArgs, method_of};
use super::cli::values::{acceleration, fraction, named};
use super::session::cases::Request;
use super::session::failure::Failure;
use super::session::inputs::image_inputs;
use anyhow::Result;
use clap::Args;
use recon::knobs::Info;
use recon::settings::find;
use recon_data::raw::looks_raw;
use recon_data::{Format, npy};
use recon_pipelines::{Input, KspaceInput, MaskChoice, MriSpec, PhaseAxisName, SamplingSpec, Task, TaskSpec};
use std::path::{Path, PathBuf};

/// Arguments of `recon mri`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("given").required(true).args(["inputs", "kspace"])))]
pub struct MriArgs {
    /// MR images: DICOM files or folders, NIfTI or .npy; their measurement is simulated. Or raw k-space of any number of
    /// coils: fastMRI or ISMRMRD HDF5, BART .cfl, complex .npy [coil, row, col].
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Method of reconstruction; recon help METHOD explains it [default: conditional for simulated lines without noise, tv
    /// for raw k-space, else score].
    #[arg(long, value_parser = method_of(Task::Mri), help_heading = "Method")]
    pub method: Option<&'static Info>,
    /// Measured single-channel k-space, .npy [row, col] or [slice, row, col], centred; --mask FILE says what
    /// was measured [default: what is not zero].
    #[arg(long, value_name = "FILE.npy", conflicts_with = "ImageOptions", help_heading = "Input")]
    pub kspace: Option<PathBuf>,
    #[command(flatten)]
    pub sampling: SamplingOptions,
    #[command(flatten)]
    pub image: ImageOptions,
    #[command(flatten)]
    pub settings: SettingArgs,
    #[command(flatten)]
    pub common: Common,
}

/// Fraction of lines that is left in the centre of undersampled raw k-space at least: coils are calibrated with it.
const COIL_CENTER: f64 = 0.1;

/// The method of raw k-space. The priors know images of a single coil; with several, `score` is not better.
const OF_RAW: &str = "tv";

/// Options of a simulated undersampling.
#[derive(Args, Clone, Debug)]
pub struct SamplingOptions {
    /// Acceleration: how many times fewer samples than a full scan [default: 4].
    #[arg(long, value_name = "R", value_parser = acceleration, help_heading = "Sampling")]
    pub accel: Option<f64>,
    /// Which samples: equispaced, random, magic, gaussian1d, gaussian2d, poisson-disc, radial, or a .npy mask
    /// [default: equispaced].
    #[arg(long, value_name = "NAME|FILE.npy", help_heading = "Sampling")]
    pub mask: Option<MaskChoice>,
    /// Fraction of lines in the fully sampled centre [default: 0.08 up to 4x, 0.04 up to 8x, then 0.32/R; at least 0.1 of
    /// raw k-space].
    #[arg(long, value_name = "F", value_parser = fraction, help_heading = "Sampling")]
    pub center_fraction: Option<f64>,
    /// First line of an equispaced mask [default: drawn by the seed].
    #[arg(long, value_name = "K", help_heading = "Sampling")]
    pub mask_offset: Option<usize>,
    /// Image axis along which lines are left out, also for a mask with one flag for each line [default: columns].
    #[arg(long, value_name = "AXIS", value_parser = named::<PhaseAxisName>(), help_heading = "Sampling")]
    pub phase_axis: Option<PhaseAxisName>,
    /// Write the mask, .npy [row, col].
    #[arg(long, value_name = "FILE.npy", help_heading = "Output")]
    pub mask_out: Option<PathBuf>,
}

impl SamplingOptions {
    /// What they amount to.
    pub fn spec(&self) -> SamplingSpec {
        let Self { accel, mask, center_fraction, mask_offset, phase_axis, .. } = self.clone();
        let default = SamplingSpec::default();
        SamplingSpec {
            accel: accel.unwrap_or(default.accel),
            mask: mask.unwrap_or_default(),
            center_fraction,
            mask_offset,
            phase_axis: phase_axis.unwrap_or(default.phase_axis),
        }
        .resolved()
    }

    /// Whether measured k-space is to be undersampled further.
    fn is_simulated(&self) -> bool {
        let Self { accel, mask, center_fraction, mask_offset, .. } = self;
        let rule = matches!(mask, Some(MaskChoice::Rule(_)));
        rule || accel.is_some() || center_fraction.is_some() || mask_offset.is_some()
    }

    /// Refuses what has no effect on measured k-space.
    fn check_measured(&self) -> Result<(), Failure> {
        let rule = matches!(self.mask, Some(MaskChoice::Rule(_)));
        let idle = match () {
            () if self.accel.is_some() => "--accel",
            () if rule => "--mask NAME",
            () if self.center_fraction.is_some() => "--center-fraction",
            () if self.mask_offset.is_some() => "--mask-offset",
            () => return Ok(()),
        };
        Err(Failure::Usage(format!(
            "{idle}: does nothing with --kspace, whose samples are measured; leave it out, or give --mask FILE.npy"
        )))
    }
}

impl MriArgs {
    fn inputs(&self) -> Result<Vec<Input>> {
        if let Some(path) = &self.kspace {
            let mask = match &self.sampling.mask {
                Some(MaskChoice::File(path)) => Some(path.clone()),
                _ => None,
            };
            let (path, reference) = (path.clone(), self.common.reference.clone());
            let (phase_axis, slices) = (self.sampling.phase_axis, self.common.slices);
            return Ok(vec![Input::Kspace(KspaceInput { path, mask, phase_axis, slices, reference })]);
        }
        let raw = |input: Input| if is_raw(input.path()) { self.raw(input.path()) } else { input };
        let inputs = image_inputs(&self.inputs, (&self.image, &self.common), (None, None))?;
        Ok(inputs.into_iter().map(raw).collect())
    }

    /// A file of raw k-space.
    fn raw(&self, path: &Path) -> Input {
        let Common { slices, reference, .. } = self.common.clone();
        let SamplingOptions { mask, phase_axis, .. } = &self.sampling;
        let mask = if let Some(MaskChoice::File(path)) = mask { Some(path.clone()) } else { None };
        Input::Raw(KspaceInput { path: path.to_owned(), mask, phase_axis: *phase_axis, slices, reference })
    }

    /// An image is undersampled by simulation, raw k-space where it is asked for.
    fn task(&self, inputs: &[Input]) -> Result<TaskSpec, Failure> {
        let is_raw = |input: &Input| matches!(input, Input::Raw(_));
        if inputs.iter().any(is_raw) && !inputs.iter().all(is_raw) {
            let message =
                "give images or raw k-space, not both: one simulates a measurement, the other is one";
            return Err(Failure::Usage(message.to_owned()));
        }
        let simulated = match inputs.first() {
            Some(Input::Image(_)) => true,
            Some(Input::Raw(_)) => self.sampling.is_simulated(),
            _ => false,
        };
        let mut sampling = simulated.then(|| self.sampling.spec());
        if let (Some(Input::Raw(_)), Some(sampling), None) =
            (inputs.first(), &mut sampling, self.sampling.center_fraction)
        {
            sampling.center_fraction = sampling.center_fraction.map(|fraction| fraction.max(COIL_CENTER));
        }
        Ok(TaskSpec::Mri(MriSpec { sampling, noise_std: None }))
    }
}

/// Whether a file holds raw k-space: by its first bytes, or a complex array with an axis of coils.
fn is_raw(path: &Path) -> bool {
    let is_coils = |(shape, stored_as): (Vec<usize>, String)| stored_as.contains('c') && shape.len() > 2;
    looks_raw(path) || Format::of_path(path) == Some(Format::Npy) && npy::describe(path).is_ok_and(is_coils)
}

/// The method of raw k-space, if that is what the inputs are.
fn of_raw(inputs: &[Input]) -> Option<&'static Info> {
    inputs.iter().any(|input| matches!(input, Input::Raw(_))).then(|| find(OF_RAW)).flatten()
}

/// What the arguments ask for.
///
/// # Errors
/// When an option has no effect, or a folder of inputs cannot be listed.
pub fn request<'a>(args: &'a MriArgs, words: &'a [String]) -> Result<Request<'a>> {
    if args.kspace.is_some() {
        args.sampling.check_measured()?;
    }
    let inputs = args.inputs()?;
    Ok(Request {
        task: args.task(&inputs)?,
        method: args.method.or_else(|| of_raw(&inputs)),
        inputs,
        settings: &args.settings,
        mask: args.sampling.mask_out.clone(),
        common: &args.common,
        words,
    })
}

/// Runs `recon mri`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &MriArgs, words: &[String]) -> Result<()> {
    request(args, words)?.run()
}
