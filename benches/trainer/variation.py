"""The image of least total variation among those that explain the measured lines: where the ladder starts."""
import torch

from .fourier import half_mask

ITERATIONS, STEP = 60, 0.1


def least_variation(
    zero_filled: torch.Tensor, measured: torch.Tensor, iterations: int = ITERATIONS, step: float = STEP
) -> torch.Tensor:
    """By the primal-dual method of Chambolle and Pock 2011, begun at the zero-filled image.

    `zero_filled` is `[..., row, col]` in model units, `measured` a mirrored mask that can be broadcast against it.
    Isotropic, differences across the border are zero.
    """
    columns = zero_filled.shape[-1]
    missing = 1 - half_mask(measured)
    dual_step = 1 / (8 * step)
    x = ahead = zero_filled
    down, right = torch.zeros_like(x), torch.zeros_like(x)
    for _ in range(iterations):
        down[..., :-1, :] += dual_step * (ahead[..., 1:, :] - ahead[..., :-1, :])
        right[..., :-1] += dual_step * (ahead[..., 1:] - ahead[..., :-1])
        size = torch.hypot(down, right).clamp_min_(1)
        down, right = down / size, right / size
        divergence = down + right
        divergence[..., 1:, :] -= down[..., :-1, :]
        divergence[..., 1:] -= right[..., :-1]
        moved = torch.fft.irfft(torch.fft.rfft(x + step * divergence) * missing, n=columns) + zero_filled
        x, ahead = moved, 2 * moved - x
    return x
