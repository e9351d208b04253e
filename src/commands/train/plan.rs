//! What the arguments of `recon train` amount to: the network, its objective, and the settings of the run.

use super::args::{ObjectiveName, TrainArgs};
use super::card::{add_history, fresh_card, published_card, value_mapping};
use crate::commands::model::read_arch;
use crate::commands::session::failure::Failure;
use anyhow::Result;
use candle_core::Tensor;
use recon::models::{ArchFile, Architecture, FilmUnet, Manifest, Modality, ValueMapping, read_bundle};
use recon::train::{
    AdamSettings, Augmentation, Course, Crop, Crops, Descending, Extent, Limits, Matching, NoiseLevels,
    Objective, Reduction, Schedule, TrainSettings, Weighting, initial_parameters, initial_published,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that a run needs beside its data.
pub(super) struct Plan {
    pub(super) settings: TrainSettings,
    pub(super) learning: Learning,
    pub(super) descending: Descending,
    pub(super) value: ValueMapping,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

/// The network and its objective.
pub(super) enum Learning {
    Denoiser { unet: FilmUnet, objective: Objective },
    Published { arch: Box<ArchFile>, levels: NoiseLevels, reduction: Reduction },
}

fn usage(message: String) -> anyhow::Error {
    Failure::Usage(message).into()
}

impl Plan {
    /// Reads descriptions and bundles that the arguments name, and puts everything together.
    ///
    /// # Errors
    /// When an option is impossible or does not fit another, or a file cannot be read.
    pub(super) fn new(args: &TrainArgs, output: &Path) -> Result<Self> {
        check(args)?;
        let (mut manifest, tensors) = network(args)?;
        let learning = learning(args, &manifest)?;
        let crops = listed_crops(args, &manifest);
        let multiple = manifest_multiple(&manifest);
        let resolved = Crops::new(&crops, args.images.batch, multiple)
            .map_err(|problem| usage(format!("--crops: {problem}")))?;
        let descending = descending(args, &learning);
        let schedule = schedule(args, &learning);
        let kinds = crops.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        add_history(&mut manifest, args, &learning.words(), &kinds, &schedule);
        let value = manifest.value.unwrap_or(value_mapping(args.modality.into()));
        let settings = TrainSettings {
            folder: output.to_owned(),
            manifest,
            schedule,
            crops: resolved,
            multiple,
            augmentation: augmentation(args),
            accumulate: args.images.accumulate,
            limits: Limits { steps: args.run.steps, time: args.run.time },
            log_every: args.run.log_every,
            save_every: args.run.save_every,
            validate_every: args.validation.validate_every,
        };
        Ok(Self { settings, learning, descending, value, tensors })
    }
}

impl Learning {
    /// For the model card.
    fn words(&self) -> String {
        match self {
            Self::Denoiser { objective, .. } => format!(
                "EDM denoising, ln sigma ~ N(ln {}, {})",
                objective.sigma_median, objective.sigma_spread
            ),
            Self::Published { levels, reduction, .. } => {
                let reduced = match reduction {
                    Reduction::Mean => "mean",
                    Reduction::HalfSum => "half the sum",
                };
                format!("{}, {reduced} of the squares", levels.words())
            }
        }
    }
}

fn check(args: &TrainArgs) -> Result<()> {
    for (name, number) in [("--batch", args.images.batch), ("--accumulate", args.images.accumulate)] {
        if !(1..=1024).contains(&number) {
            return Err(usage(format!("{name} must lie in 1..=1024, not {number}")));
        }
    }
    let optimiser = &args.optimiser;
    for (name, number) in [("--rate", optimiser.rate.unwrap_or(1.0)), ("--clip", optimiser.clip)] {
        if !(number.is_finite() && number > 0.0) {
            return Err(usage(format!("{name} must be positive, not {number}")));
        }
    }
    if optimiser.average.is_some_and(|share| !(0.0..1.0).contains(&share)) {
        return Err(usage("--average must lie from 0 to below 1".to_owned()));
    }
    Ok(())
}

/// The card and the first tensors: of a bundle, of a description, or of the program's own network.
fn network(args: &TrainArgs) -> Result<(Manifest, BTreeMap<String, Tensor>)> {
    if let Some(bundle) = &args.network.init {
        return bundled(args, bundle);
    }
    if let Some(path) = &args.network.arch {
        let arch = read_arch(path)?;
        if arch.data.num_channels != 1 {
            return Err(usage(format!(
                "{}: images have one channel, num_channels must be 1",
                path.display()
            )));
        }
        let tensors = initial_published(&arch, args.run.seed)?;
        return Ok((published_card(args, &arch), tensors));
    }
    let manifest = fresh_card(args, &objective(args));
    let Some(unet) = manifest.film_unet() else {
        return Err(usage("the program's own network is a U-Net".to_owned()));
    };
    if let Some(problem) = unet.size.problem() {
        return Err(usage(format!("--channels, --blocks and --embedding: {problem}")));
    }
    let tensors = initial_parameters(&unet.size, args.run.seed)?;
    Ok((manifest, tensors))
}

fn bundled(args: &TrainArgs, bundle: &Path) -> Result<(Manifest, BTreeMap<String, Tensor>)> {
    let (mut manifest, tensors) = read_bundle(bundle)?;
    if manifest.modality.is_some_and(|found| found != args.modality.into()) {
        let found = manifest.modality;
        return Err(usage(format!(
            "{}: is a prior of {found:?}; give the --modality that it has",
            bundle.display()
        )));
    }
    if manifest.family.is_some() {
        return Err(usage(format!(
            "{}: is a conditional prior, which benches/trainer trains; give an unconditional prior",
            bundle.display()
        )));
    }
    if let Architecture::Published(arch) = &manifest.architecture
        && arch.data.num_channels != 1
    {
        return Err(usage(format!("{}: images have one channel, this network takes more", bundle.display())));
    }
    if let Architecture::FilmUnet(unet) = &mut manifest.architecture
        && args.objective.noise.is_some()
    {
        (unet.sigma_min, unet.sigma_max) = objective(args).noise_range();
    }
    manifest.side = args.images.shrink.map(usize::from);
    manifest.modality = Some(args.modality.into());
    manifest.value.get_or_insert(value_mapping(args.modality.into()));
    manifest.training.data.extend(args.collections.iter().cloned());
    manifest.name.clone_from(&args.name);
    Ok((manifest, tensors))
}

fn learning(args: &TrainArgs, manifest: &Manifest) -> Result<Learning> {
    let asked = &args.objective;
    match &manifest.architecture {
        Architecture::FilmUnet(unet) => {
            if asked.objective.is_some_and(|name| name != ObjectiveName::Denoiser) {
                return Err(usage(
                    "--objective: the program's own network learns denoiser; for others give --arch"
                        .to_owned(),
                ));
            }
            if asked.likelihood_weighting.is_some() || asked.reduction.is_some() {
                return Err(usage(
                    "--likelihood-weighting and --reduction belong to published architectures; give --arch"
                        .to_owned(),
                ));
            }
            let objective = Objective { sigma_data: unet.sigma_data, ..objective(args) };
            Ok(Learning::Denoiser { unet: unet.clone(), objective })
        }
        Architecture::Published(arch) => {
            let matching = match asked.objective.map(ObjectiveName::matching) {
                Some(None) => {
                    return Err(usage(
                        "--objective: denoiser belongs to the program's own network; leave --arch out"
                            .to_owned(),
                    ));
                }
                Some(Some(matching)) => matching,
                None => NoiseLevels::objective(arch),
            };
            if asked.noise.is_some() {
                return Err(usage(
                    "--noise belongs to the program's own network; the noise of others is in their ARCH.toml"
                        .to_owned(),
                ));
            }
            let weighting = asked.likelihood_weighting.map_or(Weighting::Denoising, Into::into);
            let levels = NoiseLevels::new(arch, matching, weighting)
                .map_err(|problem| usage(format!("--objective: {problem}")))?;
            let reduction = asked.reduction.map_or(usual_reduction(matching), Into::into);
            Ok(Learning::Published { arch: Box::new(arch.clone()), levels, reduction })
        }
    }
}

/// The noise levels of a denoiser.
fn objective(args: &TrainArgs) -> Objective {
    let usual = Objective::default();
    args.objective.noise.map_or(usual, |noise| Objective {
        sigma_median: noise.median,
        sigma_spread: noise.spread,
        ..usual
    })
}

/// As the published configurations have it.
fn usual_reduction(matching: Matching) -> Reduction {
    match matching {
        Matching::Ve | Matching::Smld => Reduction::HalfSum,
        Matching::Vp | Matching::SubVp | Matching::Ddpm => Reduction::Mean,
    }
}

fn descending(args: &TrainArgs, learning: &Learning) -> Descending {
    let (beta2, average) = match learning {
        Learning::Denoiser { .. } => (0.99, 0.9995),
        Learning::Published { levels, .. } => match levels.matching() {
            Matching::Ve | Matching::Smld => (0.999, 0.999),
            Matching::Vp | Matching::SubVp | Matching::Ddpm => (0.999, 0.9999),
        },
    };
    let adam = AdamSettings { beta2, max_norm: args.optimiser.clip, ..AdamSettings::default() };
    Descending { adam, average: args.optimiser.average.unwrap_or(average) }
}

fn schedule(args: &TrainArgs, learning: &Learning) -> Schedule {
    let (rate, warm_up, course) = match learning {
        Learning::Denoiser { .. } => (1e-3, 200, Course::Falling),
        Learning::Published { .. } => (2e-4, 5000, Course::Constant),
    };
    let asked = &args.optimiser;
    Schedule { rate: asked.rate.unwrap_or(rate), warm_up: asked.warm_up.unwrap_or(warm_up), course }
}

fn augmentation(args: &TrainArgs) -> Augmentation {
    match (args.images.no_augmentation, args.images.shrink) {
        (true, _) => Augmentation::NONE,
        (false, Some(_)) => Augmentation::of_layouts(args.modality.into()),
        (false, None) => Augmentation::of(args.modality.into()),
    }
}

fn manifest_multiple(manifest: &Manifest) -> usize {
    match &manifest.architecture {
        Architecture::FilmUnet(unet) => unet.size.multiple(),
        Architecture::Published(arch) => arch.multiple(),
    }
}

/// The kinds of batches that are asked for, or the usual ones: those that the priors of the program were trained
/// with, and the published size of published networks.
fn listed_crops(args: &TrainArgs, manifest: &Manifest) -> Vec<Crop> {
    if !args.images.crops.is_empty() {
        return args.images.crops.clone();
    }
    let square = |side, count, share| Crop { extent: Extent::Square(side), count, share };
    if let Some(side) = args.images.shrink {
        return vec![square(usize::from(side).next_multiple_of(manifest_multiple(manifest)), None, 1.0)];
    }
    if let Architecture::Published(arch) = &manifest.architecture {
        let size = arch.data.image_size;
        let side = size.rows().max(size.cols()).next_multiple_of(arch.multiple());
        return vec![square(side, None, 1.0)];
    }
    usual_crops(args.modality.into()).map(|(side, count, share)| square(side, Some(count), share)).to_vec()
}

/// Side, number and share of the kinds of batches.
pub(super) fn usual_crops(modality: Modality) -> [(usize, usize, f64); 3] {
    match modality {
        Modality::Ct => [(128, 4, 60.0), (256, 1, 30.0), (96, 8, 10.0)],
        Modality::Mr => [(192, 2, 60.0), (256, 1, 20.0), (128, 4, 20.0)],
    }
}
