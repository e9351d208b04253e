//! `recon mar`: CT without the rays that went through metal.

use super::budget;
use super::context::Context;
use super::failure::Failure;
use super::job::{self, Job, Method, show_plan};
use super::learned::{self, Plan as LearnedPlan, Task};
use super::load;
use super::options::{Common, Family, Learned};
use super::scale::Values;
use super::scanner::{Body, ScannerOptions, ViewOptions};
use super::several;
use super::target::Target;
use super::tuned;
use super::values::count;
use anyhow::Result;
use clap::{Args, ValueEnum};
use ndarray::{Array3, Axis};
use recon_data::{Unit, Volume};
use recon_operators::Radon;
use recon_pipelines::preview::Window;
use recon_pipelines::{Direct, LinearInterpolation, TvFrom, ct, mar};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `recon mar`.
#[derive(Args, Debug)]
pub struct MarArgs {
    /// CT images with metal: DICOM files or folders, NIfTI or .npy.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// How to reconstruct.
    #[arg(long, value_enum, default_value_t = MarMethod::Score, env = "RECON_METHOD")]
    pub method: MarMethod,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub metal: MetalOptions,
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

/// Options that say where metal is and what is measured around it.
#[derive(Args, Clone, Debug, Serialize)]
pub struct MetalOptions {
    /// Values from here on are metal, in the unit of the image.
    #[arg(
        long,
        value_name = "HU",
        default_value = "3000",
        help_heading = "Metal",
        allow_negative_numbers = true
    )]
    pub metal_threshold: f32,
    /// Where metal is, .npy of the shape of the image; instead of the threshold.
    #[arg(long, value_name = "FILE.npy", help_heading = "Metal")]
    pub metal_mask: Option<PathBuf>,
    /// How many detector bins beside metal are not trusted either.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Metal")]
    pub metal_margin: usize,
    /// Number of views over half a turn.
    #[arg(long, value_name = "N", value_parser = count, default_value = "360", help_heading = "Scanner")]
    pub views: usize,
}

impl MetalOptions {
    /// Which voxels of an image are metal.
    ///
    /// # Errors
    /// When a mask file cannot be read or has another shape.
    pub fn metal(&self, image: &Volume) -> Result<Array3<bool>> {
        let Some(path) = &self.metal_mask else { return Ok(mar::metal_above(image, self.metal_threshold)) };
        let mut mask = recon_data::npy::read_mask(path)?;
        if mask.ndim() == 2 {
            mask.insert_axis_inplace(Axis(0));
        }
        if mask.shape() != image.voxels.shape() {
            return Err(load::wrong_shape(
                path,
                mask.shape(),
                &format!("a mask of {:?}", image.voxels.shape()),
            ));
        }
        Ok(mask.into_dimensionality()?)
    }
}

/// Methods for metal artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarMethod {
    /// Linear interpolation of the metal trace.
    Li,
    /// Filtered back-projection of all rays: no correction.
    Fbp,
    /// Total variation by FISTA, without the metal trace.
    FistaTv,
    /// The learned prior, without the metal trace.
    Score,
}

impl MarMethod {
    /// The options that make sense with it.
    pub fn family(self) -> Family {
        match self {
            Self::Li | Self::Fbp => Family::Direct,
            Self::FistaTv => Family::Tv,
            Self::Score => Family::Score,
        }
    }

    /// The method with these settings for images of this unit.
    ///
    /// # Errors
    /// When it has a model or a device that is not there.
    pub fn build(self, settings: &LearnedPlan, unit: Unit) -> Result<Method<Radon>> {
        match self {
            Self::Li => Ok(Method::classical("li", LinearInterpolation)),
            Self::Fbp => Ok(Method::classical("fbp", Direct)),
            Self::FistaTv => {
                let from_li = TvFrom { settings: settings.tv().settings, start: LinearInterpolation };
                Ok(Method::classical("fista-tv", from_li))
            }
            Self::Score => learned::method(settings, unit, Box::new(LinearInterpolation)),
        }
    }
}

/// What `recon mar` is going to do.
#[derive(Clone, Debug, Serialize)]
struct Plan {
    task: &'static str,
    method: MarMethod,
    metal: MetalOptions,
    view: ViewOptions,
    scanner: ScannerOptions,
    settings: LearnedPlan,
}

impl Plan {
    fn new(args: &MarArgs) -> Result<Self> {
        args.learned.check(args.method.family())?;
        Ok(Self {
            task: "mar",
            method: args.method,
            metal: args.metal.clone(),
            view: args.view.clone(),
            scanner: args.scanner.clone(),
            settings: tuned::plan(&args.learned, args.method.family(), Task::Mar)?,
        })
    }

    /// Linear interpolation, unless it is the method itself or the trace is used (fbp).
    fn baselines(&self) -> Vec<Method<Radon>> {
        match self.method {
            MarMethod::Li | MarMethod::Fbp => Vec::new(),
            MarMethod::FistaTv | MarMethod::Score => vec![Method::classical("li", LinearInterpolation)],
        }
    }
}

/// Runs `recon mar`.
///
/// # Errors
/// See [`super::failure`].
pub fn run(args: &MarArgs) -> Result<()> {
    let plan = Plan::new(args)?;
    let context = Context::new(&args.common.run)?;
    several::each(&args.inputs, &args.common, |input, output| {
        let target = args.common.target(output, input, args.learned.samples)?;
        if args.common.dry_run {
            show_plan(&plan, &target)
        } else {
            correct(input, target, &plan, args, &context)
        }
    })
}

fn correct(input: &Path, target: Target, plan: &Plan, args: &MarArgs, context: &Context) -> Result<()> {
    let mut scan = load::scan(input, args.common.slices, context)?;
    let spacing = load::square_spacing(&mut scan, args.scanner.spacing, input)?;
    let body = Body::new(&scan, args.scanner.unit, input, context);
    let metal = args.metal.metal(&body.image)?;
    let voxels = metal.iter().filter(|&&is_metal| is_metal).count();
    if voxels == 0 {
        let hint = "lower --metal-threshold or give --metal-mask";
        return Err(Failure::Input(format!("{}: there is no metal in it; {hint}", input.display())).into());
    }
    context.say(&format!(
        "{}: simulating {} views from the image, {voxels} voxels of metal",
        input.display(),
        args.metal.views
    ));
    let unit = body.image.unit;
    let radon = body.scanner(args.metal.views, spacing, &args.view, args.scanner.filter)?;
    let seed = args.common.seed;
    let case = match args.method {
        MarMethod::Fbp => ct::from_image(&body.attenuation, &radon, seed, 0),
        _ => mar::from_image(&body.attenuation, &metal, &radon, args.metal.metal_margin, (seed, 0)),
    };
    let build = |settings: &LearnedPlan| plan.method.build(settings, unit);
    let settings = budget::fitted(&plan.settings, &args.common, &case, &build, context)?;
    let plan = Plan { settings, ..plan.clone() };
    let hounsfield = unit == Unit::Hounsfield;
    let job = Job {
        case,
        method: plan.method.build(&plan.settings, unit)?,
        baselines: plan.baselines(),
        values: if hounsfield { Values::Hounsfield } else { Values::As(unit) },
        finish: Some(Box::new(|images| mar::restore_metal(images, &body.image.voxels, &metal))),
        geometry: body.image.geometry.clone(),
        source: scan.source,
        reference: job::reference(&args.common, None, unit, body.image.voxels.shape())?,
        window: hounsfield.then_some(Window::SOFT_TISSUE),
        inputs: [Some(input), args.metal.metal_mask.as_deref()]
            .into_iter()
            .flatten()
            .map(Path::to_owned)
            .collect(),
        plan,
        target,
    };
    job.run(&args.common, context)
}
