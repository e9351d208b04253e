//! A trained network as a score model.

use super::manifest::{Architecture, Manifest};
use super::published::ScoreNetwork;
use super::unet::Unet;
use crate::score::ScoreModel;
use candle_core::{Device, Result, Tensor, bail};

/// A trained network, with its card, as a model of the score.
///
/// The program's own network `F` is preconditioned as in Karras et al. 2022, eq. 7 (with `s = σ_data`):
/// `D = s²/(σ² + s²) x + σ s/√(σ² + s²) F(x/√(σ² + s²), ln σ / 4)`. Published networks are called as their
/// authors do. Tensors are `[batch, channel, row, col]` in model units, of any size: the edge is repeated up to
/// the multiple that the network needs.
pub struct Prior {
    manifest: Manifest,
    network: Network,
    device: Device,
}

enum Network {
    FilmUnet { network: Unet, multiple: usize, sigma_data: f64 },
    Published(ScoreNetwork),
}

impl Prior {
    /// A prior over the parameters that `get` finds by name.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn new(manifest: Manifest, device: &Device, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        let network = match &manifest.architecture {
            Architecture::FilmUnet(unet) => Network::FilmUnet {
                network: Unet::new(&unet.size, get)?,
                multiple: unet.size.multiple(),
                sigma_data: unet.sigma_data,
            },
            Architecture::Published(arch) => Network::Published(ScoreNetwork::new(arch, get)?),
        };
        Ok(Self { network, device: device.clone(), manifest })
    }

    /// The model card.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The device that the weights are on; tensors given to the prior must be there too.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Channels of an image.
    pub fn channels(&self) -> usize {
        match &self.manifest.architecture {
            Architecture::FilmUnet(_) => 1,
            Architecture::Published(arch) => arch.data.num_channels,
        }
    }

    /// The network's own output at the conditioning values it was trained with, `[batch]`; for the program's
    /// own network that value is `ln σ / 4`.
    ///
    /// # Errors
    /// When shapes do not fit, a label names no noise level, or a tensor operation fails.
    pub fn raw(&self, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        match &self.network {
            Network::FilmUnet { network, multiple, .. } => {
                let (_, _, rows, cols) = x.dims4()?;
                let y = network.forward(&pad_edge(x, *multiple)?, labels)?;
                y.narrow(2, 0, rows)?.narrow(3, 0, cols)?.contiguous()
            }
            Network::Published(network) => network.forward(x, labels),
        }
    }

    /// Whether [`Prior::raw`] can be called with this conditioning value.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_label(&self, label: f64) -> std::result::Result<(), String> {
        match &self.manifest.architecture {
            Architecture::Published(arch) => arch.check_label(label),
            Architecture::FilmUnet(_) if label.is_finite() => Ok(()),
            Architecture::FilmUnet(_) => Err(format!("a label must be finite, not {label}")),
        }
    }

    /// Whether [`Prior::score_of_process`] can be called with this noise level.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_noise(&self, std: f64) -> std::result::Result<(), String> {
        match &self.manifest.architecture {
            Architecture::Published(arch) => arch.conditioning(std).map(|_| ()),
            Architecture::FilmUnet(_) if std.is_finite() && std > 0.0 => Ok(()),
            Architecture::FilmUnet(_) => Err(format!("a noise level must be positive and finite, not {std}")),
        }
    }

    /// `∇ₓ log pₜ(x)` at the time at which the noise of the network's own process has standard deviation `std`:
    /// VP and sub-VP networks are given `m(t) x₀ + std z`, not `x₀ + std z` as in [`ScoreModel::score`].
    ///
    /// # Errors
    /// As [`Prior::raw`]; also when the process has no such noise level.
    pub fn score_of_process(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        match (&self.network, &self.manifest.architecture) {
            (Network::Published(network), Architecture::Published(arch)) => {
                let at = arch.conditioning(std).map_err(candle_core::Error::msg)?;
                published(network, x, at.label)?.affine(at.factor, 0.0)
            }
            _ => self.score(x, std),
        }
    }
}

impl ScoreModel for Prior {
    /// `∇ₓ log p(x; σ)` of images with added noise: `(D(x; σ) − x)/σ²` for the program's own network, and
    /// `m ∇ log pₜ(m x)` for published ones, `m = m(t)` at the time when `s/m = σ`.
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        let network = match &self.network {
            Network::FilmUnet { .. } => {
                return (self.denoise(x, std)? - x)?.affine(1.0 / (std * std), 0.0);
            }
            Network::Published(network) => network,
        };
        let Architecture::Published(arch) = &self.manifest.architecture else {
            bail!("the card and the network do not fit")
        };
        let at = arch.conditioning_of_added_noise(std).map_err(candle_core::Error::msg)?;
        if at.mean == 1.0 {
            return published(network, x, at.label)?.affine(at.factor, 0.0);
        }
        published(network, &x.affine(at.mean, 0.0)?, at.label)?.affine(at.factor * at.mean, 0.0)
    }

    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        let Network::FilmUnet { network, multiple, sigma_data } = &self.network else {
            return x + self.score(x, std)?.affine(std * std, 0.0)?;
        };
        let (batch, _, rows, cols) = x.dims4()?;
        let sigmas = Tensor::from_vec(vec![std as f32; batch], batch, x.device())?;
        let padded = pad_edge(x, *multiple)?;
        let denoised = denoise(network, &padded, &sigmas, *sigma_data)?;
        denoised.narrow(2, 0, rows)?.narrow(3, 0, cols)
    }
}

/// The raw output at the same label for every image.
fn published(network: &ScoreNetwork, x: &Tensor, label: f64) -> Result<Tensor> {
    let batch = x.dim(0)?;
    network.forward(x, &Tensor::from_vec(vec![label as f32; batch], batch, x.device())?)
}

/// Repeats the last row and column until both counts are multiples of `multiple`.
pub(super) fn pad_edge(x: &Tensor, multiple: usize) -> Result<Tensor> {
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
