"""A batch of measured strips, and the two losses."""
from dataclasses import dataclass

import numpy as np
import torch

from .data import Drawn
from .fourier import keep
from .masks import filled
from .prior import Rung, Spectrum, denoise, effective_sigma, units_of
from .unet import Unet
from .variation import least_variation

# Rows around a strip from which its start is made too.
MARGIN = 8


@dataclass
class Batch:
    """Strips in model units, `[batch, 1, row, col]`, of slices that were measured as a whole."""

    clean: torch.Tensor
    zero_filled: torch.Tensor
    start: torch.Tensor
    masks: list[np.ndarray]
    energy: torch.Tensor

    def rung(self, image: torch.Tensor, shares: np.ndarray, spectrum: Spectrum) -> Rung:
        """The rung at which a share of the missing lines is filled from `image`, the others from the start."""
        present = [filled(mask, share) for mask, share in zip(self.masks, shares)]
        sigma = [effective_sigma(spectrum, m, p) for m, p in zip(self.masks, present)]
        both = as_tensor(self.masks, image.device), as_tensor(present, image.device)
        z = self.start + keep(image - self.start, both[1][:, None, None, :])
        return Rung(z, self.zero_filled, *both, torch.tensor(sigma, dtype=torch.float32, device=image.device))

    def noisy(self, levels: np.ndarray, spectrum: Spectrum, generator: torch.Generator) -> Rung:
        """The clean image with noise in the lines that were not measured."""
        device = self.clean.device
        measured = as_tensor(self.masks, device)
        noise = torch.randn(self.clean.shape, generator=generator, device=device)
        noise = noise - keep(noise, measured[:, None, None, :])
        scaled = torch.tensor(levels, dtype=torch.float32, device=device)[:, None, None, None] * noise
        everything = [np.ones_like(mask) for mask in self.masks]
        sigma = [effective_sigma(spectrum, m, p, s) for m, p, s in zip(self.masks, everything, levels)]
        sigmas = torch.tensor(sigma, dtype=torch.float32, device=device)
        return Rung(self.clean + scaled, self.zero_filled, measured, as_tensor(everything, device), sigmas)


def as_tensor(masks: list[np.ndarray], device: torch.device) -> torch.Tensor:
    """Masks as 0 and 1, `[batch, col]`."""
    return torch.from_numpy(np.stack(masks)).to(device, torch.float32)


def measure(drawn: Drawn, device: torch.device) -> Batch:
    """Measures slices as a whole, and cuts the strips."""
    same = len({image.shape for image in drawn.images}) == 1
    groups = [slice(None)] if same else [slice(k, k + 1) for k in range(len(drawn.images))]
    parts = [measure_alike(drawn, group, device) for group in groups]
    clean, zero_filled, start, energy = (torch.cat(tensors) for tensors in zip(*parts))
    return Batch(clean, zero_filled, start, drawn.masks, energy.clamp_min(1e-5))


def measure_alike(drawn: Drawn, group: slice, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Clean, zero-filled and start `[batch, 1, row, col]` and the lost energy, of slices of one shape."""
    clean = torch.from_numpy(np.stack(drawn.images[group]))[:, None].to(device).float()
    measured = as_tensor(drawn.masks[group], device)[:, None, None, :]
    zero_filled = keep(clean, measured)
    unit = units_of(zero_filled)
    clean, zero_filled = clean / unit, zero_filled / unit
    energy = (clean - zero_filled).square().mean(dim=(1, 2, 3))
    if drawn.strip is None:
        return clean, zero_filled, least_variation(zero_filled, measured), energy
    first = torch.tensor(drawn.first[group], device=device)[:, None]
    rows = first + torch.arange(-MARGIN, drawn.strip + MARGIN, device=device)
    start = least_variation(rows_of(zero_filled, rows), measured)[..., MARGIN:-MARGIN, :]
    rows = rows[:, MARGIN:-MARGIN]
    return rows_of(clean, rows), rows_of(zero_filled, rows), start, energy


def rows_of(images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows `[batch, count]` of each image; rows outside are the nearest ones."""
    rows = rows.clamp(0, images.shape[-2] - 1)[:, None, :, None]
    return images.gather(2, rows.expand(-1, -1, -1, images.shape[-1]))


@dataclass(frozen=True)
class Shares:
    """How the rungs of a batch are drawn."""

    first: float = 0.9
    chain: float = 0.3
    full: float = 0.25
    noisy: float = 0.0
    noise_levels: tuple[float, float] = (0.005, 2.0)


def relative_error(image: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Squared error by the energy that the slice lost, mean over the batch: 1 for the zero-filled image."""
    return ((image - batch.clean).square().mean(dim=(1, 2, 3)) / batch.energy).mean()


def backward_losses(
    network: Unet,
    average: Unet,
    batch: Batch,
    spectrum: Spectrum,
    shares: Shares,
    rng: np.random.Generator,
    precision: torch.autocast,
) -> dict[str, torch.Tensor]:
    """Adds the gradients of the losses of one batch; their values by name.

    Loss 1 is mostly at the first rung, where only the measured lines are known, else on true lines at a random one.
    Loss 2 is on lines of the network's own estimate, without a gradient through it: that of loss 1 where it was at the
    first rung, else that of the averaged network there. In a share of the batches the estimate is improved once more
    at a rung in between.
    """
    count = len(batch.masks)
    if rng.random() < shares.noisy:
        low, high = np.log(shares.noise_levels)
        levels = np.exp(rng.uniform(low, high, count))
        generator = torch.Generator(batch.clean.device).manual_seed(int(rng.integers(2**62)))
        rung = batch.noisy(levels, spectrum, generator)
        with precision:
            image = denoise(network, rung)
        # Relative to the error of the noisy image, not to the energy of the lines.
        loss = ((image - batch.clean).square().mean(dim=(1, 2, 3)) / rung.sigma.square()).mean()
        loss.backward()
        return {"noisy": loss.detach()}
    first = rng.random() < shares.first
    start = np.zeros(count) if first else rng.uniform(0, 1, count)
    with precision:
        image = denoise(network, batch.rung(batch.clean, start, spectrum))
    loss = relative_error(image, batch)
    loss.backward()
    found = {"first" if first else "true": loss.detach()}
    with torch.no_grad(), precision:
        own = image.detach() if first else denoise(average, batch.rung(batch.clean, np.zeros(count), spectrum))
        low = np.zeros(count)
        if rng.random() < shares.chain:
            low = rng.uniform(0, 0.8, count)
            own = denoise(average, batch.rung(own, low, spectrum))
        shares_filled = np.where(rng.random(count) < shares.full, 1.0, rng.uniform(low, 1, count))
        rung = batch.rung(own, shares_filled, spectrum)
    with precision:
        image = denoise(network, rung)
    loss = relative_error(image, batch)
    loss.backward()
    found["own"] = loss.detach()
    return found
