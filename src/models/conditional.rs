//! A trained network that is told what was measured.

use super::family::Family;
use super::manifest::{Architecture, Manifest};
use super::prior::{Preconditioning, pad_edge};
use super::unet::Unet;
use crate::score::{ConditionalModel, Question};
use candle_core::{Result, Tensor, bail};

/// A conditional prior with its card.
///
/// The network `F` is preconditioned as a [`Prior`](super::Prior) is, at the noise level `σₑ` that says how wrong the
/// image of a rung usually is (with `s = σ_data`, and `σₑ` at least the card's `sigma_min`):
///
/// ```text
/// D = s²/(σₑ² + s²) z + σₑ s/√(σₑ² + s²) F([z, A†y]/√(σₑ² + s²), planes; ln σₑ / 4)
/// ```
///
/// Tensors are `[batch, channel, row, col]` in model units, of any size: the edge is repeated up to the multiple that the
/// network needs.
pub struct ConditionalPrior {
    manifest: Manifest,
    family: Family,
    network: Unet,
    multiple: usize,
    sigma_data: f64,
    sigma_min: f64,
}

impl ConditionalPrior {
    /// A prior over the parameters that `get` finds by name.
    ///
    /// # Errors
    /// Those of `get`; also when the card names no family of measurements.
    pub fn new(manifest: Manifest, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        let (Architecture::FilmUnet(unet), Some(family)) = (&manifest.architecture, &manifest.family) else {
            bail!("the card has no table [family]")
        };
        Ok(Self {
            family: family.clone(),
            network: Unet::new(&unet.size, get)?,
            multiple: unet.size.multiple(),
            sigma_data: unet.sigma_data,
            sigma_min: unet.sigma_min,
            manifest,
        })
    }

    /// The model card.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The measurements that it was trained for.
    pub fn family(&self) -> &Family {
        &self.family
    }
}

impl ConditionalModel for ConditionalPrior {
    fn estimate(&self, question: &Question) -> Result<Tensor> {
        let z = &question.image;
        let (batch, _, rows, cols) = z.dims4()?;
        let sigma = question.sigma.max(self.sigma_min) as f32;
        let c =
            Preconditioning::new(&Tensor::from_vec(vec![sigma; batch], batch, z.device())?, self.sigma_data)?;
        let mut channels = vec![z.broadcast_mul(&c.input)?, question.direct.broadcast_mul(&c.input)?];
        channels.extend(question.planes.iter().cloned());
        let x = pad_edge(&Tensor::cat(&channels, 1)?, self.multiple)?;
        let raw = self.network.forward(&x, &c.condition)?.narrow(2, 0, rows)?.narrow(3, 0, cols)?;
        z.broadcast_mul(&c.skip)? + raw.broadcast_mul(&c.output)?
    }
}
