//! The blocks of RefineNet (Lin et al. 2017) as NCSN and NCSNv2 use them.

use super::instance_norm::{Conditioning, InstanceNorm};
use super::layers::{Nonlinearity, conv3x3, conv3x3_plain};
use super::scope::Scope;
use crate::kernels;
use crate::models::layers::Conv3x3;
use candle_core::{Result, Tensor};

/// A normalisation that is there when the network is conditional.
fn norm(scope: &Scope<'_>, conditioning: Conditioning, channels: usize) -> Result<Option<InstanceNorm>> {
    match conditioning {
        Conditioning::None => Ok(None),
        Conditioning::Levels(_) => InstanceNorm::new(scope, conditioning, channels).map(Some),
    }
}

fn normed(norm: Option<&InstanceNorm>, x: &Tensor, levels: &Tensor) -> Result<Tensor> {
    norm.map_or_else(|| Ok(x.clone()), |norm| norm.forward(x, levels))
}

/// Residual convolution units: `x + conv(act(norm(conv(act(norm(x))))))`, several times.
struct Units {
    units: Vec<[(Option<InstanceNorm>, Conv3x3); 2]>,
    act: Nonlinearity,
}

impl Units {
    fn new(
        scope: &Scope<'_>,
        count: usize,
        channels: usize,
        conditioning: Conditioning,
        act: Nonlinearity,
    ) -> Result<Self> {
        let stage = |unit: usize, stage: usize| -> Result<_> {
            let norm = norm(&scope.at(format_args!("{unit}_{stage}_norm")), conditioning, channels)?;
            let conv = conv3x3_plain(&scope.at(format_args!("{unit}_{stage}_conv")), channels, channels)?;
            Ok((norm, conv))
        };
        let units = (1..=count).map(|unit| Ok([stage(unit, 1)?, stage(unit, 2)?])).collect::<Result<_>>()?;
        Ok(Self { units, act })
    }

    fn forward(&self, x: &Tensor, levels: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for stages in &self.units {
            let mut h = x.clone();
            for (norm, conv) in stages {
                h = conv.forward(&self.act.apply(&normed(norm.as_ref(), &h, levels)?)?)?;
            }
            x = (x + h)?;
        }
        Ok(x)
    }
}

/// How the pooling block takes the maximum or the mean of 5x5 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    Maximum,
    Mean,
}

/// Chained residual pooling: `x + p₁ + p₂`, `pᵢ = conv(pool(norm(pᵢ₋₁)))`, `p₀ = x = act(input)`.
struct Pooling {
    stages: Vec<(Option<InstanceNorm>, Conv3x3)>,
    act: Nonlinearity,
    pool: Pool,
}

/// Convolutions of a pooling block.
const POOLING_STAGES: usize = 2;

impl Pooling {
    fn new(
        scope: &Scope<'_>,
        channels: usize,
        conditioning: Conditioning,
        act: Nonlinearity,
    ) -> Result<Self> {
        // All convolutions come before all normalisations in the order of names.
        let mut convs = Vec::with_capacity(POOLING_STAGES);
        for i in 0..POOLING_STAGES {
            convs.push(conv3x3_plain(&scope.at(format_args!("convs.{i}")), channels, channels)?);
        }
        let mut stages = Vec::with_capacity(POOLING_STAGES);
        for (i, conv) in convs.into_iter().enumerate() {
            stages.push((norm(&scope.at(format_args!("norms.{i}")), conditioning, channels)?, conv));
        }
        let pool = if conditioning == Conditioning::None { Pool::Maximum } else { Pool::Mean };
        Ok(Self { stages, act, pool })
    }

    fn forward(&self, x: &Tensor, levels: &Tensor) -> Result<Tensor> {
        let mut sum = self.act.apply(x)?;
        let mut path = sum.clone();
        for (norm, conv) in &self.stages {
            path = normed(norm.as_ref(), &path, levels)?;
            path = match self.pool {
                Pool::Maximum => kernels::maximum_of_5x5(&path)?,
                Pool::Mean => kernels::mean_of_5x5(&path)?,
            };
            path = conv.forward(&path)?;
            sum = (&path + sum)?;
        }
        Ok(sum)
    }
}

/// Fusion of two resolutions: each convolved, resized to the finer, and added.
struct Fusion(Vec<(Option<InstanceNorm>, Conv3x3)>);

impl Fusion {
    fn new(scope: &Scope<'_>, inputs: &[usize], channels: usize, conditioning: Conditioning) -> Result<Self> {
        let mut convs = Vec::with_capacity(inputs.len());
        for (i, &input) in inputs.iter().enumerate() {
            convs.push(conv3x3(&scope.at(format_args!("convs.{i}")), input, channels)?);
        }
        let mut stages = Vec::with_capacity(inputs.len());
        for (i, (conv, &input)) in convs.into_iter().zip(inputs).enumerate() {
            stages.push((norm(&scope.at(format_args!("norms.{i}")), conditioning, input)?, conv));
        }
        Ok(Self(stages))
    }

    fn forward(&self, inputs: &[Tensor], levels: &Tensor, size: (usize, usize)) -> Result<Tensor> {
        let mut parts = self.0.iter().zip(inputs).map(|((norm, conv), x)| {
            kernels::resize_bilinear(&conv.forward(&normed(norm.as_ref(), x, levels)?)?, size)
        });
        let Some(first) = parts.next() else { candle_core::bail!("nothing to fuse") };
        parts.try_fold(first?, |sum, part| sum + part?)
    }
}

/// Units on every input, fusion, pooling, units.
pub(super) struct Refinement {
    adapt: Vec<Units>,
    fusion: Option<Fusion>,
    pooling: Pooling,
    output: Units,
}

impl Refinement {
    /// Of features with `inputs` channels each; the last block of a network has three output units.
    pub(super) fn new(
        scope: &Scope<'_>,
        inputs: &[usize],
        channels: usize,
        last: bool,
        conditioning: Conditioning,
        act: Nonlinearity,
    ) -> Result<Self> {
        let adapt = |(i, &n): (usize, &usize)| {
            Units::new(&scope.at(format_args!("adapt_convs.{i}")), 2, n, conditioning, act)
        };
        let adapt = inputs.iter().enumerate().map(adapt).collect::<Result<_>>()?;
        let units = if last { 3 } else { 1 };
        let output = Units::new(&scope.at("output_convs"), units, channels, conditioning, act)?;
        let fusion = || Fusion::new(&scope.at("msf"), inputs, channels, conditioning);
        let fusion = (inputs.len() > 1).then(fusion).transpose()?;
        Ok(Self {
            adapt,
            fusion,
            pooling: Pooling::new(&scope.at("crp"), channels, conditioning, act)?,
            output,
        })
    }

    /// Of inputs of which the first has the resolution of the result.
    pub(super) fn forward(&self, inputs: &[&Tensor], levels: &Tensor) -> Result<Tensor> {
        let units = self.adapt.iter().zip(inputs).map(|(units, x)| units.forward(x, levels));
        let adapted = units.collect::<Result<Vec<_>>>()?;
        let fused = match &self.fusion {
            Some(fusion) => {
                let (_, _, rows, cols) = inputs[0].dims4()?;
                fusion.forward(&adapted, levels, (rows, cols))?
            }
            None => adapted[0].clone(),
        };
        drop(adapted);
        self.output.forward(&self.pooling.forward(&fused, levels)?, levels)
    }
}
