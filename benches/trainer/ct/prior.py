"""What the network is given and how its output becomes an image.

Channels, in this order, all `[batch, 1, row, col]`, values in model units, `(HU + 1000) / 2000`:

1. `z / √(σ_e² + s²)`: the start, or the estimate of the call before, made consistent with the data;
2. `a / √(σ_e² + s²)`: the filtered back-projection (ramp);
3. a plane `log₂(views / 23) / 4`;
4. a plane `min(call, 3) / 3`, call 0 being the first.

`s` is `SIGMA_DATA`. The network is told `ln σ_e / 4`, where `σ_e` is the usual error of `z` at this number of views and this
call (`Levels`). `x̂ = s²/(σ_e² + s²) z + σ_e s/√(σ_e² + s²) F`, then the data are fitted: `physics.fit`.
"""
import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from ..unet import Unet

SIGMA_DATA = 0.3
INPUTS = 4
LEAST_SIGMA = 0.002
WEIGHT, ITERATIONS = 5000.0, 8
CALLS = 4
CENTRE_VIEWS = 23
FLIPS = ((), (-1,), (-2,), (-1, -2))


def rung_of(call: int) -> int:
    """Calls from this one on are alike."""
    return min(call, CALLS - 1)


@dataclass
class Levels:
    """Running means of the logarithm of squared errors of `z`, `[views, rung]` for each side, on the device."""

    views: tuple[int, ...]
    sides: tuple[int, ...]
    device: torch.device
    logs: torch.Tensor = field(init=False)
    counts: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.sides), len(self.views), CALLS)
        # Before anything was measured: 0.04 at the first call of 23 views, less at more views and later calls.
        n = torch.tensor(self.views, dtype=torch.float32).log2() - math.log2(CENTRE_VIEWS)
        guess = 2 * math.log(0.03) - 1.2 * n[None, :, None] - 1.2 * torch.tensor([0.0, 1.0, 1.3, 1.5])
        self.logs = guess.expand(shape).clone().to(self.device)
        self.counts = torch.zeros(shape, device=self.device)

    def at(self, side: int, views: int, call: int) -> tuple[int, int, int]:
        """The place in the tensors."""
        return self.sides.index(side), self.views.index(views), rung_of(call)

    @torch.no_grad()
    def see(self, side: int, views: int, call: int, errors: torch.Tensor) -> None:
        """Counts squared errors `[batch]`."""
        place = self.at(side, views, call)
        self.counts[place] += 1
        share = (1 / self.counts[place]).clamp_min(0.03)
        self.logs[place] += share * (errors.clamp_min(1e-9).log().mean() - self.logs[place])

    def sigma(self, side: int, views: int, call: int) -> torch.Tensor:
        """`σ_e`, a tensor without dimensions."""
        return (0.5 * self.logs[self.at(side, views, call)]).exp().clamp_min(LEAST_SIGMA)

    def table(self) -> dict[str, dict[str, list[float]]]:
        """`σ_e` by side, views and rung, of what was seen."""
        sigmas, counts = (0.5 * self.logs).exp().clamp_min(LEAST_SIGMA).tolist(), self.counts[..., 0].tolist()
        return {
            str(side): {str(n): [round(v, 6) for v in sigmas[i][j]] for j, n in enumerate(self.views) if counts[i][j]}
            for i, side in enumerate(self.sides)
            if any(counts[i])
        }


@dataclass(frozen=True)
class Table:
    """The exported levels; between numbers of views linear in the logarithms, of the nearest side."""

    sigmas: dict[str, dict[str, list[float]]]

    def sigma(self, side: int, views: int, call: int) -> torch.Tensor:
        """`σ_e`, a tensor without dimensions."""
        nearest = min(self.sigmas, key=lambda known: abs(math.log(int(known) / side)))
        known = sorted((int(n), values[rung_of(call)]) for n, values in self.sigmas[nearest].items())
        below = max((k for k in known if k[0] <= views), default=known[0])
        above = min((k for k in known if k[0] >= views), default=known[-1])
        share = 0.0 if below[0] == above[0] else math.log(views / below[0]) / math.log(above[0] / below[0])
        return torch.tensor(math.exp((1 - share) * math.log(below[1]) + share * math.log(above[1])))


def pad_edge(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """Repeats the last row and column until both counts are multiples."""
    rows, cols = x.shape[-2:]
    down, right = -rows % multiple, -cols % multiple
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x


def denoise(
    network: Unet,
    z: torch.Tensor,
    back_projected: torch.Tensor,
    views: int,
    call: int,
    sigma: torch.Tensor,
    multiple: int,
    precision,
    flip: tuple[int, ...] = (),
) -> torch.Tensor:
    """The images that the network believes in, before the data are fitted. Views mirror onto themselves, so it may be shown
    mirror images."""
    z, back_projected = (z.flip(flip), back_projected.flip(flip)) if flip else (z, back_projected)
    rows, cols = z.shape[-2:]
    sigma = sigma.to(z.device)
    scale = 1 / (sigma**2 + SIGMA_DATA**2).sqrt()
    planes = [torch.full_like(z, math.log2(views / CENTRE_VIEWS) / 4), torch.full_like(z, rung_of(call) / (CALLS - 1))]
    x = torch.cat([z * scale, back_projected * scale, *planes], dim=1)
    x = pad_edge(x, multiple).contiguous(memory_format=torch.channels_last)
    condition = (sigma.log() / 4).expand(len(z)).contiguous()
    with precision:
        raw = network(x, condition)
    image = (SIGMA_DATA * scale) ** 2 * z + sigma * SIGMA_DATA * scale * raw[..., :rows, :cols].float()
    return image.flip(flip) if flip else image
