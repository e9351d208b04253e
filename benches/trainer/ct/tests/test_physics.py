"""The scanner against closed forms and the program; the start; the fit."""
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.ct.ladder import measure
from trainer.ct.physics import Fit, Scanner, columns, fit, images_of
from trainer.ct.variation import Variation, least_variation

FIXTURE = Path(__file__).parent / "program.npz"


def disc(side: int, x0: float, y0: float, radius: float) -> torch.Tensor:
    """A disc, averaged over pixels, `[1, 1, row, col]`."""
    fine = 16
    at = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = (at[None, :] - x0) ** 2 + (-at[:, None] - y0) ** 2 < radius**2
    image = inside.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return torch.from_numpy(image.astype(np.float32))[None, None]


@pytest.mark.parametrize("side, views", [(16, 1), (32, 7), (33, 10)])
def test_the_adjoint_is_the_transpose(side, views):
    scanner = Scanner(side, views)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(side * side, 2, generator=generator)
    y = torch.randn(views * scanner.bins, 2, generator=generator)
    left, right = (scanner.project(x) * y).sum(dim=0), (x * scanner.adjoint(y)).sum(dim=0)
    assert torch.allclose(left, right, rtol=1e-4, atol=1e-2)
    assert (scanner.project(x).view(views, scanner.bins, 2).sum(dim=1) - x.sum(dim=0)).abs().max() < 1e-3


def test_a_disc_casts_its_shadow_where_the_geometry_says():
    side, views, x0, y0, radius = 64, 12, 11.0, 5.0, 9.0
    scanner = Scanner(side, views)
    found = scanner.project(columns(disc(side, x0, y0, radius))).view(views, scanner.bins)
    fine = (torch.arange(scanner.bins * 32, dtype=torch.float64) + 0.5) / 32 - scanner.bins / 2
    for view in range(views):
        angle = view * math.pi / views
        d = fine - (x0 * math.cos(angle) + y0 * math.sin(angle))
        expected = 2 * (radius**2 - d**2).clamp_min(0).sqrt().view(-1, 32).mean(dim=1)
        assert (found[view] - expected).norm() / expected.norm() < 0.03  # of whole pixels


def test_back_projection_gives_the_image_back():
    side = 64
    clean = disc(side, 6.0, -9.0, 14.0)
    scanner = Scanner(side, 150)
    found = images_of(scanner.inverse(scanner.project(columns(clean))), side)
    assert (found - clean).norm() / clean.norm() < 0.2
    assert abs(float(found[0, 0, 36:46, 33:43].mean()) - 1) < 0.01


@pytest.mark.skipif(not FIXTURE.exists(), reason="no results of the program")
def test_everything_is_as_in_the_program():
    with np.load(FIXTURE) as known:
        image = torch.from_numpy(known["image"])[None, None]
        side, views = image.shape[-1], int(known["views"])
        scanner = Scanner(side, views)
        y = scanner.project(columns(image))
        direct = scanner.inverse(y)
        start = least_variation(scanner, y, direct, Variation(iterations=int(known["iterations"])))
        for found, name in ((y.view(views, -1), "sinogram"), (direct, "fbp"), (start, "tv")):
            expected = torch.from_numpy(known[name]).reshape(found.shape)
            assert (found - expected).norm() / expected.norm() < 1e-4, name


def test_a_fit_keeps_what_is_consistent_and_lowers_the_residual():
    side = 32
    scanner = Scanner(side, 9)
    clean = disc(side, 2.0, 3.0, 8.0)
    y = scanner.project(columns(clean))
    assert (fit(clean, y, scanner, 5000, 8) - clean).abs().max() < 1e-5
    other = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))

    def residual(image):
        return float((scanner.project(columns(image)) - y).norm())

    before, after = residual(other), residual(fit(other, y, scanner, 5000, 8))
    assert after < 0.1 * before
    assert residual(fit(other, y, scanner, 5000, 40)) < after


def test_the_derivative_of_a_fit():
    side = 12
    scanner = Scanner(side, 5)
    generator = torch.Generator().manual_seed(2)
    x, direction, outer = (torch.randn(1, 1, side, side, generator=generator) for _ in range(3))
    y = scanner.project(columns(torch.rand(1, 1, side, side, generator=generator)))
    x.requires_grad_()
    (Fit.apply(x, y, scanner, 50.0, 80) * outer).sum().backward()
    with torch.no_grad():
        moved = [Fit.apply(x + sign * direction, y, scanner, 50.0, 80) for sign in (1, -1)]
    expected = float(((moved[0] - moved[1]) * outer).sum() / 2)
    assert abs(float((x.grad * direction).sum()) - expected) < 1e-3 * abs(expected) + 1e-3


def test_the_start_beats_back_projection_and_explains_the_data():
    clean = disc(48, 4.0, -3.0, 13.0)
    measured = measure(Scanner(48, 10), clean)
    error = [float((image - clean).norm() / clean.norm()) for image in (measured.back_projected, measured.start)]
    assert error[1] < 0.3 * error[0] and error[1] < 0.12
    scanner = measured.scanner
    assert (scanner.project(columns(measured.start)) - measured.y).norm() / measured.y.norm() < 1e-3
