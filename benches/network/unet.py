"""The U-Net of the shipped priors in PyTorch, with the parameter names of `src/models/unet.rs`."""
import math

import torch
import torch.nn.functional as F
from torch import nn

GROUP_CHANNELS = 8


def norm(channels):
    return nn.GroupNorm(channels // GROUP_CHANNELS, channels, eps=1e-5)


def conv3x3(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, embedding):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs), conv3x3(inputs, outputs)
        self.film = nn.Linear(embedding, 2 * outputs)
        self.norm2, self.conv2 = norm(outputs), conv3x3(outputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, embedding):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class Unet(nn.Module):
    def __init__(self, channels, embedding, frequencies):
        super().__init__()
        exponents = -2 + 4 * torch.arange(frequencies) / (frequencies - 1)
        self.register_buffer("frequencies", math.pi * 2.0**exponents, persistent=False)
        self.embed1 = nn.Linear(2 * frequencies, embedding)
        self.embed2 = nn.Linear(embedding, embedding)
        self.stem = conv3x3(1, channels[0])
        entries = [channels[0], *channels[:-1]]
        self.down = nn.ModuleList(ResidualBlock(i, o, embedding) for i, o in zip(entries, channels))
        self.mid = ResidualBlock(channels[-1], channels[-1], embedding)
        pairs = zip(channels[1:], channels[:-1])
        self.up = nn.ModuleList(ResidualBlock(deep + skip, skip, embedding) for deep, skip in pairs)
        self.norm_out, self.out = norm(channels[0]), conv3x3(channels[0], 1)

    def forward(self, x, condition):
        angles = condition[:, None] * self.frequencies[None]
        features = torch.cat([angles.cos(), angles.sin()], dim=1)
        embedding = F.silu(self.embed2(F.silu(self.embed1(features))))
        h, skips = self.down[0](self.stem(x), embedding), []
        for block in self.down[1:]:
            skips.append(h)
            h = block(F.avg_pool2d(h, 2), embedding)
        h = self.mid(h, embedding)
        for block, skip in zip(reversed(self.up), reversed(skips)):
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            h = block(torch.cat([h, skip], dim=1), embedding)
        return self.out(F.silu(self.norm_out(h)))


def live_floats(channels, size):
    """The least number of floats that must be alive at once in one forward pass over a square image.

    Skips that are still needed, plus input and output of the operation in work, plus the block's own input until its
    sum. Each normalisation with its SiLU counts as one operation, sums happen in place, nothing else is scratch.
    """
    most = 0

    def block(inputs, outputs, pixels, kept):
        nonlocal most
        mapped = outputs if inputs != outputs else 0
        steps = [2 * inputs, inputs + inputs + outputs, inputs + 2 * outputs, inputs + outputs + mapped]
        most = max(most, kept + pixels * max(steps))

    pixels, skips = size * size, []
    block(channels[0], channels[0], pixels, 0)
    for above, here in zip(channels, channels[1:]):
        skips.append(above * pixels)
        pixels //= 4
        most = max(most, sum(skips) + above * pixels)
        block(above, here, pixels, sum(skips))
    block(channels[-1], channels[-1], pixels, sum(skips))
    for deep, here in reversed(list(zip(channels[1:], channels))):
        most = max(most, sum(skips) + deep * pixels + 4 * (deep + here) * pixels)
        skips.pop()
        pixels *= 4
        block(deep + here, here, pixels, sum(skips))
    return most
