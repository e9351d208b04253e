"""Samples of a Gaussian with its exact denoiser have the posterior's mean and covariance; no network."""
import numpy as np
import torch

from trainer.fourier import keep
from trainer.masks import Family, mirrored
from trainer.posterior import flow, levels

COLUMNS = 48


def gaussian() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of smooth signals whose strength depends on the place, so that lines tell of each other."""
    at = np.arange(COLUMNS)
    distance = np.abs(at[:, None] - at)
    strength = 0.2 + np.exp(-((at - 20) / 8.0) ** 2)
    covariance = strength[:, None] * strength * np.exp(-distance / 3.0) + 1e-4 * np.eye(COLUMNS)
    return np.sin(at / 5.0), covariance


def projection(mask: np.ndarray) -> np.ndarray:
    return keep(torch.eye(COLUMNS, dtype=torch.float64), torch.from_numpy(mask).double()).numpy()


def null_basis(mask: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span what was not measured."""
    values, vectors = np.linalg.eigh(np.eye(COLUMNS) - projection(mask))
    return vectors[:, values > 0.5]


def test_the_flow_ends_in_the_posterior():
    mean, covariance = gaussian()
    mask = mirrored(Family().draw(COLUMNS, np.random.default_rng(8)))
    basis = null_basis(mask)
    measured = np.eye(COLUMNS) - basis @ basis.T
    range_basis = np.linalg.svd(measured)[0][:, : COLUMNS - basis.shape[1]]
    # u are the coordinates that were not measured, v those that were.
    uv = basis.T @ covariance @ range_basis
    gain = uv @ np.linalg.inv(range_basis.T @ covariance @ range_basis)
    conditional = basis.T @ covariance @ basis - gain @ uv.T
    truth = np.random.default_rng(1).multivariate_normal(mean, covariance)
    v = range_basis.T @ truth
    centre = basis.T @ mean + gain @ (v - range_basis.T @ mean)
    a = range_basis @ v

    def denoiser(z: torch.Tensor, sigma: float) -> torch.Tensor:
        shrink = conditional @ np.linalg.inv(conditional + sigma**2 * np.eye(len(conditional)))
        u = centre + (z.numpy() @ basis - centre) @ shrink.T
        return torch.from_numpy(a + u @ basis.T)

    # The flow is affine in the noise, so its columns are what it makes of unit vectors: no sampling error.
    # The start is far above the spread, and its mean differs from the posterior's by nothing that matters there.
    inputs = torch.cat([torch.zeros(1, COLUMNS, dtype=torch.float64), torch.eye(COLUMNS, dtype=torch.float64)])
    line = torch.from_numpy(mask).double()
    out = flow(denoiser, torch.from_numpy(a), inputs, line, levels(80.0, 1e-3, 60)).numpy()
    matrix = (out[1:] - out[0]) @ basis
    found = matrix.T @ matrix
    ratio = np.trace(found) / np.trace(conditional)
    worst = np.abs(np.linalg.eigvals(np.linalg.solve(conditional, found)).real - 1).max()
    off = np.abs(out[0] @ basis - centre).max() / np.sqrt(np.diag(conditional)).max()
    print(f"variance {ratio:.4f} of the posterior's, worst direction off by {worst:.4f}, mean off by {off:.1e} deviations")
    assert abs(ratio - 1) < 0.02
    assert worst < 0.05
    assert off < 0.05
    assert np.abs(out @ range_basis - v).max() < 1e-9
