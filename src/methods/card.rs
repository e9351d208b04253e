//! What the card of a model says to methods.

use crate::models::{Manifest, Modality, ModelSource, Prior, ValueMapping, read_card};
use crate::score::UnitRule;
use crate::settings::{ConditionalSpec, Entry, Layers, Origin, Value, builtin};
use anyhow::Result;
use recon_data::Unit;
use recon_pipelines::report::ModelRecord;
use recon_pipelines::{Refused, Task};

/// What the card of the method's model says about its settings, with those that were found for it if they are wanted.
///
/// A conditional prior also has what the card of the prior says that stands in for it, under the name of that method.
pub(super) fn entries(name: &str, task: Task, layers: &Layers, tuned: bool) -> Result<Vec<Entry>> {
    let Some(info) = crate::settings::find(name).filter(|info| info.learned) else { return Ok(Vec::new()) };
    // What made the images to denoise, and so which prior, is known once they are open.
    if modality(task).is_none() {
        return Ok(Vec::new());
    }
    let said = layers.text(info, "model");
    if info.name == ConditionalSpec::INFO.name {
        return conditional_card(said, task, layers, tuned);
    }
    let model = said.unwrap_or_else(|| builtin(task).to_owned());
    let card = read_card(&ModelSource::named(&model)?)?;
    let mut entries = card_entries(&card, &model);
    if tuned {
        entries.extend(card.tuned.entries(task, info.name, &model));
    }
    Ok(entries)
}

fn conditional_card(said: Option<String>, task: Task, layers: &Layers, tuned: bool) -> Result<Vec<Entry>> {
    let fallback = ConditionalSpec::FALLBACK_INFO.name;
    let mut entries = entries(fallback, task, &layers.naming_methods(), tuned)?;
    entries.iter_mut().for_each(|entry| entry.method = Some(fallback.to_owned()));
    let model = said.unwrap_or_else(|| ConditionalSpec::model(task));
    let own =
        read_card(&ModelSource::named(&model)?)?.tuned.entries(task, ConditionalSpec::INFO.name, &model);
    entries.extend(own.into_iter().filter(|_| tuned));
    Ok(entries)
}

fn card_entries(card: &Manifest, model: &str) -> Vec<Entry> {
    let said = |key: &str, value: toml::Value| Entry {
        method: None,
        key: key.to_owned(),
        value: Value::Typed(value),
        origin: Origin::Card(format!("model {model}: {key}")),
    };
    let (lowest, highest) = card.noise_range();
    let mut entries = vec![said("sigma-min", lowest.into()), said("sigma-max", highest.into())];
    // The program's own networks are trained on all orientations; of others nobody knows.
    if card.film_unet().is_none() {
        entries.push(said("orientations", "upright".into()));
    }
    entries
}

/// What makes the images of a task; none where that is theirs to say.
pub(super) fn modality(task: Task) -> Option<Modality> {
    match task {
        Task::Ct | Task::Mar => Some(Modality::Ct),
        Task::Mri => Some(Modality::Mr),
        Task::Denoise => None,
    }
}

/// What makes images whose numbers mean this: those of CT have a unit.
pub(super) fn modality_of_unit(unit: Unit) -> Modality {
    if unit == Unit::Arbitrary { Modality::Mr } else { Modality::Ct }
}

pub(super) fn modality_name(modality: Modality) -> &'static str {
    match modality {
        Modality::Ct => "ct",
        Modality::Mr => "mr",
    }
}

/// Refuses a prior of another kind of image than is `wanted`.
pub(super) fn check(name: &str, prior: &Prior, wanted: Modality) -> Result<(), Refused> {
    let (Some(found), Some(_)) = (prior.manifest().modality, prior.manifest().value) else {
        return Err(Refused::Input(format!(
            "{name}: the model card does not say what its numbers mean; add modality = \"{}\" and a table \
             [value] to manifest.toml (docs/networks.md)",
            modality_name(wanted)
        )));
    };
    if prior.channels() != 1 {
        let channels = prior.channels();
        return Err(Refused::Input(format!(
            "{name}: is a model of images with {channels} channels; give one of plain images"
        )));
    }
    check_modality(name, Some(found), wanted)
}

pub(super) fn check_modality(name: &str, found: Option<Modality>, wanted: Modality) -> Result<(), Refused> {
    match found {
        Some(found) if found != wanted => {
            let (found, wanted) = (modality_name(found), modality_name(wanted));
            Err(Refused::Input(format!("{name}: is a model of {found} images; give one of {wanted} images")))
        }
        _ => Ok(()),
    }
}

pub(super) fn record(card: &Manifest) -> ModelRecord {
    ModelRecord {
        name: card.name.clone(),
        version: card.version.clone(),
        sha256: card.weights.sha256.clone(),
    }
}

/// Percentile of a back-projection that is taken for bone, and what bone is in units of a CT model, when the
/// measurement has no unit. Bone attenuates 1.6 times as much as water, and water is 0.5.
const BRIGHT_PERCENTILE: f64 = 99.5;
const BRIGHT_IN_MODEL_UNITS: f32 = 0.8;

/// How physical values become the model's: as its card says, except for CT without a unit, which is scaled
/// so that its bright end looks like bone.
pub(super) fn unit_rule(card: &Manifest, unit: Unit) -> Result<UnitRule, Refused> {
    let Some(value) = card.value else {
        return Err(Refused::Input(format!("{}: the model card has no table [value]; add one", card.name)));
    };
    Ok(match value {
        ValueMapping::Hounsfield { .. } if unit == Unit::Arbitrary => {
            UnitRule::Percentile { percentile: BRIGHT_PERCENTILE, factor: 1.0 / BRIGHT_IN_MODEL_UNITS }
        }
        ValueMapping::Hounsfield { unit_attenuation, .. } => UnitRule::Fixed(unit_attenuation as f32),
        ValueMapping::Percentile { percentile } => UnitRule::Percentile { percentile, factor: 1.0 },
    })
}
