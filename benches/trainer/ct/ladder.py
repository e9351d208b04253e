"""The point estimate: a few calls of the network, each followed by a fit to the data."""
import contextlib
from dataclasses import dataclass

import torch

from ..unet import Unet
from .physics import Scanner, columns, fit, images_of
from .prior import FLIPS, ITERATIONS, WEIGHT, Levels, Table, denoise
from .variation import Variation, least_variation


@dataclass
class Measured:
    """Sinograms `[rays, batch]`, filtered back-projections and starts, `[batch, 1, row, col]` in model units."""

    scanner: Scanner
    y: torch.Tensor
    back_projected: torch.Tensor
    start: torch.Tensor

    def fit(self, images: torch.Tensor) -> torch.Tensor:
        """Made consistent with the data."""
        return fit(images, self.y, self.scanner, WEIGHT, ITERATIONS)


@torch.no_grad()
def measure(scanner: Scanner, clean: torch.Tensor, variation: Variation = Variation()) -> Measured:
    """Noise-free data of images `[batch, 1, row, col]`, and what is made of them before the first call."""
    y = scanner.project(columns(clean))
    direct = scanner.inverse(y)
    start = images_of(least_variation(scanner, y, direct, variation), scanner.side)
    return Measured(scanner, y, images_of(direct, scanner.side), fit(start, y, scanner, WEIGHT, ITERATIONS))


@torch.no_grad()
def climb(
    network: Unet,
    measured: Measured,
    levels: Levels | Table,
    calls: int,
    flips: str = "turn",
    precision=contextlib.nullcontext(),
) -> list[torch.Tensor]:
    """The estimate after each call. `flips` is `one` for upright images, `turn` for another mirror image at each call,
    `all` for the mean of the four at each call."""
    scanner, z, found = measured.scanner, measured.start, []
    for call in range(calls):
        sigma = levels.sigma(scanner.side, scanner.views, call)
        used = {"one": FLIPS[:1], "turn": (FLIPS[call % 4],), "all": FLIPS}[flips]
        multiple = network.config.multiple
        seen = (z, measured.back_projected, scanner.views, call, sigma, multiple, precision)
        z = measured.fit(sum(denoise(network, *seen, flip) for flip in used) / len(used))
        found.append(z)
    return found


def psnr(clean: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """As `recon eval`: negative values are 0 and the peak is the largest value of the true slice; `[batch]`."""
    clean, images = clean.double().clamp_min(0), images.double().clamp_min(0)
    error = (clean - images).square().mean(dim=(1, 2, 3))
    return 10 * (clean.amax(dim=(1, 2, 3)).square() / error).log10()
