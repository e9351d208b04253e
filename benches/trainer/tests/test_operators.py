"""What must hold exactly: the data step, the identity network, and the last rung."""
import numpy as np
import pytest
import torch

from trainer import fourier, ladder, masks, prior
from trainer.posterior import beside
from trainer.unet import Unet, UnetConfig
from trainer.variation import least_variation

SMALL = UnetConfig(channels=(8, 16), blocks=(1, 1), middle=1, embedding=8, frequencies=4, inputs=prior.INPUTS)
FLAT = prior.Spectrum(tuple([1.0] * 9))


def random_mask(columns: int, seed: int) -> np.ndarray:
    return masks.mirrored(masks.Family().draw(columns, np.random.default_rng(seed)))


@pytest.mark.parametrize("columns", [32, 45, 218])
def test_projection_is_the_masked_transform(columns):
    x = torch.randn(3, columns, dtype=torch.float64)
    mask = random_mask(columns, 1)
    by_lines = fourier.image_of(fourier.lines_of(x) * torch.from_numpy(mask))
    assert torch.allclose(fourier.keep(x, torch.from_numpy(mask).double()), by_lines, atol=1e-12)


@pytest.mark.parametrize("columns", [33, 64])
def test_mirrored_lines_are_what_a_real_image_tells(columns):
    """The zero-filled image is the least-norm real image that explains the measured lines."""
    x = torch.randn(1, columns, dtype=torch.float64)
    mask = masks.Family().draw(columns, np.random.default_rng(3))
    frequencies = np.arange(columns) - columns // 2
    waves = np.exp(-2j * np.pi * np.outer(frequencies, frequencies) / columns) / np.sqrt(columns)
    rows = np.concatenate([waves[mask].real, waves[mask].imag])
    least = np.linalg.pinv(rows, rcond=1e-9) @ (rows @ x[0].numpy())
    ours = fourier.keep(x, torch.from_numpy(masks.mirrored(mask)).double())[0].numpy()
    assert np.abs(least - ours).max() < 1e-9


@pytest.mark.parametrize("columns", [33, 64, 218])
def test_the_data_step_keeps_measured_lines(columns):
    measured = random_mask(columns, 2)
    mask = torch.from_numpy(measured).float()[None]
    x, other = torch.randn(1, 1, 8, columns), torch.randn(1, 1, 8, columns)
    a = fourier.keep(x, mask[:, None, None])
    rung = prior.Rung(a, a, mask, mask, torch.tensor([0.1]))
    back = fourier.lines_of(prior.restore(other, rung))
    at = torch.from_numpy(measured)
    assert (back - fourier.lines_of(x))[..., at].abs().max() < 1e-5
    assert (back - fourier.lines_of(other))[..., ~at].abs().max() < 1e-5


def test_the_identity_network_gives_the_start(monkeypatch):
    """With the network replaced by the identity, every rung is the image of least variation; here, the zero-filled."""
    monkeypatch.setattr(ladder, "least_variation", lambda image, measured: image)
    monkeypatch.setattr(ladder, "denoise", lambda network, rung: prior.restore(rung.z, rung))
    measured = random_mask(64, 4)
    x = torch.randn(1, 1, 16, 64)
    a = fourier.keep(x, torch.from_numpy(measured).float())
    for filling in ("renew", "keep", "full"):
        for image in ladder.climb(None, a, measured, FLAT, 6, filling):
            assert (image - a).abs().max() < 1e-5


@pytest.mark.parametrize("filling", ["renew", "keep", "full"])
@pytest.mark.parametrize("flips", ["one", "turn", "all"])
def test_every_rung_is_consistent_with_the_data(filling, flips):
    torch.manual_seed(0)
    network = Unet(SMALL)
    measured = random_mask(50, 5)
    x = torch.randn(1, 1, 21, 50)
    a = fourier.keep(x, torch.from_numpy(measured).float())
    for image in ladder.climb(network, a, measured, FLAT, 6, filling, flips):
        assert (fourier.keep(image, torch.from_numpy(measured).float()) - a).abs().max() < 1e-5
        assert beside(image, torch.from_numpy(measured).float()).abs().max() > 1e-3


def test_a_strip_is_an_exact_smaller_problem():
    measured = torch.from_numpy(random_mask(60, 6)).float()
    x = torch.randn(1, 1, 40, 60)
    assert torch.allclose(fourier.keep(x, measured)[..., 8:24, :], fourier.keep(x[..., 8:24, :], measured), atol=1e-6)


@pytest.mark.parametrize("columns", [33, 64, 218, 384])
def test_rungs_are_nested_and_grow_from_the_centre(columns):
    for seed in range(20):
        measured = random_mask(columns, seed)
        rungs = masks.ladder(measured, 6)
        assert (rungs[0] == measured).all() and rungs[-1].all()
        for less, more in zip(rungs, rungs[1:]):
            assert (more | less == more).all()
            assert (masks.mirrored(more) == more).all()
        new = rungs[3] & ~measured
        if new.any():
            left = masks.distance_from_centre(columns)[~rungs[3]]
            assert masks.distance_from_centre(columns)[new].max() < left.min()


def test_new_input_channels_start_silent():
    torch.manual_seed(1)
    narrow = Unet(UnetConfig(**{**SMALL.as_dict(), "inputs": 1}))
    wide = Unet(SMALL)
    wide.start_from(narrow.state_dict())
    x, c = torch.randn(2, 1, 16, 16), torch.tensor([-0.4, -0.6])
    with torch.no_grad():
        other = torch.cat([x, torch.randn(2, prior.INPUTS - 1, 16, 16)], dim=1)
        assert torch.allclose(narrow(x, c), wide(other, c), atol=1e-5)


def test_equispaced_masks_are_those_of_the_program():
    """`recon simulate mri --accel 8 --center-fraction 0.04` at 256 columns, offset 7."""
    found = np.flatnonzero(masks.equispaced(256, 10, 8.0, 7))
    assert found[:12].tolist() == [7, 18, 29, 41, 52, 63, 74, 85, 96, 108, 119, 123]
    assert len(found) == 32


def test_the_start_explains_the_data_and_has_less_variation():
    measured = torch.from_numpy(masks.mirrored(masks.equispaced(64, 6, 4.0, 1))).float()
    x = torch.zeros(1, 1, 40, 64)
    x[..., 10:30, 20:45] = 1
    a = fourier.keep(x, measured)
    start = least_variation(a, measured, 200)
    variation = lambda image: torch.hypot(image.diff(dim=-1)[..., 1:, :], image.diff(dim=-2)[..., 1:]).sum()
    assert (fourier.keep(start, measured) - a).abs().max() < 1e-5
    assert variation(start) < 0.7 * variation(a)
    assert (start - x).square().mean() < 0.5 * (a - x).square().mean()
