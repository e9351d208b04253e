"""The point estimate: a few calls of the network along a ladder of nested masks."""
import numpy as np
import torch

from .fourier import keep
from .losses import as_tensor
from .masks import ladder
from .prior import Rung, Spectrum, denoise, effective_sigma
from .unet import Unet
from .variation import least_variation

FLIPS = ((), (-1,), (-2,), (-1, -2))
PROJECTIONS = 30


def call(network: Unet, rung: Rung, flips: tuple[tuple[int, ...], ...]) -> torch.Tensor:
    """The mean over mirror images, which a mirrored mask does not tell apart."""
    total = torch.zeros_like(rung.z)
    for axes in flips:
        turned = Rung(rung.z.flip(axes), rung.zero_filled.flip(axes), rung.measured, rung.present, rung.sigma)
        total += denoise(network, turned).flip(axes)
    return total / len(flips)


def without_negatives(image: torch.Tensor, zero_filled: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
    """An image that has the measured lines, without negative values as far as they leave it open: by projections onto
    the one and the other set in turn."""
    for _ in range(PROJECTIONS):
        image = image.clamp_min(0)
        image = image + zero_filled - keep(image, measured[:, None, None, :])
    return image


@torch.no_grad()
def climb(
    network: Unet,
    zero_filled: torch.Tensor,
    measured: np.ndarray,
    spectrum: Spectrum,
    rungs: int,
    filling: str = "renew",
    flips: str = "one",
) -> list[torch.Tensor]:
    """The estimate after each rung, all consistent with the measured lines.

    `zero_filled` is `[1, 1, row, col]` in model units, `measured` mirrored. After each rung lines are filled in from the
    new estimate: all lines of the next mask (`renew`), only those that are new in it (`keep`), or all there are
    (`full`). `flips` is `one` for upright images, `turn` for another mirror image at each rung, `all` for the mean of
    the four at each rung.
    """
    masks = ladder(measured, rungs)
    if filling == "full":
        masks[1:] = [np.ones_like(measured)] * rungs
    tensors = [as_tensor([mask], zero_filled.device) for mask in masks]
    start = least_variation(zero_filled, tensors[0])
    z, images = start, []
    for t in range(rungs):
        sigma = torch.tensor([effective_sigma(spectrum, measured, masks[t])], dtype=torch.float32, device=z.device)
        used = {"one": FLIPS[:1], "turn": (FLIPS[t % 4],), "all": FLIPS}[flips]
        found = call(network, Rung(z, zero_filled, tensors[0], tensors[t], sigma), used)
        images.append(without_negatives(found, zero_filled, tensors[0]))
        if filling == "keep":
            z = z + keep(images[-1] - z, (tensors[t + 1] - tensors[t])[:, None, None, :])
        else:
            z = start + keep(images[-1] - start, tensors[t + 1][:, None, None, :])
    return images
