"""The conditional prior: what the network is given and how its output becomes an image.

Channels, in this order, all `[batch, 1, row, col]`:

1. `z / √(σ_e² + s²)`: the image of the rung, or the noisy image;
2. `a / √(σ_e² + s²)`: the zero-filled image of the measured lines and their mirror images;
3. the mask `M_T` of the measured lines and their mirror images, as 0 and 1 along the columns;
4. the mask `M_t`, likewise: `z` has the lines of `M_T` as measured, the others of `M_t` from an estimate of the network,
   and the rest from the image of least total variation that explains the measurement (`variation.py`).

`s` is `SIGMA_DATA`. The noise level that the network is told, as `ln σ_e / 4`, is the usual size of what is wrong
with `z`. Without noise `M_t` grows from `M_T` to all lines, and
`σ_e² = START_SHARE missing(M_t) + WRONG_SHARE (missing(M_T) − missing(M_t))`, where `missing` is the energy a pixel
that images have in the lines outside of a mask, on average over the training data (`Spectrum`), and the shares say how
much of it is usually wrong in the start and in an estimate. With noise of `σ` in the lines outside of `M_T`, `M_t` is
all lines and `σ_e² = σ² (1 − share of M_T)`.

`D = s²/(σ_e² + s²) z + σ_e s/√(σ_e² + s²) F`, after which the measured lines are put back.
"""
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from .fourier import keep
from .masks import distance_from_centre
from .unet import Unet

SIGMA_DATA = 0.3
INPUTS = 4
LEAST_SIGMA = 0.002
START_SHARE, WRONG_SHARE = 0.6, 0.25
PERCENTILE = 99.5


@dataclass(frozen=True)
class Spectrum:
    """The mean squared size of a line of k-space, by its frequency in cycles a pixel at equal distances in [0, 1/2]."""

    power: tuple[float, ...]

    @staticmethod
    def of(images: list[np.ndarray], bins: int = 65) -> "Spectrum":
        """The mean over images `[row, col]`, each in model units."""
        knots, sums = np.linspace(0, 0.5, bins), np.zeros(bins)
        for image in images:
            lines = np.abs(np.fft.rfft(image, norm="ortho", axis=-1)) ** 2
            sums += np.interp(knots, np.arange(lines.shape[-1]) / image.shape[-1], lines.mean(axis=0))
        return Spectrum(tuple(float(v) for v in sums / len(images)))

    def missing(self, mask: np.ndarray) -> float:
        """The energy a pixel in the lines that the mask has not got."""
        return float(power_of_lines(self.power, len(mask))[~mask].sum() / len(mask))


@lru_cache
def power_of_lines(power: tuple[float, ...], count: int) -> np.ndarray:
    """The spectrum at each of so many lines, geometric between its knots."""
    knots = np.linspace(0, 0.5, len(power))
    return np.exp(np.interp(distance_from_centre(count) / count, knots, np.log(power)))


@dataclass
class Rung:
    """What the network is asked: images of the rung and what was measured, `[batch, 1, row, col]` and `[batch, col]`."""

    z: torch.Tensor
    zero_filled: torch.Tensor
    measured: torch.Tensor
    present: torch.Tensor
    sigma: torch.Tensor


def effective_sigma(spectrum: Spectrum, measured: np.ndarray, present: np.ndarray, noise: float = 0.0) -> float:
    """`σ_e` of one image."""
    if noise > 0:
        variance = noise**2 * (1 - measured.mean())
    else:
        missing = spectrum.missing(present)
        variance = START_SHARE * missing + WRONG_SHARE * (spectrum.missing(measured) - missing)
    return max(float(np.sqrt(variance)), LEAST_SIGMA)


def units_of(zero_filled: torch.Tensor) -> torch.Tensor:
    """The value that is 1 for the network, `[batch, 1, 1, 1]`: a percentile of the positive pixels of the whole slice.

    Linear between neighbouring values; 1 where no pixel is positive.
    """
    values = zero_filled.flatten(1).sort(dim=1).values
    count = (values > 0).sum(dim=1)
    at = values.shape[1] - count + PERCENTILE / 100 * (count - 1).double()
    low = at.floor().long().clamp(0, values.shape[1] - 1)
    high = (low + 1).clamp(max=values.shape[1] - 1)
    below, above = (values.gather(1, k[:, None])[:, 0] for k in (low, high))
    unit = torch.where(count > 0, torch.lerp(below, above, (at - at.floor()).float()), 1.0)
    return unit[:, None, None, None]


def pad_edge(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """Repeats the last row and column until both counts are multiples."""
    rows, cols = x.shape[-2:]
    down, right = -rows % multiple, -cols % multiple
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x


def denoise(network: Unet, rung: Rung, consistent: bool = True) -> torch.Tensor:
    """The clean images that the network believes in, `[batch, 1, row, col]`."""
    rows, cols = rung.z.shape[-2:]
    sigma = rung.sigma[:, None, None, None]
    scale = 1 / (sigma**2 + SIGMA_DATA**2).sqrt()
    profiles = [mask[:, None, None, :].expand_as(rung.z) for mask in (rung.measured, rung.present)]
    x = torch.cat([rung.z * scale, rung.zero_filled * scale, *profiles], dim=1)
    x = pad_edge(x, network.config.multiple).contiguous(memory_format=torch.channels_last)
    raw = network(x, rung.sigma.log() / 4)[..., :rows, :cols].float()
    image = (SIGMA_DATA * scale) ** 2 * rung.z + sigma * SIGMA_DATA * scale * raw
    return restore(image, rung) if consistent else image


def restore(image: torch.Tensor, rung: Rung) -> torch.Tensor:
    """The image with the measured lines put back."""
    return image + rung.zero_filled - keep(image, rung.measured[:, None, None, :])
