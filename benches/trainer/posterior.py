"""Samples of the posterior: noise only in the lines that were not measured.

The state at noise level `σ` is `z = T⁻¹(Λ y + (I − Λ)(T x + σ n))`: the measured lines as they are, the others with noise.
A network that denoises such states gives `E[x | y, z]`, so `(D(z; σ) − z)/σ²` is the score of what is not known given
`y`, and the probability flow `dz/dσ = (z − D)/σ`, which leaves the measured lines alone, ends in samples of `p(x | y)`.
"""
from collections.abc import Callable

import numpy as np
import torch

from .fourier import keep

Denoiser = Callable[[torch.Tensor, float], torch.Tensor]


def levels(largest: float, least: float, steps: int, power: float = 7.0) -> np.ndarray:
    """Noise levels of Karras et al. 2022, eq. 5, without the final zero."""
    ramp = np.linspace(0, 1, steps)
    return (largest ** (1 / power) + ramp * (least ** (1 / power) - largest ** (1 / power))) ** power


def beside(image: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
    """What the image has in the lines that were not measured."""
    return image - keep(image, measured)


def flow(
    denoiser: Denoiser, zero_filled: torch.Tensor, noise: torch.Tensor, measured: torch.Tensor, sigmas: np.ndarray
) -> torch.Tensor:
    """Samples, by Heun's method: `noise` is standard normal, `measured` a mirrored mask that can be broadcast.

    The last step is the denoiser's mean at the last level, so that no noise is left.
    """
    z = zero_filled + float(sigmas[0]) * beside(noise, measured)
    for now, then in zip(sigmas[:-1], sigmas[1:]):
        slope = beside(z - denoiser(z, float(now)), measured) / float(now)
        guess = z + float(then - now) * slope
        again = beside(guess - denoiser(guess, float(then)), measured) / float(then)
        z = z + float(then - now) * 0.5 * (slope + again)
    return zero_filled + beside(denoiser(z, float(sigmas[-1])), measured)
