"""The protocol of `docs/evaluation.md` for MR: the same slices, masks and metric as `recon eval`.

The masks come from the program itself (`recon simulate mri … --mask-out`), a file `.npz` with the lines of each number of
columns and acceleration under `COLUMNS_ACCELERATION`.
"""
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import nifti
from .fourier import keep
from .ladder import climb
from .masks import mirrored
from .metrics import psnr
from .prior import Spectrum, units_of
from .unet import Unet

SLICES = 3


@dataclass(frozen=True)
class Slice:
    """A validation slice in its own units."""

    file: str
    number: int
    image: np.ndarray


def protocol_slices(folder: Path) -> list[Slice]:
    """Of n slices the numbers ⌊(k + ½) n/3⌋, of all scans in the order of their names."""
    slices = []
    for path in sorted(folder.glob("*.nii*")):
        voxels = nifti.read(path)
        count = voxels.shape[2]
        for k in range(SLICES):
            number = int((k + 0.5) * count / SLICES)
            slices.append(Slice(path.name, number, np.ascontiguousarray(voxels[:, :, number].T)))
    return slices


def middle(slices: list[Slice], files: list[str]) -> list[Slice]:
    """The middle slice of each of the named scans."""
    return [s for s in slices[1::SLICES] if any(s.file.startswith(name) for name in files)]


def lines(masks: Path, columns: int, acceleration: int) -> np.ndarray:
    """The protocol's mask for images of so many columns."""
    return np.load(masks)[f"{columns}_{acceleration}"].astype(bool)


def zero_filled_psnr(image: np.ndarray, mask: np.ndarray) -> float:
    """Of the baseline, which is the magnitude of the complex image without the mirror images of lines."""
    shifted = np.fft.ifftshift(image, axes=-1)
    spectrum = np.fft.fftshift(np.fft.fft(shifted, axis=-1), axes=-1) * mask
    result = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(spectrum, axes=-1), axis=-1), axes=-1)
    return psnr(image, np.abs(result))


@torch.no_grad()
def estimates(
    network: Unet,
    image: np.ndarray,
    mask: np.ndarray,
    spectrum: Spectrum,
    rungs: int,
    filling: str,
    flips: str,
) -> list[np.ndarray]:
    """The magnitude after each rung, in the units of the image."""
    measured = mirrored(mask)
    device = next(network.parameters()).device
    a = keep(torch.from_numpy(image)[None, None], torch.from_numpy(measured).float()).to(device)
    unit = units_of(a)
    found = climb(network, a / unit, measured, spectrum, rungs, filling, flips)
    return [(e * unit)[0, 0].abs().cpu().numpy() for e in found]


def psnrs(
    network: Unet,
    slices: list[Slice],
    masks: Path,
    acceleration: int,
    spectrum: Spectrum,
    rungs: int,
    filling: str = "renew",
    flips: str = "one",
) -> np.ndarray:
    """PSNR `[slice, rung]`."""
    rows = []
    for s in slices:
        mask = lines(masks, s.image.shape[1], acceleration)
        found = estimates(network, s.image, mask, spectrum, rungs, filling, flips)
        rows.append([psnr(s.image, e) for e in found])
    return np.array(rows)
