//! The model card as it stands in the file, where a card has the tables that its kind of network needs.

use super::Tuned;
use super::family::Family;
use super::manifest::{Architecture, FilmUnet, Manifest, Training, Typical, UnetConfig, WeightsCard};
use super::published::{ArchFile, DataConfig, NetworkConfig, SdeConfig};
use super::value_mapping::ValueMapping;
use recon_data::Modality;
use serde::{Deserialize, Serialize};

/// `manifest.toml`, table by table.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Card {
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    modality: Option<Modality>,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma_data: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma_min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma_max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<Own>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<DataConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sde: Option<SdeConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<ValueMapping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<Family>,
    #[serde(default, skip_serializing_if = "is_unknown")]
    training: Training,
    #[serde(default, skip_serializing_if = "Tuned::is_empty")]
    tuned: Tuned,
    #[serde(skip_serializing_if = "Option::is_none")]
    typical: Option<Typical>,
    weights: WeightsCard,
}

/// The program's own networks.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Own {
    FilmUnet(UnetConfig),
}

fn is_unknown(training: &Training) -> bool {
    *training == Training::default()
}

impl TryFrom<Card> for Manifest {
    type Error = String;

    fn try_from(card: Card) -> Result<Self, String> {
        let architecture = architecture(&card)?;
        let Card { name, version, modality, summary, side, value, family, .. } = card;
        let Card { training, tuned, typical, weights, .. } = card;
        Ok(Self {
            name,
            version,
            modality,
            summary,
            side,
            architecture,
            family,
            value,
            training,
            tuned,
            typical,
            weights,
        })
    }
}

/// The network that the tables describe together.
fn architecture(card: &Card) -> Result<Architecture, String> {
    match (&card.architecture, &card.network) {
        (Some(Own::FilmUnet(size)), None) => own(card, size),
        (None, Some(network)) => published(card, network),
        (Some(_), Some(_)) => Err("both [architecture] and [network] are given; leave one out".to_owned()),
        (None, None) => Err("[architecture] is missing".to_owned()),
    }
}

fn own(card: &Card, size: &UnetConfig) -> Result<Architecture, String> {
    let needed = |name: &str, value: Option<f64>| value.ok_or_else(|| format!("{name} is missing"));
    for (name, there) in [("[data]", card.data.is_some()), ("[sde]", card.sde.is_some())] {
        if there {
            return Err(format!("{name} belongs to a card with [network]"));
        }
    }
    if card.modality.is_none() || card.value.is_none() {
        return Err("modality and [value] are missing".to_owned());
    }
    Ok(Architecture::FilmUnet(FilmUnet {
        size: size.clone(),
        sigma_data: needed("sigma_data", card.sigma_data)?,
        sigma_min: needed("sigma_min", card.sigma_min)?,
        sigma_max: needed("sigma_max", card.sigma_max)?,
    }))
}

fn published(card: &Card, network: &NetworkConfig) -> Result<Architecture, String> {
    if card.sigma_data.or(card.sigma_min).or(card.sigma_max).is_some() {
        return Err("sigma_data, sigma_min and sigma_max belong to a card with [architecture]".to_owned());
    }
    let data = card.data.ok_or("[data] is missing")?;
    Ok(Architecture::Published(ArchFile { network: network.clone(), data, sde: card.sde }))
}

impl From<Manifest> for Card {
    fn from(manifest: Manifest) -> Self {
        let Manifest { name, version, modality, summary, side, architecture, value, training, .. } = manifest;
        let Manifest { family, tuned, typical, weights, .. } = manifest;
        let empty = Self {
            name,
            version,
            modality,
            summary,
            side,
            sigma_data: None,
            sigma_min: None,
            sigma_max: None,
            architecture: None,
            network: None,
            data: None,
            sde: None,
            value,
            family,
            training,
            tuned,
            typical,
            weights,
        };
        match architecture {
            Architecture::FilmUnet(unet) => Self {
                sigma_data: Some(unet.sigma_data),
                sigma_min: Some(unet.sigma_min),
                sigma_max: Some(unet.sigma_max),
                architecture: Some(Own::FilmUnet(unet.size)),
                ..empty
            },
            Architecture::Published(ArchFile { network, data, sde }) => {
                Self { network: Some(network), data: Some(data), sde, ..empty }
            }
        }
    }
}
