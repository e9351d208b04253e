//! The model that images are drawn from: a prior, with the coarse one beside it if there is one.

use super::process::process_of;
use crate::models::{Manifest, ModelSource, Prior, open};
use crate::score::{ScoreModel, Sde, Subspace, Ve, square_of};
use anyhow::Result;
use candle_core::Device;
use recon_pipelines::Refused;

/// A prior of weak noise on pixels and perhaps one of strong noise on a coarse grid.
pub struct Drawn {
    prior: Prior,
    coarse: Option<Coarse>,
}

struct Coarse {
    prior: Prior,
    side: usize,
}

/// The noise level on the coarse grid, in model units, from which on the coarse prior is asked: below, it would have
/// to know what the finer one sees.
const HANDOVER: f64 = 0.2;

impl Drawn {
    /// Opens the bundle and the one in its folder `coarse`.
    ///
    /// # Errors
    /// When one of them is not what its card says, or the two do not fit together.
    pub fn open(source: &ModelSource, device: &Device) -> Result<Self> {
        let prior = open(source, device)?;
        let coarse = source.coarse().map(|source| Coarse::open(&source, device, prior.manifest()));
        Ok(Self { coarse: coarse.transpose()?, prior })
    }

    /// The prior on pixels.
    pub fn prior(&self) -> &Prior {
        &self.prior
    }

    /// The model of the score for images of any size.
    pub fn model(&self) -> Box<dyn ScoreModel + '_> {
        match &self.coarse {
            None => Box::new(&self.prior),
            Some(coarse) => Box::new(Subspace {
                coarse: &coarse.prior,
                fine: &self.prior,
                side: coarse.side,
                handover: HANDOVER,
            }),
        }
    }

    /// The noising process for images of `size`: with a coarse prior up to the strongest noise that it knows.
    pub fn process(&self, size: (usize, usize)) -> Box<dyn Sde> {
        let manifest = self.prior.manifest();
        let coarse = self.coarse.as_ref().map(|coarse| (coarse, square_of(size, coarse.side)));
        match coarse {
            Some((coarse, square)) if square > 1 => Box::new(Ve {
                sigma_min: manifest.noise_range().0,
                sigma_max: coarse.prior.manifest().noise_range().1 * square as f64,
            }),
            _ => process_of(manifest),
        }
    }
}

impl Coarse {
    fn open(source: &ModelSource, device: &Device, fine: &Manifest) -> Result<Self> {
        let prior = open(source, device)?;
        let card = prior.manifest();
        let place = match source {
            ModelSource::Path(folder) => folder.display().to_string(),
            ModelSource::Builtin(_) | ModelSource::BuiltinCoarse(_) | ModelSource::BuiltinConditional(_) => {
                card.name.clone()
            }
        };
        let wrong =
            |detail: &str| Refused::Input(format!("{place}: {detail}; train it with recon train --shrink"));
        let side = card.side.ok_or_else(|| wrong("the card has no side"))?;
        if (card.modality, card.value) != (fine.modality, fine.value) {
            return Err(wrong("has a value range other than that of its model").into());
        }
        if fine.film_unet().is_none() || card.film_unet().is_none() {
            return Err(wrong("a coarse model belongs to networks of the program's own kind only").into());
        }
        Ok(Self { side, prior })
    }
}
