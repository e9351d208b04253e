//! `recon ct`: CT from few views.

use super::budget;
use super::context::Context;
use super::failure::Failure;
use super::job::{self, Job, Method, show_plan};
use super::learned::{self, Plan as LearnedPlan, Task};
use super::options::{Common, Family, Learned};
use super::scale::Values;
use super::scanner::{self, Body, ScannerOptions, ViewOptions};
use super::several;
use super::target::Target;
use super::tuned;
use super::values::{ImageSize, count, positive};
use super::{load, values::UnitName};
use anyhow::Result;
use clap::{Args, ValueEnum};
use recon_data::{Source, Unit};
use recon_operators::{ParallelBeam, Radon};
use recon_pipelines::preview::Window;
use recon_pipelines::{Case, Direct, ct};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `recon ct`.
#[derive(Args, Debug)]
pub struct CtArgs {
    /// CT images: DICOM files or folders, NIfTI or .npy; their measurement is simulated.
    #[arg(value_name = "INPUT", required_unless_present = "sinogram", conflicts_with = "sinogram")]
    pub inputs: Vec<PathBuf>,
    /// How to reconstruct.
    #[arg(long, value_enum, default_value_t = CtMethod::Score, env = "RECON_METHOD")]
    pub method: CtMethod,
    /// Number of views to simulate, equally spaced over half a turn.
    #[arg(long, value_name = "N", value_parser = count, default_value = "23", conflicts_with = "sinogram", help_heading = "Scanner")]
    pub views: usize,
    /// Photons that a ray counts in air: simulated views get the noise of such a dose; of a sinogram it says how noisy
    /// its line integrals -ln(counts/N) are (default: no noise).
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Scanner")]
    pub photons: Option<f64>,
    /// Measured line integrals, .npy [angle, detector] or [slice, angle, detector].
    #[arg(long, value_name = "FILE.npy", requires = "size", help_heading = "Input")]
    pub sinogram: Option<PathBuf>,
    /// Angles of the sinogram in degrees, .npy (default: equally spaced over half a turn).
    #[arg(long, value_name = "FILE.npy", requires = "sinogram", help_heading = "Input")]
    pub angles: Option<PathBuf>,
    /// Which rays of the sinogram to use, .npy of its shape or one flag a detector bin (default: all).
    #[arg(long, value_name = "FILE.npy", requires = "sinogram", help_heading = "Input")]
    pub mask: Option<PathBuf>,
    /// Size of the image to reconstruct from a sinogram.
    #[arg(long, value_name = "ROWSxCOLS", requires = "sinogram", help_heading = "Input")]
    pub size: Option<ImageSize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub view: ViewOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub scanner: ScannerOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub learned: Learned,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Methods for CT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CtMethod {
    /// Filtered back-projection.
    Fbp,
    /// Total variation by FISTA.
    FistaTv,
    /// The learned prior, fitted to the data at falling noise levels.
    Score,
    /// The learned prior by predictor-corrector sampling: slow, as published.
    Pc,
}

impl CtMethod {
    /// The options that make sense with it.
    pub fn family(self) -> Family {
        match self {
            Self::Fbp => Family::Direct,
            Self::FistaTv => Family::Tv,
            Self::Score => Family::Score,
            Self::Pc => Family::PredictorCorrector,
        }
    }

    /// The method with these settings for images of this unit.
    ///
    /// # Errors
    /// When it has a model or a device that is not there.
    pub fn build(self, settings: &LearnedPlan, unit: Unit) -> Result<Method<Radon>> {
        match self {
            Self::Fbp => Ok(Method::classical("fbp", Direct)),
            Self::FistaTv => Ok(Method::classical("fista-tv", settings.tv())),
            Self::Score | Self::Pc => learned::method(settings, unit, Box::new(learned::start(Task::Ct))),
        }
    }
}

/// What `recon ct` is going to do.
#[derive(Clone, Debug, Serialize)]
struct Plan {
    task: &'static str,
    method: CtMethod,
    views: Option<usize>,
    angles: Option<PathBuf>,
    mask: Option<PathBuf>,
    size: Option<ImageSize>,
    simulated: bool,
    photons: Option<f64>,
    view: ViewOptions,
    scanner: ScannerOptions,
    settings: LearnedPlan,
}

impl Plan {
    fn new(args: &CtArgs) -> Result<Self> {
        args.learned.check(args.method.family())?;
        Ok(Self {
            task: "ct",
            method: args.method,
            views: args.sinogram.is_none().then_some(args.views),
            angles: args.angles.clone(),
            mask: args.mask.clone(),
            size: args.size,
            simulated: args.sinogram.is_none(),
            photons: args.photons,
            view: args.view.clone(),
            scanner: args.scanner.clone(),
            settings: tuned::plan(&args.learned, args.method.family(), Task::Ct)?,
        })
    }

    /// The plan with the steps that `--budget` allows.
    fn within(&self, unit: Unit, case: &Case<'_, Radon>, args: &CtArgs, context: &Context) -> Result<Self> {
        let build = |settings: &LearnedPlan| self.method.build(settings, unit);
        let settings = budget::fitted(&self.settings, &args.common, case, &build, context)?;
        Ok(Self { settings, ..self.clone() })
    }

    fn baselines(&self) -> Vec<Method<Radon>> {
        let fbp = || Method::classical("fbp", Direct);
        match self.method {
            CtMethod::Fbp => Vec::new(),
            CtMethod::FistaTv => vec![fbp()],
            CtMethod::Score | CtMethod::Pc => {
                vec![fbp(), Method::classical("fista-tv", learned::tv(Task::Ct))]
            }
        }
    }
}

/// Runs `recon ct`.
///
/// # Errors
/// See [`super::failure`].
pub fn run(args: &CtArgs) -> Result<()> {
    let plan = Plan::new(args)?;
    let context = Context::new(&args.common.run)?;
    if let (Some(sinogram), Some(size)) = (&args.sinogram, args.size) {
        return from_sinogram(sinogram, size, &plan, args, &context);
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

fn from_image(input: &Path, target: Target, plan: &Plan, args: &CtArgs, context: &Context) -> Result<()> {
    let mut scan = load::scan(input, args.common.slices, context)?;
    let spacing = load::square_spacing(&mut scan, args.scanner.spacing, input)?;
    context.say(&format!(
        "{}: simulating {} views over 180 degrees from the image; for measured data use --sinogram",
        input.display(),
        args.views
    ));
    let body = Body::new(&scan, args.scanner.unit, input, context);
    let unit = body.image.unit;
    let radon = body.scanner(args.views, spacing, &args.view, args.scanner.filter)?;
    let hounsfield = unit == Unit::Hounsfield;
    let case = simulated(&body, &radon, args)?;
    let plan = plan.within(unit, &case, args, context)?;
    let job = Job {
        case,
        method: plan.method.build(&plan.settings, unit)?,
        baselines: plan.baselines(),
        values: if hounsfield { Values::Hounsfield } else { Values::As(unit) },
        finish: None,
        geometry: body.image.geometry.clone(),
        source: scan.source,
        reference: job::reference(&args.common, Some(&body.image), unit, body.image.voxels.shape())?,
        window: hounsfield.then_some(Window::SOFT_TISSUE),
        inputs: vec![input.to_owned()],
        plan,
        target,
    };
    job.run(&args.common, context)
}

/// The case of an image, at a low dose if that is asked for.
fn simulated<'a>(body: &'a Body, radon: &'a Radon, args: &CtArgs) -> Result<Case<'a, Radon>> {
    let seed = args.common.seed;
    match args.photons {
        None => Ok(ct::from_image(&body.attenuation, radon, seed, 0)),
        Some(photons) => {
            body.check_attenuation("--photons")?;
            Ok(ct::low_dose(&body.attenuation, radon, photons, seed, 0))
        }
    }
}

fn from_sinogram(path: &Path, size: ImageSize, plan: &Plan, args: &CtArgs, context: &Context) -> Result<()> {
    let target = args.common.target(args.common.output.as_deref(), path, args.learned.samples)?;
    if args.common.dry_run {
        return show_plan(plan, &target);
    }
    if args.view.detectors.is_some() {
        return Err(Failure::Usage(
            "--detectors: a measured sinogram has its own; leave the option out".into(),
        )
        .into());
    }
    let sinogram = load::real_stack(path, args.common.slices)?;
    let (slices, views, detectors) = sinogram.dim();
    let side = args.scanner.spacing.unwrap_or(1.0);
    let equally = ParallelBeam::equally_spaced(size.rows, size.cols, side as f32, views).angles;
    let angles = args.angles.as_ref().map_or(Ok(equally), |angles| scanner::angles(angles, views))?;
    let geometry = ParallelBeam::with_angles(size.rows, size.cols, side as f32, angles, Some(detectors));
    let radon = Radon::new(geometry, args.scanner.filter.into())?;
    let kept = args.mask.as_ref().map(|mask| load::mask(mask, views, detectors)).transpose()?;
    // Line integrals of .npy arrays have no unit unless the user says which, so that a phantom works too.
    let unit = args.scanner.unit.unwrap_or(UnitName::Arbitrary).into();
    let case = ct::from_sinogram(&sinogram, kept, args.photons, &radon, (args.common.seed, 0))?;
    let plan = plan.within(unit, &case, args, context)?;
    let job = Job {
        case,
        method: plan.method.build(&plan.settings, unit)?,
        baselines: plan.baselines(),
        values: if unit == Unit::Hounsfield { Values::Hounsfield } else { Values::As(unit) },
        finish: None,
        geometry: load::plain_geometry(side),
        source: Source::Npy,
        reference: job::reference(&args.common, None, unit, &[slices, size.rows, size.cols])?,
        window: (unit == Unit::Hounsfield).then_some(Window::SOFT_TISSUE),
        inputs: [Some(path), args.angles.as_deref(), args.mask.as_deref()]
            .into_iter()
            .flatten()
            .map(Path::to_owned)
            .collect(),
        plan,
        target,
    };
    job.run(&args.common, context)
}
