"""Least total variation by FISTA, the start of the program's learned methods: `operators/src/solvers/{tv,fista,prox}.rs`."""
from dataclasses import dataclass

import torch

from .physics import Scanner

NORM_MARGIN = 1.05


@dataclass(frozen=True)
class Variation:
    """Settings of the program's `fista-tv` as the start of a learned method."""

    weight: float = 0.0003
    iterations: int = 60
    prox_steps: int = 10


@torch.no_grad()
def least_variation(
    scanner: Scanner, y: torch.Tensor, first: torch.Tensor, settings: Variation = Variation()
) -> torch.Tensor:
    """Images `[pixels, batch]` for sinograms, begun at `first`, filtered back-projections; no negative values."""
    side, batch = scanner.side, first.shape[1]
    step = 1 / (NORM_MARGIN * scanner.norm) ** 2
    rank = int(0.99 * (side * side - 1))
    weight = settings.weight * first.abs().sort(dim=0).values[rank]
    prox = Prox(side, batch, weight)
    x = ahead = first
    t = torch.ones(batch, device=first.device)
    for _ in range(settings.iterations):
        descended = torch.add(ahead, scanner.adjoint(scanner.project(ahead).sub_(y)), alpha=-step)
        after = prox.apply(descended.reshape(side, side, batch), settings.prox_steps)
        after = after.reshape(side * side, batch)
        moved = after - x
        uphill = ((ahead - after) * moved).sum(dim=0) > 0
        t = torch.where(uphill, torch.ones_like(t), t)
        t_after = 0.5 * (1 + (1 + 4 * t * t).sqrt())
        ahead = torch.addcmul(after, moved, (t - 1) / t_after)
        x, t = after, t_after
    return x


class Prox:
    """The proximal map of isotropic total variation of nonnegative images `[row, col, batch]`, warm-started."""

    def __init__(self, side: int, batch: int, weight: torch.Tensor):
        self.weight = weight.clamp_min(1e-12)
        self.down = torch.zeros(side, side, batch, device=weight.device)
        self.right = torch.zeros_like(self.down)

    def descend(self, b: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """`b + weight div p`, without negative values."""
        divergence = down + right
        divergence[1:] -= down[:-1]
        divergence[:, 1:] -= right[:, :-1]
        return torch.addcmul(b, self.weight, divergence).clamp_min_(0)

    def apply(self, b: torch.Tensor, steps: int) -> torch.Tensor:
        """The minimiser after so many dual steps."""
        length = 0.125 / self.weight
        # The extrapolated field, which each step ascends from in place.
        down, right, t = self.down.clone(), self.right.clone(), 1.0
        for _ in range(steps):
            t_after = 0.5 * (1 + (1 + 4 * t * t) ** 0.5)
            momentum = (t - 1) / t_after
            x = self.descend(b, down, right)
            down[:-1].addcmul_(x[1:] - x[:-1], length)
            right[:, :-1].addcmul_(x[:, 1:] - x[:, :-1], length)
            size = torch.hypot(down, right).clamp_min_(1)
            down, right, old = down.div_(size), right.div_(size), (self.down, self.right)
            self.down, self.right, t = down, right, t_after
            down, right = torch.lerp(old[0], down, 1 + momentum), torch.lerp(old[1], right, 1 + momentum)
        return self.descend(b, self.down, self.right)
