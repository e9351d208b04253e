"""Orthogonalised momentum (Muon) for the 3x3 filters, Adam for the rest, and a moving average of the weights."""
from collections import defaultdict

import torch
from torch import nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
MATCH = 0.2


def orthogonalised(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """About `U Vᵀ` of the singular value decompositions of `[count, row, col]`, by Newton-Schulz iterations."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Steps of a length like Adam's, so that one rate serves both."""

    def __init__(self, parameters, lr: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            alike = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[tuple(p.flatten(1).shape)].append(p)
            for shape, parameters in alike.items():
                directions = torch.stack([self.direction(p, group["momentum"]) for p in parameters])
                size = MATCH * max(shape) ** 0.5
                for p, update in zip(parameters, orthogonalised(directions)):
                    p.add_(update.view(p.shape), alpha=-group["lr"] * size)

    def direction(self, p: nn.Parameter, momentum: float) -> torch.Tensor:
        """Nesterov's, as a matrix."""
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].mul_(momentum).add_(p.grad)
        return p.grad.add(state["momentum"], alpha=momentum).flatten(1).float()


def optimisers(network: nn.Module, kind: str, rate: float) -> list[torch.optim.Optimizer]:
    """`muon` for filters inside the network and Adam for the rest, or `adam` for all."""
    filters, rest = [], []
    for name, p in network.named_parameters():
        inner = p.dim() == 4 and p.shape[-1] == 3 and not name.startswith(("stem", "out"))
        (filters if kind == "muon" and inner else rest).append(p)
    found: list[torch.optim.Optimizer] = [torch.optim.Adam(rest, lr=rate, betas=(0.9, 0.99), eps=1e-8)]
    if filters:
        found.append(Muon(filters, lr=rate))
    return found


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int, power: float) -> None:
    """A power-function average: its memory is a share of the training so far, about `1/power`."""
    keep = (1 - 1 / (step + 1)) ** (power + 1)
    targets = list(average.parameters())
    torch._foreach_lerp_(targets, [p.detach() for p in network.parameters()], 1 - keep)
