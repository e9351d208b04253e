//! The model card of a network in training.

use super::args::TrainArgs;
use recon::models::{
    ArchFile, Architecture, Dtype, FilmUnet, Manifest, Modality, Training, Tuned, UnetConfig, ValueMapping,
    WeightsCard,
};
use recon::train::{Objective, Schedule};

/// The mapping that images of a modality are trained with.
pub(super) fn value_mapping(modality: Modality) -> ValueMapping {
    match modality {
        Modality::Ct => {
            ValueMapping::Hounsfield { offset_hu: 1000.0, scale_hu: 2000.0, unit_attenuation: 0.0384 }
        }
        Modality::Mr => ValueMapping::Percentile { percentile: 99.5 },
    }
}

/// The card of the program's own network with random weights.
pub(super) fn fresh_card(args: &TrainArgs, objective: &Objective) -> Manifest {
    let network = &args.network;
    let architecture = Architecture::FilmUnet(FilmUnet {
        size: UnetConfig {
            channels: network.channels.clone(),
            blocks: network.blocks.clone(),
            middle: network.middle,
            embedding: network.embedding,
            frequencies: 16,
            inputs: 1,
        },
        sigma_data: objective.sigma_data,
        sigma_min: objective.noise_range().0,
        sigma_max: objective.noise_range().1,
    });
    card(args, architecture, Dtype::F16)
}

/// The card of a published network with random weights.
pub(super) fn published_card(args: &TrainArgs, arch: &ArchFile) -> Manifest {
    card(args, Architecture::Published(arch.clone()), Dtype::F32)
}

fn card(args: &TrainArgs, architecture: Architecture, dtype: Dtype) -> Manifest {
    let modality = args.modality.into();
    Manifest {
        name: args.name.clone(),
        version: "1".to_owned(),
        modality: Some(modality),
        summary: "trained with recon train".to_owned(),
        architecture,
        family: None,
        value: Some(value_mapping(modality)),
        training: Training { data: args.collections.clone(), ..Training::default() },
        tuned: Tuned::default(),
        typical: None,
        side: args.images.shrink.map(usize::from),
        weights: WeightsCard { sha256: String::new(), dtype, parameters: 0 },
    }
}

/// Says how this run trains, after what the card says of earlier ones.
pub(super) fn add_history(
    manifest: &mut Manifest,
    args: &TrainArgs,
    objective: &str,
    crops: &str,
    schedule: &Schedule,
) {
    let accumulated = match args.images.accumulate {
        1 => String::new(),
        n => format!(" in {n} parts"),
    };
    let shrunk = args.images.shrink.map_or(String::new(), |side| format!(", slices shrunk to {side}"));
    let varied = if args.images.no_augmentation { ", slices as they are" } else { "" };
    let how = format!(
        "recon train, Adam {}, crops {crops}{accumulated}, batch {}{shrunk}{varied}, seed {}",
        schedule.rate, args.images.batch, args.run.seed
    );
    let before = &manifest.training.how;
    manifest.training.how = if before.is_empty() { how } else { format!("{before}; then {how}") };
    manifest.training.objective = objective.to_owned();
}
