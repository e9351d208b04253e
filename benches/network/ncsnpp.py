"""NCSN++ (Song et al. 2021, appendix H) in PyTorch, in the form of the published medical models.

Variance-exploding noise, Fourier embedding of ln σ, BigGAN residual blocks with FIR resampling, `input_skip` and
`output_skip` pyramids, skips scaled by 1/√2, output divided by σ. Parameters have the names of the published
checkpoints: `all_modules.N.…`, numbered in the order of the computation.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    """The numbers of `arch.toml`; attention sits on the level whose images are `attention` pixels wide."""

    channels: int
    multiples: tuple
    blocks: int
    attention: int
    size: int

    def width(self, level):
        return self.channels * self.multiples[level]

    def attends(self, level):
        return self.size >> level == self.attention


def medical(size):
    """The model of sparse-view CT at 320 pixels (LIDC); other sizes keep attention on the same level."""
    return Config(channels=32, multiples=(1, 1, 2, 2, 2, 2, 2), blocks=2, attention=size // 16, size=size)


SIGMA_MIN, SIGMA_MAX, SCALES = 0.01, 128.0, 1000


def describe(config):
    """The same as `arch.toml`, which `recon` reads beside bare checkpoints."""
    return f"""architecture = "ncsnpp"

[model]
nf = {config.channels}
ch_mult = {list(config.multiples)}
num_res_blocks = {config.blocks}
attn_resolutions = [{config.attention}]
conditional = true
embedding_type = "fourier"
fourier_scale = 16
nonlinearity = "swish"
resblock_type = "biggan"
skip_rescale = true
fir = true
fir_kernel = [1, 3, 3, 1]
resamp_with_conv = true
progressive = "output_skip"
progressive_input = "input_skip"
progressive_combine = "sum"
scale_by_sigma = true
init_scale = 0.0
dropout = 0.0
conv_size = 3

[data]
image_size = {config.size}
num_channels = 1
centered = false

[sde]
kind = "ve"
continuous = true
sigma_min = {SIGMA_MIN}
sigma_max = {SIGMA_MAX}
num_scales = {SCALES}
"""


def norm(channels):
    return nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


def conv(inputs, outputs, kernel=3):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class Resample(nn.Module):
    """Halves or doubles the resolution behind the separable filter [1, 3, 3, 1]/8, each channel by itself."""

    def __init__(self, up):
        super().__init__()
        tap = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = torch.outer(tap, tap) * (4 if up else 1)
        self.register_buffer("kernel", kernel[None, None], persistent=False)
        self.resample = F.conv_transpose2d if up else F.conv2d

    def forward(self, x):
        channels = x.shape[1]
        return self.resample(x, self.kernel.expand(channels, 1, 4, 4), stride=2, padding=1, groups=channels)


class Projection(nn.Module):
    """The Fourier features of ln σ."""

    def __init__(self, count):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(count), requires_grad=False)

    def forward(self, sigma):
        angles = 2 * math.pi * sigma.log()[:, None] * self.W[None]
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class Residual(nn.Module):
    """The BigGAN residual block; `resample` is None, "up" or "down"."""

    def __init__(self, inputs, outputs, embedding, resample=None):
        super().__init__()
        self.GroupNorm_0, self.Conv_0 = norm(inputs), conv(inputs, outputs)
        self.Dense_0 = nn.Linear(embedding, outputs)
        self.GroupNorm_1, self.Conv_1 = norm(outputs), conv(outputs, outputs)
        if inputs != outputs or resample:
            self.Conv_2 = conv(inputs, outputs, 1)
        self.resample = Resample(resample == "up") if resample else None

    def forward(self, x, embedding):
        h = F.silu(self.GroupNorm_0(x))
        if self.resample:
            h, x = self.resample(h), self.resample(x)
        h = self.Conv_0(h) + self.Dense_0(F.silu(embedding))[:, :, None, None]
        h = self.Conv_1(F.silu(self.GroupNorm_1(h)))
        if hasattr(self, "Conv_2"):
            x = self.Conv_2(x)
        return (x + h) * math.sqrt(0.5)


class Nin(nn.Module):
    """A linear map in every pixel, with the transposed weight of the checkpoints."""

    def __init__(self, channels):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(channels, channels))
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, tokens):
        return tokens @ self.W + self.b


class Attention(nn.Module):
    """Self-attention with one head over all pixels."""

    def __init__(self, channels):
        super().__init__()
        self.GroupNorm_0 = norm(channels)
        for k in range(4):
            setattr(self, f"NIN_{k}", Nin(channels))

    def forward(self, x):
        batch, channels, rows, cols = x.shape
        tokens = self.GroupNorm_0(x).reshape(batch, channels, rows * cols).transpose(1, 2)
        q, k, v = self.NIN_0(tokens), self.NIN_1(tokens), self.NIN_2(tokens)
        weights = torch.softmax(q @ k.transpose(1, 2) * channels**-0.5, dim=-1)
        h = self.NIN_3(weights @ v).transpose(1, 2).reshape(batch, channels, rows, cols)
        return (x + h) * math.sqrt(0.5)


class Combine(nn.Module):
    """Adds the input pyramid to the features."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.Conv_0 = conv(inputs, outputs, 1)

    def forward(self, pyramid, h):
        return self.Conv_0(pyramid) + h


class Ncsnpp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.downsample, self.upsample = Resample(up=False), Resample(up=True)
        self.all_modules = nn.ModuleList(layers(config))

    def forward(self, x, sigma):
        """The score of `x` `[batch, 1, row, col]` in [0, 1] with noise levels `sigma` `[batch]`."""
        config, step = self.config, iter(self.all_modules)
        levels = len(config.multiples)
        embedding = next(step)(sigma)
        embedding = next(step)(embedding)
        embedding = next(step)(F.silu(embedding))
        pyramid = 2 * x - 1
        h = next(step)(pyramid)
        skips = [h]
        for level in range(levels):
            for _ in range(config.blocks):
                h = next(step)(h, embedding)
                h = next(step)(h) if config.attends(level) else h
                skips.append(h)
            if level < levels - 1:
                h = next(step)(h, embedding)
                pyramid = self.downsample(pyramid)
                h = next(step)(pyramid, h)
                skips.append(h)
        h = next(step)(h, embedding)
        h = next(step)(h)
        h = next(step)(h, embedding)
        total = None
        for level in reversed(range(levels)):
            for _ in range(config.blocks + 1):
                h = next(step)(torch.cat([h, skips.pop()], dim=1), embedding)
            h = next(step)(h) if config.attends(level) else h
            shown = F.silu(next(step)(h))
            shown = next(step)(shown)
            total = shown if total is None else self.upsample(total) + shown
            h = next(step)(h, embedding) if level > 0 else h
        return total / sigma[:, None, None, None]


def layers(config):
    """Every layer that has parameters, in the order of the computation."""
    embedding = 4 * config.channels
    levels, width = len(config.multiples), config.channels
    yield Projection(config.channels)
    yield nn.Linear(2 * config.channels, embedding)
    yield nn.Linear(embedding, embedding)
    yield conv(1, width)
    skips = [width]
    for level in range(levels):
        for _ in range(config.blocks):
            yield Residual(width, config.width(level), embedding)
            width = config.width(level)
            if config.attends(level):
                yield Attention(width)
            skips.append(width)
        if level < levels - 1:
            yield Residual(width, width, embedding, "down")
            yield Combine(1, width)
            skips.append(width)
    yield Residual(width, width, embedding)
    yield Attention(width)
    yield Residual(width, width, embedding)
    for level in reversed(range(levels)):
        for _ in range(config.blocks + 1):
            yield Residual(width + skips.pop(), config.width(level), embedding)
            width = config.width(level)
        if config.attends(level):
            yield Attention(width)
        yield norm(width)
        yield conv(width, 1)
        if level > 0:
            yield Residual(width, width, embedding, "up")
