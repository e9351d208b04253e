//! A trained network as a score model.

use super::manifest::{Architecture, Manifest, UnetConfig};
use super::unet::Unet;
use crate::score::ScoreModel;
use candle_core::{Device, Result, Tensor};

/// A trained denoiser `D(x; σ) = E[x₀ | x]`, with its card.
///
/// The network `F` is preconditioned as in Karras et al. 2022, eq. 7 (with `s = σ_data`):
/// `D = s²/(σ² + s²) x + σ s/√(σ² + s²) F(x/√(σ² + s²), ln σ / 4)`.
/// Tensors are `[batch, 1, row, col]` in model units, of any size: the edge is repeated up to the multiple
/// that the network needs.
pub struct Prior {
    manifest: Manifest,
    multiple: usize,
    network: Unet,
    device: Device,
}

impl Prior {
    /// A prior over the parameters that `get` finds by name.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn new(manifest: Manifest, device: &Device, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        let Architecture::FilmUnet(config) = &manifest.architecture;
        let network = Unet::new(config, get)?;
        Ok(Self { multiple: config.multiple(), network, device: device.clone(), manifest })
    }

    /// The model card.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The device that the weights are on; tensors given to the prior must be there too.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The size of the network.
    pub fn config(&self) -> &UnetConfig {
        let Architecture::FilmUnet(config) = &self.manifest.architecture;
        config
    }
}

impl ScoreModel for Prior {
    /// `∇ₓ log p(x; σ) = (D(x; σ) − x)/σ²`.
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (self.denoise(x, std)? - x)?.affine(1.0 / (std * std), 0.0)
    }

    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        let (batch, _, rows, cols) = x.dims4()?;
        let sigmas = Tensor::from_vec(vec![std as f32; batch], batch, x.device())?;
        let padded = pad_edge(x, self.multiple)?;
        let denoised = denoise(&self.network, &padded, &sigmas, self.manifest.sigma_data)?;
        denoised.narrow(2, 0, rows)?.narrow(3, 0, cols)
    }
}

/// Repeats the last row and column until both counts are multiples of `multiple`.
fn pad_edge(x: &Tensor, multiple: usize) -> Result<Tensor> {
    let (_, _, rows, cols) = x.dims4()?;
    let missing = |n: usize| n.next_multiple_of(multiple) - n;
    x.pad_with_same(2, 0, missing(rows))?.pad_with_same(3, 0, missing(cols))
}

/// The factors of Karras et al. 2022, table 1, for one `σ` an image; all `[batch, 1, 1, 1]`.
pub(crate) struct Preconditioning {
    /// `1/√(σ² + s²)`, on the network's input.
    pub(crate) input: Tensor,
    /// `s²/(σ² + s²)`, on what passes by the network.
    pub(crate) skip: Tensor,
    /// `σ s/√(σ² + s²)`, on the network's output.
    pub(crate) output: Tensor,
    /// `ln σ / 4`, `[batch]`.
    pub(crate) condition: Tensor,
}

impl Preconditioning {
    /// For noise levels `σ`, `[batch]`.
    pub(crate) fn new(sigmas: &Tensor, sigma_data: f64) -> Result<Self> {
        let column = (sigmas.elem_count(), 1, 1, 1);
        let variance = sigmas.sqr()?.affine(1.0, sigma_data * sigma_data)?;
        let input = variance.sqrt()?.recip()?;
        Ok(Self {
            skip: variance.recip()?.affine(sigma_data * sigma_data, 0.0)?.reshape(column)?,
            output: sigmas.mul(&input)?.affine(sigma_data, 0.0)?.reshape(column)?,
            condition: sigmas.log()?.affine(0.25, 0.0)?,
            input: input.reshape(column)?,
        })
    }
}

/// `D(x; σ)` for one `σ` an image; rows and columns are multiples of what the network needs.
fn denoise(network: &Unet, x: &Tensor, sigmas: &Tensor, sigma_data: f64) -> Result<Tensor> {
    let c = Preconditioning::new(sigmas, sigma_data)?;
    let raw = network.forward(&x.broadcast_mul(&c.input)?, &c.condition)?;
    x.broadcast_mul(&c.skip)? + raw.broadcast_mul(&c.output)?
}
