//! Training of variational dequantization.

use super::learner::Learner;
use super::parameters::{Descending, Parameters};
use crate::models::{Dequantizer, HeadBody};
use crate::score::{Density, Noise, Stream};
use anyhow::ensure;
use candle_core::{Device, Result, Tensor, bail};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use recon_pipelines::SliceSeed;
use std::collections::BTreeMap;

/// The bound `−log P(x) ≤ E_q[−log p(x + δ u) + log q(u | x)] − D ln δ`, (9.13), on the bits of grey values.
///
/// `P(x)` is the probability that a model with density `p` gives to the cell `[x, x + δ)` of every pixel.
/// Images are the lower edges of their cells.
#[derive(Clone, Copy)]
pub struct DequantizedBound<'a> {
    /// A density, or a lower bound on it.
    pub density: &'a dyn Density,
    /// `q`; uniform when there is none.
    pub dequantizer: Option<&'a Dequantizer>,
    /// `δ` in model units.
    pub grey_step: f64,
    /// How many `u` are drawn for an image.
    pub draws: usize,
}

/// An estimate of the bound for every image.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscreteBound {
    /// An upper bound on `−log P(x)`, in nats.
    pub nats: Vec<f64>,
    /// Its standard error from the spread of the draws, if there were at least two.
    pub standard_error: Option<Vec<f64>>,
}

impl DequantizedBound<'_> {
    /// The bound for every image of a batch. Takes uniform numbers for every draw, then what the density
    /// draws.
    ///
    /// # Errors
    /// When nothing is drawn, or the model or the noise fails.
    pub fn evaluate(&self, x: &Tensor, noise: &mut Noise) -> anyhow::Result<DiscreteBound> {
        ensure!(self.draws > 0, "the bound needs at least one draw");
        let mut draws = Vec::with_capacity(self.draws);
        for _ in 0..self.draws {
            draws.push(self.draw(x, noise)?);
        }
        let count = self.draws as f64;
        let images = 0..x.dim(0)?;
        let mean = |i: usize| draws.iter().map(|draw| draw[i]).sum::<f64>() / count;
        let error = |i: usize| {
            let centre = mean(i);
            let squares: f64 = draws.iter().map(|draw| (draw[i] - centre).powi(2)).sum();
            (squares / ((count - 1.0) * count)).sqrt()
        };
        Ok(DiscreteBound {
            nats: images.clone().map(mean).collect(),
            standard_error: (self.draws > 1).then(|| images.map(error).collect()),
        })
    }

    fn draw(&self, x: &Tensor, noise: &mut Noise) -> anyhow::Result<Vec<f64>> {
        let pixels = x.elem_count() / x.dim(0)?.max(1);
        let uniform = Tensor::from_vec(noise.uniform(pixels)?.concat(), x.shape(), x.device())?;
        let uniform = uniform.to_dtype(x.dtype())?;
        let (place, spent) = match self.dequantizer {
            None => (uniform, vec![0.0; x.dim(0)?]),
            Some(dequantizer) => {
                let placed = dequantizer.place(x, &uniform)?;
                let spent = placed.log_density.to_dtype(candle_core::DType::F64)?.to_vec1::<f64>()?;
                (placed.place, spent)
            }
        };
        let filled = (x + (place * self.grey_step)?)?;
        let density = self.density.log_density(&filled, noise)?;
        let volume = pixels as f64 * self.grey_step.ln();
        Ok(spent.iter().zip(density).map(|(spent, density)| spent - density - volume).collect())
    }
}

/// A dequantizer in training against a density that stays as it is.
pub struct DequantizerTrainer<D> {
    density: D,
    grey_step: f64,
    model: Dequantizer,
    parameters: Parameters,
}

/// Images of grey values, and everything that was drawn for them.
pub struct GreyBatch {
    /// The lower edges of the cells in model units, `[batch, 1, row, col]`.
    pub grey: Tensor,
    /// Uniform numbers of the same shape.
    pub uniform: Tensor,
    /// For what the density draws: a seed an image.
    pub seeds: Vec<u64>,
}

impl<D: Density> DequantizerTrainer<D> {
    /// Starts from these parameters; with a last layer of zeros, from uniform dequantization.
    ///
    /// # Errors
    /// When a parameter is missing or of another shape, or the grey step is not positive.
    pub fn new(
        body: HeadBody,
        density: D,
        grey_step: f64,
        descending: Descending,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        if !(grey_step > 0.0 && grey_step.is_finite()) {
            bail!("a grey step must be positive, not {grey_step}")
        }
        let parameters = Parameters::new(Dequantizer::parameters(body), tensors, descending, device)?;
        let model = Dequantizer::new(body, &|name| parameters.get(name))?;
        Ok(Self { density, grey_step, model, parameters })
    }
}

impl<D: Density> Learner for DequantizerTrainer<D> {
    type Batch = GreyBatch;

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// The images are taken as they are: lower edges of cells.
    fn draw(&self, clean: Tensor, rng: &mut ChaCha8Rng) -> Result<GreyBatch> {
        let uniform: Vec<f32> = (0..clean.elem_count()).map(|_| rng.random()).collect();
        Ok(GreyBatch {
            uniform: Tensor::from_vec(uniform, clean.shape(), clean.device())?,
            seeds: (0..clean.dim(0)?).map(|_| rng.random()).collect(),
            grey: clean,
        })
    }

    fn images(batch: &GreyBatch) -> usize {
        batch.seeds.len()
    }

    fn part(batch: &GreyBatch, from: usize, count: usize) -> Result<GreyBatch> {
        Ok(GreyBatch {
            grey: batch.grey.narrow(0, from, count)?,
            uniform: batch.uniform.narrow(0, from, count)?,
            seeds: batch.seeds[from..from + count].to_vec(),
        })
    }

    /// `mean (log q(u | x) − g·δ u)/D` with `g` the density's gradient at `x + δ u`, held fixed: it has the
    /// gradient of the bound (9.13), but not its value, for which there is [`DequantizedBound`].
    fn loss(&self, batch: &GreyBatch) -> Result<Tensor> {
        let placed = self.model.place(&batch.grey, &batch.uniform)?;
        let moved = (placed.place * self.grey_step)?;
        let filled = (&batch.grey + moved.detach())?;
        let (_, channels, rows, cols) = filled.dims4()?;
        let stream = |seed: &u64| Stream { slice: SliceSeed { seed: *seed, case: 0, slice: 0 }, sample: 0 };
        let streams: Vec<Stream> = batch.seeds.iter().map(stream).collect();
        let mut noise = Noise::with_channels(&streams, (channels, rows, cols), filled.device());
        let slope = self.density.slope(&filled, &mut noise).map_err(candle_core::Error::msg)?.detach();
        let gained = (slope * moved)?.flatten_from(1)?.sum(1)?;
        (placed.log_density - gained)?.mean_all()? / (channels * rows * cols) as f64
    }
}
