"""The U-Net of `src/models/unet.rs` with its parameter names, for any number of input channels."""
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

GROUP_CHANNELS = 8


@dataclass(frozen=True)
class UnetConfig:
    """The size of a network."""

    channels: tuple[int, ...] = (24, 48, 96, 128, 128)
    blocks: tuple[int, ...] = (1, 2, 2, 2, 1)
    middle: int = 3
    embedding: int = 96
    frequencies: int = 16
    inputs: int = 1

    @property
    def multiple(self) -> int:
        """Rows and columns are a multiple of this."""
        return 2 ** (len(self.channels) - 1)

    def as_dict(self) -> dict:
        """For a card."""
        return asdict(self)


def norm(channels: int) -> nn.GroupNorm:
    """Groups of a fixed number of channels."""
    return nn.GroupNorm(channels // GROUP_CHANNELS, channels, eps=1e-5)


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """`x + conv(norm(conv(norm(x))))`, the second norm modulated by the embedding."""

    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs), conv3x3(inputs, outputs)
        self.film = nn.Linear(embedding, 2 * outputs)
        self.norm2, self.conv2 = norm(outputs), conv3x3(outputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale)))
        return self.skip(x) + h


def stage(inputs: int, outputs: int, count: int, embedding: int) -> nn.ModuleList:
    """The residual blocks at one resolution."""
    entries = [inputs, *[outputs] * (count - 1)][:count]
    return nn.ModuleList(ResidualBlock(entry, outputs, embedding) for entry in entries)


def follow(blocks: nn.ModuleList, h: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
    """One block after the other."""
    for block in blocks:
        h = block(h, embedding)
    return h


class Unet(nn.Module):
    """`F(x, c)`: `x` is `[batch, inputs, row, col]`, `c` is `[batch]`, the result `[batch, 1, row, col]`."""

    def __init__(self, config: UnetConfig):
        super().__init__()
        self.config = config
        channels, blocks, embedding = config.channels, config.blocks, config.embedding
        exponents = -2 + 4 * torch.arange(config.frequencies) / (config.frequencies - 1)
        self.register_buffer("frequencies", math.pi * 2.0**exponents, persistent=False)
        self.embed1 = nn.Linear(2 * config.frequencies, embedding)
        self.embed2 = nn.Linear(embedding, embedding)
        self.stem = conv3x3(config.inputs, channels[0])
        entries = [channels[0], *channels[:-1]]
        down = zip(entries, channels, blocks)
        self.down = nn.ModuleList(stage(i, o, count, embedding) for i, o, count in down)
        self.mid = stage(channels[-1], channels[-1], config.middle, embedding)
        up = zip(channels[1:], channels[:-1], blocks)
        self.up = nn.ModuleList(stage(deep + skip, skip, count, embedding) for deep, skip, count in up)
        self.norm_out, self.out = norm(channels[0]), conv3x3(channels[0], 1)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
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

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Takes the weights of a network with fewer input channels; what it has not got starts at zero."""
        own = self.state_dict()
        for name, tensor in weights.items():
            target = own[name]
            if target.shape != tensor.shape:
                if name != "stem.weight":
                    raise ValueError(f"{name} has shape {tuple(tensor.shape)}, not {tuple(target.shape)}")
                target.zero_()
                target[:, : tensor.shape[1]] = tensor.float()
            else:
                target.copy_(tensor.float())
        missing = sorted(set(own) - set(weights))
        if missing:
            raise ValueError(f"not in the weights: {missing}")
