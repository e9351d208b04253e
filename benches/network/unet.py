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


def stage(inputs, outputs, count, embedding):
    """The residual blocks at one resolution."""
    entries = [inputs, *[outputs] * (count - 1)][:count]
    return nn.ModuleList(ResidualBlock(entry, outputs, embedding) for entry in entries)


def follow(blocks, h, embedding):
    for block in blocks:
        h = block(h, embedding)
    return h


class Unet(nn.Module):
    def __init__(self, channels, blocks, middle, embedding, frequencies):
        super().__init__()
        exponents = -2 + 4 * torch.arange(frequencies) / (frequencies - 1)
        self.register_buffer("frequencies", math.pi * 2.0**exponents, persistent=False)
        self.embed1 = nn.Linear(2 * frequencies, embedding)
        self.embed2 = nn.Linear(embedding, embedding)
        self.stem = conv3x3(1, channels[0])
        entries = [channels[0], *channels[:-1]]
        down = zip(entries, channels, blocks)
        self.down = nn.ModuleList(stage(i, o, count, embedding) for i, o, count in down)
        self.mid = stage(channels[-1], channels[-1], middle, embedding)
        up = zip(channels[1:], channels[:-1], blocks)
        self.up = nn.ModuleList(stage(deep + skip, skip, count, embedding) for deep, skip, count in up)
        self.norm_out, self.out = norm(channels[0]), conv3x3(channels[0], 1)

    def forward(self, x, condition):
        angles = condition[:, None] * self.frequencies[None]
        features = torch.cat([angles.cos(), angles.sin()], dim=1)
        embedding = F.silu(self.embed2(F.silu(self.embed1(features))))
        h, skips = follow(self.down[0], self.stem(x), embedding), []
        for blocks in self.down[1:]:
            skips.append(h)
            h = follow(blocks, F.avg_pool2d(h, 2), embedding)
        h = follow(self.mid, h, embedding)
        for blocks, skip in zip(reversed(self.up), reversed(skips)):
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            h = follow(blocks, torch.cat([h, skip], dim=1), embedding)
        return self.out(F.silu(self.norm_out(h)))


def live_floats(channels, blocks, middle, size):
    """The least number of floats that must be alive at once in one forward pass over a square image.

    Skips that are still needed, plus input and output of the operation in work, plus the block's own input until its
    sum. Each normalisation with its SiLU counts as one operation, sums happen in place, nothing else is scratch.
    """
    most = 0

    def run(inputs, outputs, count, pixels, kept):
        nonlocal most
        for entry in [inputs, *[outputs] * (count - 1)][:count]:
            mapped = outputs if entry != outputs else 0
            steps = [2 * entry, entry + entry + outputs, entry + 2 * outputs, entry + outputs + mapped]
            most = max(most, kept + pixels * max(steps))

    pixels, skips = size * size, []
    run(channels[0], channels[0], blocks[0], pixels, 0)
    for above, here, count in zip(channels, channels[1:], blocks[1:]):
        skips.append(above * pixels)
        pixels //= 4
        most = max(most, sum(skips) + above * pixels)
        run(above, here, count, pixels, sum(skips))
    run(channels[-1], channels[-1], middle, pixels, sum(skips))
    for deep, here, count in reversed(list(zip(channels[1:], channels, blocks))):
        most = max(most, sum(skips) + deep * pixels + 4 * (deep + here) * pixels)
        skips.pop()
        pixels *= 4
        run(deep + here, here, count, pixels, sum(skips))
    return most
