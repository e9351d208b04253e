//! `recon mri`: MRI from undersampled k-space.

use super::budget;
use super::context::Context;
use super::failure::Failure;
use super::job::{self, Job, Method, show_plan};
use super::learned::{self, Plan as LearnedPlan, Task};
use super::load;
use super::options::{Common, Family, Learned};
use super::sampling::{MaskChoice, SamplingOptions};
use super::scale::Values;
use super::several;
use super::target::{Target, check_npy};
use super::tuned;
use anyhow::Result;
use clap::{Args, ValueEnum};
use recon_data::{Source, Unit};
use recon_operators::PhasedFourier;
use recon_pipelines::{Case, ZeroFilled, mri};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `recon mri`.
#[derive(Args, Debug)]
pub struct MriArgs {
    /// MR images: DICOM files or folders, NIfTI or .npy; their measurement is simulated.
    #[arg(value_name = "INPUT", required_unless_present = "kspace", conflicts_with = "kspace")]
    pub inputs: Vec<PathBuf>,
    /// How to reconstruct.
    #[arg(long, value_enum, default_value_t = MriMethod::Score, env = "RECON_METHOD")]
    pub method: MriMethod,
    /// Measured single-channel k-space, .npy [row, col] or [slice, row, col], centred; --mask FILE says what
    /// was measured (default: what is not zero).
    #[arg(long, value_name = "FILE.npy", help_heading = "Input")]
    pub kspace: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sampling: SamplingOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub learned: Learned,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Methods for MRI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MriMethod {
    /// Magnitude of the inverse Fourier transform, zeros where nothing was measured.
    ZeroFilled,
    /// Total variation by FISTA.
    Tv,
    /// Sparsity in Daubechies' wavelets by FISTA.
    L1Wavelet,
    /// The learned prior, fitted to the data at falling noise levels.
    Score,
    /// The learned prior by predictor-corrector sampling: slow, as published.
    Pc,
}

impl MriMethod {
    /// The options that make sense with it.
    pub fn family(self) -> Family {
        match self {
            Self::ZeroFilled => Family::Direct,
            Self::Tv => Family::Tv,
            Self::L1Wavelet => Family::Wavelet,
            Self::Score => Family::Score,
            Self::Pc => Family::PredictorCorrector,
        }
    }

    /// The method with these settings.
    ///
    /// # Errors
    /// When it has a model or a device that is not there.
    pub fn build(self, settings: &LearnedPlan) -> Result<Method<PhasedFourier>> {
        match self {
            Self::ZeroFilled => Ok(Method::classical("zero-filled", ZeroFilled)),
            Self::Tv => Ok(Method::classical("tv", settings.tv())),
            Self::L1Wavelet => Ok(Method::classical("l1-wavelet", settings.wavelet())),
            Self::Score | Self::Pc => {
                learned::method(settings, Unit::Arbitrary, Box::new(learned::start(Task::Mri)))
            }
        }
    }
}

/// What `recon mri` is going to do.
#[derive(Clone, Debug, Serialize)]
struct Plan {
    task: &'static str,
    method: MriMethod,
    simulated: bool,
    sampling: SamplingOptions,
    settings: LearnedPlan,
}

impl Plan {
    fn new(args: &MriArgs) -> Result<Self> {
        args.learned.check(args.method.family())?;
        if let Some(path) = &args.sampling.mask_out {
            check_npy(path, args.common.force)?;
        }
        Ok(Self {
            task: "mri",
            method: args.method,
            simulated: args.kspace.is_none(),
            sampling: args.sampling.resolved(),
            settings: tuned::plan(&args.learned, args.method.family(), Task::Mri)?,
        })
    }

    /// The plan with the steps that `--budget` allows.
    fn within(&self, case: &Case<'_, PhasedFourier>, args: &MriArgs, context: &Context) -> Result<Self> {
        let build = |settings: &LearnedPlan| self.method.build(settings);
        let settings = budget::fitted(&self.settings, &args.common, case, &build, context)?;
        Ok(Self { settings, ..self.clone() })
    }

    fn baselines(&self) -> Vec<Method<PhasedFourier>> {
        let zero_filled = || Method::classical("zero-filled", ZeroFilled);
        match self.method {
            MriMethod::ZeroFilled => Vec::new(),
            MriMethod::Tv | MriMethod::L1Wavelet => vec![zero_filled()],
            MriMethod::Score | MriMethod::Pc => vec![
                zero_filled(),
                Method::classical("l1-wavelet", learned::wavelet()),
                Method::classical("tv", learned::tv(Task::Mri)),
            ],
        }
    }
}

/// Runs `recon mri`.
///
/// # Errors
/// See [`super::failure`].
pub fn run(args: &MriArgs) -> Result<()> {
    let plan = Plan::new(args)?;
    let context = Context::new(&args.common.run)?;
    if let Some(kspace) = &args.kspace {
        return from_kspace(kspace, &plan, args, &context);
    }
    several::each(&args.inputs, &args.common, |input, output| {
        let target = args.common.target(output, input, args.learned.samples)?;
        if args.common.dry_run {
            show_plan(&plan, &target)
        } else {
            from_image(input, target, &plan, args, &context)
        }
    })
}

fn from_image(input: &Path, target: Target, plan: &Plan, args: &MriArgs, context: &Context) -> Result<()> {
    let scan = load::scan(input, args.common.slices, context)?;
    let (_, rows, cols) = scan.volume.voxels.dim();
    let mask = args.sampling.mask(rows, cols, args.common.seed)?;
    args.sampling.write(&mask, rows, cols, args.common.force)?;
    context.say(&format!(
        "{}: simulating {} from the image; for measured data use --kspace",
        input.display(),
        args.sampling.describe(&mask)
    ));
    let case = mri::from_image(&scan.volume, &mask, args.common.seed, 0);
    let plan = plan.within(&case, args, context)?;
    let job = Job {
        case,
        method: plan.method.build(&plan.settings)?,
        baselines: plan.baselines(),
        values: Values::As(scan.volume.unit),
        finish: None,
        geometry: scan.volume.geometry.clone(),
        source: scan.source,
        reference: job::reference(
            &args.common,
            Some(&scan.volume),
            scan.volume.unit,
            scan.volume.voxels.shape(),
        )?,
        window: None,
        inputs: vec![input.to_owned()],
        plan,
        target,
    };
    job.run(&args.common, context)
}

fn from_kspace(path: &Path, plan: &Plan, args: &MriArgs, context: &Context) -> Result<()> {
    let target = args.common.target(args.common.output.as_deref(), path, args.learned.samples)?;
    if args.common.dry_run {
        return show_plan(plan, &target);
    }
    let kspace = load::complex_stack(path, args.common.slices)?;
    let (_, rows, cols) = kspace.dim();
    let (mask, mask_file) = match &args.sampling.mask {
        MaskChoice::File(file) => (load::mask(file, rows, cols)?, Some(file.as_path())),
        MaskChoice::Rule(_) => (mri::sampled(&kspace), None),
    };
    if mask.count() == 0 {
        return Err(
            Failure::Input(format!("{}: every sample is zero; check the file", path.display())).into()
        );
    }
    args.sampling.write(&mask, rows, cols, args.common.force)?;
    context.say(&format!("{}: {} of {} samples measured", path.display(), mask.count(), rows * cols));
    let case = mri::from_kspace(&kspace, &mask, args.common.seed, 0)?;
    let plan = plan.within(&case, args, context)?;
    let job = Job {
        case,
        method: plan.method.build(&plan.settings)?,
        baselines: plan.baselines(),
        values: Values::As(Unit::Arbitrary),
        finish: None,
        geometry: load::plain_geometry(1.0),
        source: Source::Npy,
        reference: job::reference(&args.common, None, Unit::Arbitrary, kspace.shape())?,
        window: None,
        inputs: [Some(path), mask_file].into_iter().flatten().map(Path::to_owned).collect(),
        plan,
        target,
    };
    job.run(&args.common, context)
}
