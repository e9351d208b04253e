"""A batch of measured slices, and the two losses."""
from dataclasses import dataclass

import numpy as np
import torch

from ..unet import Unet
from .ladder import Measured
from .prior import CALLS, FLIPS, Levels, denoise, rung_of


@dataclass
class Batch:
    """Clean slices and what was measured of them; the squared error of the start, `[batch]`."""

    clean: torch.Tensor
    measured: Measured
    error: torch.Tensor

    @staticmethod
    def of(clean: torch.Tensor, measured: Measured) -> "Batch":
        return Batch(clean, measured, squared(measured.start, clean).clamp_min(1e-8))


def squared(image: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """Mean squared error, `[batch]`."""
    return (image - clean).square().mean(dim=(1, 2, 3))


@dataclass(frozen=True)
class Shares:
    """How the calls of a step are drawn.

    `further` are the chances of 0, 1, 2… calls between the first one and that of loss 2, `unrolled` is how often loss 2
    goes back through the first call where there are none between, `direct` the weight of the error before the fit.
    """

    further: tuple[float, ...] = (0.35, 0.25, 0.15, 0.1, 0.1, 0.05)
    unrolled: float = 0.0
    direct: float = 0.2


class Ratios:
    """Running means of the squared error after a call by that of the start, so that each number of views and each call
    counts alike; and sums of gains in dB for the log. All on the device."""

    def __init__(self, levels: Levels):
        self.levels = levels
        self.means = torch.ones_like(levels.logs)
        self.counts = torch.zeros_like(levels.logs)
        self.clear()

    def clear(self) -> None:
        """Begins new sums."""
        self.sums = torch.zeros_like(self.means)
        self.seen = torch.zeros_like(self.means)

    @torch.no_grad()
    def see(self, place: tuple[int, int, int], relative: torch.Tensor) -> torch.Tensor:
        """Counts relative errors `[batch]`; their running mean."""
        self.counts[place] += 1
        share = (1 / self.counts[place]).clamp_min(0.05)
        self.means[place] += share * (relative.mean() - self.means[place])
        self.sums[place] += -10 * relative.clamp_min(1e-9).log10().mean()
        self.seen[place] += 1
        return self.means[place].clone()

    def gains(self) -> dict[str, list[float | None]]:
        """Mean gain in dB over the start, by side and views, after each call."""
        sums, seen = self.sums.tolist(), self.seen.tolist()
        return {
            f"{side}/{n}": [round(sums[i][j][k] / seen[i][j][k], 2) if seen[i][j][k] else None for k in range(CALLS)]
            for i, side in enumerate(self.levels.sides)
            for j, n in enumerate(self.levels.views)
            if any(seen[i][j])
        }


SCALE = 0.25


def backward_losses(
    network: Unet,
    average: Unet,
    batch: Batch,
    levels: Levels,
    ratios: Ratios,
    shares: Shares,
    rng: np.random.Generator,
    precision,
    multiple: int,
) -> dict[str, torch.Tensor]:
    """Adds the gradients of the losses of one batch; their values by name.

    Loss 1 is at the first call. Loss 2 is at a later one, which gets the estimate of loss 1, sometimes improved by calls of
    the averaged network. Both are squared errors after the fit by that of the start, each by its running mean.
    """
    scanner, measured = batch.measured.scanner, batch.measured

    def called(model: Unet, z: torch.Tensor, call: int) -> tuple[torch.Tensor, torch.Tensor]:
        sigma = levels.sigma(scanner.side, scanner.views, call)
        flip = FLIPS[rng.integers(4)]
        if torch.is_grad_enabled() and not z.requires_grad:
            # So that the compiled network has one form, with a gradient at its input.
            z = z.detach().requires_grad_()
        image = denoise(
            model, z, measured.back_projected, scanner.views, call, sigma, multiple, precision, flip
        )
        return image, measured.fit(image)

    def loss(image: torch.Tensor, fitted: torch.Tensor, call: int) -> torch.Tensor:
        relative = squared(fitted, batch.clean) / batch.error
        mean = ratios.see(levels.at(scanner.side, scanner.views, call), relative.detach())
        both = (1 - shares.direct) * relative + shares.direct * squared(image, batch.clean) / batch.error
        return SCALE * both.mean() / mean

    further = int(rng.choice(len(shares.further), p=shares.further))
    unrolled = further == 0 and rng.random() < shares.unrolled
    image, own = called(network, measured.start, 0)
    first = loss(image, own, 0)
    if not unrolled:
        first.backward()
        own = own.detach()
    levels.see(scanner.side, scanner.views, 1, squared(own.detach(), batch.clean))
    call = 1
    with torch.no_grad():
        for _ in range(further):
            own = called(average, own, call)[1]
            call += 1
            levels.see(scanner.side, scanner.views, call, squared(own, batch.clean))
    later = loss(*called(network, own, call), call)
    (first + later if unrolled else later).backward()
    return {"first": first.detach(), "own": later.detach()}
