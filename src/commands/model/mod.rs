//! `recon model`: the shelf of priors.

mod import;
mod score;
mod verify;

pub use import::{ImportArgs, read_arch};

use anyhow::Result;
use clap::{Args, Subcommand};
use recon::models::{
    Architecture, Found, Manifest, ModelSource, Tuned, TunedMethod, UnetConfig, ValueMapping, verified_card,
};
use recon_pipelines::Task;
use score::ScoreArgs;

/// Inspect and verify the built-in priors or a bundle folder; import a published checkpoint as a bundle.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// What to do
    #[command(subcommand)]
    pub action: ModelAction,
}

/// What `recon model` can do.
#[derive(Subcommand, Clone, Debug)]
pub enum ModelAction {
    /// List the built-in priors
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a model card
    Info {
        /// Name of a built-in model (ct, mr), or a bundle folder
        model: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a bundle from a published checkpoint: PyTorch (new and old), Flax or safetensors
    Import(ImportArgs),
    /// Check the digest, names, shapes, number format and values of a bundle
    Verify {
        /// Name of a built-in model (ct, mr), or a bundle folder
        model: String,
    },
    /// Write a network's raw output, or the score, for given images
    Score(Box<ScoreArgs>),
}

/// Runs the command; the answer goes to stdout.
///
/// # Errors
/// When a bundle cannot be read or is not what its card says.
pub fn run(args: &ModelArgs) -> Result<()> {
    let text = answer(&args.action)?;
    if text.is_empty() { Ok(()) } else { crate::commands::session::context::print(text.trim_end()) }
}

fn answer(action: &ModelAction) -> Result<String> {
    match action {
        ModelAction::List { json } => {
            let cards = ModelSource::shipped().into_iter().map(card).collect::<Result<Vec<_>>>()?;
            if *json {
                return Ok(serde_json::to_string_pretty(&cards)?);
            }
            let line = |m: &Manifest| format!("{:<10} version {:<4} {}", m.name, m.version, m.summary);
            Ok(cards.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        ModelAction::Info { model, json: true } => Ok(serde_json::to_string_pretty(&card(model)?)?),
        ModelAction::Info { model, json: false } => Ok(describe(&card(model)?)),
        ModelAction::Import(args) => import::import(args),
        ModelAction::Verify { model } => verify::verify(model),
        ModelAction::Score(args) => score::run(args).map(|()| String::new()),
    }
}

/// The card of a verified bundle.
fn card(name: &str) -> Result<Manifest> {
    Ok(verified_card(&ModelSource::named(name)?)?)
}

fn describe(m: &Manifest) -> String {
    let (smallest, largest) = m.noise_range();
    let (network, spread) = match &m.architecture {
        Architecture::FilmUnet(unet) => {
            let UnetConfig { channels, blocks, middle, embedding, .. } = &unet.size;
            let network = format!(
                "film-unet, channels {channels:?}, blocks {blocks:?} and {middle}, embedding {embedding}"
            );
            (network, format!(", sigma_data {}", unet.sigma_data))
        }
        Architecture::Published(arch) => (arch.summary(), String::new()),
    };
    let value = m
        .value
        .map_or_else(|| "not stated: cannot serve as a prior for reconstruction".to_owned(), describe_value);
    let modality = m.modality.map_or_else(|| "not stated".to_owned(), |modality| format!("{modality:?}"));
    let data: Vec<String> =
        m.training.data.iter().map(|c| format!("  {} ({})", c.collection, c.licence)).collect();
    format!(
        "{} version {}: {}\nmodality    {modality}\nnetwork     {network}, {} numbers\nvalues      {value}\nnoise       {smallest} to {largest}{spread}\ntraining    {} steps, {} s, {}\n            {}\n{}{}SHA-256     {}\ndata\n{}",
        m.name,
        m.version,
        m.summary,
        m.weights.parameters,
        m.training.steps,
        m.training.seconds,
        m.training.objective,
        m.training.how,
        m.family.as_ref().map_or_else(String::new, |family| format!("family      {}\n", family.describe())),
        describe_tuned(&m.tuned),
        m.weights.sha256,
        data.join("\n"),
    )
}

/// A line for every method with settings of its own, and what they reach.
fn describe_tuned(tuned: &Tuned) -> String {
    let line = |(task, method, tuned): (Task, &str, &TunedMethod)| {
        let what = tuned.found.as_ref().map_or_else(String::new, |found| {
            let Found { protocol, slices, trials, psnr, psnr_before, .. } = found;
            format!(
                ": {psnr:.2} dB, before {psnr_before:.2} dB ({protocol}, {slices} slices, {trials} trials)"
            )
        });
        format!("tuned       {task} by {method}{what}\n")
    };
    tuned.iter().map(line).collect()
}

fn describe_value(value: ValueMapping) -> String {
    match value {
        ValueMapping::Hounsfield { offset_hu, scale_hu, unit_attenuation } => {
            format!("(HU + {offset_hu}) / {scale_hu}; 1 is {unit_attenuation}/mm")
        }
        ValueMapping::Percentile { percentile } => format!("image / its {percentile}th percentile"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shelf_lists_shows_and_verifies() {
        let list = answer(&ModelAction::List { json: false }).unwrap();
        assert!(list.lines().count() == ModelSource::shipped().len() && list.contains("CT"));
        let info = answer(&ModelAction::Info { model: "mr".into(), json: false }).unwrap();
        assert!(info.contains("99.5th percentile") && info.contains("CC0"), "{info}");
        let json = answer(&ModelAction::Info { model: "ct".into(), json: true }).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["sigma_data"] == 0.3);
        assert!(answer(&ModelAction::Verify { model: "ct".into() }).unwrap().contains("good"));
        assert!(answer(&ModelAction::Verify { model: "no/such".into() }).is_err());
    }
}
