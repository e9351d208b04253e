//! NCSN and NCSNv2: a residual network with dilated convolutions, and RefineNet on top.
//!
//! Source: Song and Ermon, "Generative Modeling by Estimating Gradients of the Data Distribution", 2019, and
//! "Improved Techniques for Training Score-Based Generative Models", 2020, with their public code's names.

use super::config::NcsnConfig;
use super::embedding::chosen;
use super::instance_norm::{Conditioning, InstanceNorm};
use super::layers::{Nonlinearity, Pointwise, conv3x3};
use super::refine::Refinement;
use super::scope::Scope;
use crate::kernels;
use crate::models::layers::Conv3x3;
use candle_core::{DType, Result, Tensor};

/// Which of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// The first: conditional normalisation, output not divided by the noise level.
    First,
    /// NCSNv2.
    Second,
    /// NCSNv2 with one more halving.
    Deeper,
    /// NCSNv2 with two more halvings.
    Deepest,
}

/// How a stage gets coarser: by halving, or by looking at every second or fourth pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coarsening {
    None,
    Halve,
    Dilate(usize),
}

use Coarsening::{Dilate, Halve};

impl Variant {
    /// Name, channels (in multiples of the first) and coarsening of every stage of residual blocks.
    fn stages(self) -> &'static [(&'static str, usize, Coarsening)] {
        const SHALLOW: &[(&str, usize, Coarsening)] =
            &[("1", 1, Coarsening::None), ("2", 2, Halve), ("3", 2, Dilate(2)), ("4", 2, Dilate(4))];
        const DEEPER: &[(&str, usize, Coarsening)] = &[
            ("1", 1, Coarsening::None),
            ("2", 2, Halve),
            ("3", 2, Halve),
            ("4", 4, Dilate(2)),
            ("5", 4, Dilate(4)),
        ];
        const DEEPEST: &[(&str, usize, Coarsening)] = &[
            ("1", 1, Coarsening::None),
            ("2", 2, Halve),
            ("3", 2, Halve),
            ("31", 2, Halve),
            ("4", 4, Dilate(2)),
            ("5", 4, Dilate(4)),
        ];
        match self {
            Self::First | Self::Second => SHALLOW,
            Self::Deeper => DEEPER,
            Self::Deepest => DEEPEST,
        }
    }

    /// Names of the refinements and the channels of their results, in the order of names.
    fn refinements(self) -> &'static [(&'static str, usize)] {
        match self {
            Self::First | Self::Second => &[("1", 2), ("2", 2), ("3", 1), ("4", 1)],
            Self::Deeper => &[("1", 4), ("2", 2), ("3", 2), ("4", 1), ("5", 1)],
            Self::Deepest => &[("1", 4), ("2", 2), ("3", 2), ("31", 2), ("4", 1), ("5", 1)],
        }
    }

    /// Rows and columns must be a multiple of this.
    pub(super) fn multiple(self) -> usize {
        1 << self.stages().iter().filter(|s| s.2 == Halve).count()
    }
}

/// The network `x, index of the noise level ↦ score`.
pub(super) struct Ncsn {
    /// The noise levels, where the output is divided by them.
    divisors: Option<Tensor>,
    begin: Conv3x3,
    normalizer: InstanceNorm,
    end: Conv3x3,
    stages: Vec<[Block; 2]>,
    refinements: Vec<Refinement>,
    act: Nonlinearity,
}

impl Ncsn {
    pub(super) fn new(
        scope: &Scope<'_>,
        config: &NcsnConfig,
        variant: Variant,
        channels: usize,
    ) -> Result<Self> {
        let (nf, act) = (config.ngf, config.nonlinearity);
        let first = variant == Variant::First;
        let conditioning = if first { Conditioning::Levels(config.num_classes) } else { Conditioning::None };
        let divisors = if first { None } else { Some(scope.fixed("sigmas", [config.num_classes])?) };
        let begin = conv3x3(&scope.at("begin_conv"), channels, nf)?;
        let normalizer = InstanceNorm::new(&scope.at("normalizer"), conditioning, nf)?;
        let end = conv3x3(&scope.at("end_conv"), nf, channels)?;
        let mut stages = Vec::new();
        let mut inputs = nf;
        for (name, multiple, coarsening) in variant.stages() {
            let at = scope.at(format_args!("res{name}"));
            let outputs = multiple * nf;
            let block = |i: usize, from, coarsening, kept| {
                Block::new(&at.at(i), (from, outputs), coarsening, kept, conditioning, act)
            };
            let same = if let Dilate(_) = coarsening { *coarsening } else { Coarsening::None };
            stages.push([block(0, inputs, *coarsening, *name == "1")?, block(1, outputs, same, true)?]);
            inputs = outputs;
        }
        let refinements = Self::refinements(scope, variant, nf, conditioning, act)?;
        Ok(Self { divisors, begin, normalizer, end, stages, refinements, act })
    }

    fn refinements(
        scope: &Scope<'_>,
        variant: Variant,
        nf: usize,
        conditioning: Conditioning,
        act: Nonlinearity,
    ) -> Result<Vec<Refinement>> {
        let list = variant.refinements();
        let stages = variant.stages().iter().rev();
        let mut before = None;
        let mut made = Vec::with_capacity(list.len());
        for (i, ((name, multiple), stage)) in list.iter().zip(stages).enumerate() {
            let inputs: Vec<usize> = std::iter::once(stage.1 * nf).chain(before).collect();
            let at = scope.at(format_args!("refine{name}"));
            let outputs = multiple * nf;
            made.push(Refinement::new(&at, &inputs, outputs, i + 1 == list.len(), conditioning, act)?);
            before = Some(outputs);
        }
        if variant == Variant::Deepest {
            // Number 31 was named after number 3 and runs before it; they have the same shapes.
            made.swap(2, 3);
        }
        Ok(made)
    }

    /// The raw output. `labels` are indices, largest noise level first.
    pub(super) fn forward(&self, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let levels = labels.to_dtype(DType::U32)?;
        let mut h = self.begin.forward(x)?;
        let mut layers = Vec::with_capacity(self.stages.len());
        for [first, second] in &self.stages {
            h = second.forward(&first.forward(&h, &levels)?, &levels)?;
            layers.push(h.clone());
        }
        let mut refined: Option<Tensor> = None;
        for refinement in &self.refinements {
            let Some(layer) = layers.pop() else { break };
            let inputs: Vec<&Tensor> = std::iter::once(&layer).chain(refined.as_ref()).collect();
            refined = Some(refinement.forward(&inputs, &levels)?);
        }
        let h = self.normalizer.forward(&refined.unwrap_or(h), &levels)?;
        let y = self.end.forward(&self.act.apply(&h)?)?;
        match &self.divisors {
            Some(sigmas) => y.broadcast_div(&chosen(sigmas, labels)?),
            None => Ok(y),
        }
    }
}

/// `s(x) + conv(act(norm(conv(act(norm(x))))))`.
struct Block {
    conv1: Conv3x3,
    normalize2: InstanceNorm,
    conv2: Conv3x3,
    shortcut: Option<Bypass>,
    normalize1: InstanceNorm,
    coarsening: Coarsening,
    act: Nonlinearity,
}

/// The branch that passes by a block which changes resolution or channels.
enum Bypass {
    /// Dilated as the block's own.
    Wide(Conv3x3),
    /// 1x1, then halved.
    Narrow(Pointwise),
}

impl Block {
    /// `kept`: nothing stands on the branch that passes by.
    fn new(
        scope: &Scope<'_>,
        (inputs, outputs): (usize, usize),
        coarsening: Coarsening,
        kept: bool,
        conditioning: Conditioning,
        act: Nonlinearity,
    ) -> Result<Self> {
        // The part that halves holds its convolution under a further name.
        let inner = |name: &str| {
            if coarsening == Halve { scope.at(name).at("conv") } else { scope.at(name) }
        };
        let between = if kept { outputs } else { inputs };
        let conv1 = conv3x3(&scope.at("conv1"), inputs, between)?;
        let normalize2 = InstanceNorm::new(&scope.at("normalize2"), conditioning, between)?;
        let conv2 = conv3x3(&inner("conv2"), between, outputs)?;
        let shortcut = match (kept, coarsening) {
            (true, _) => None,
            (false, Halve) => {
                Some(Bypass::Narrow(Pointwise::convolution(&inner("shortcut"), inputs, outputs)?))
            }
            (false, _) => Some(Bypass::Wide(conv3x3(&scope.at("shortcut"), inputs, outputs)?)),
        };
        let normalize1 = InstanceNorm::new(&scope.at("normalize1"), conditioning, inputs)?;
        Ok(Self { conv1, normalize2, conv2, shortcut, normalize1, coarsening, act })
    }

    fn forward(&self, x: &Tensor, levels: &Tensor) -> Result<Tensor> {
        let dilation = if let Dilate(d) = self.coarsening { d } else { 1 };
        let mut h = self.act.apply(&self.normalize1.forward(x, levels)?)?;
        h = dilated(&self.conv1, &h, dilation)?;
        h = self.act.apply(&self.normalize2.forward(&h, levels)?)?;
        h = dilated(&self.conv2, &h, dilation)?;
        if self.coarsening == Halve {
            h = kernels::average_pool(&h)?;
        }
        match &self.shortcut {
            None => x + h,
            Some(Bypass::Wide(conv)) => dilated(conv, x, dilation)? + h,
            // Halving and a 1x1 convolution change places: a quarter of the work.
            Some(Bypass::Narrow(conv)) => conv.forward(&kernels::average_pool(x)?)? + h,
        }
    }
}

/// A convolution whose pixels lie `dilation` apart: an ordinary one on every phase of the image.
fn dilated(conv: &Conv3x3, x: &Tensor, dilation: usize) -> Result<Tensor> {
    if dilation == 1 {
        return conv.forward(x);
    }
    let (_, _, rows, cols) = x.dims4()?;
    let phases = kernels::split_phases(x, dilation)?;
    kernels::join_phases(&conv.forward(&phases)?, dilation, (rows, cols))
}
