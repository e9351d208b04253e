"""The centred orthonormal Fourier transform along the phase axis, which is the last one, and what masks do to images.

A line mask leaves the readout axis alone. So each row of an image is measured by itself, and everything here works on
real images `[..., row, col]` row by row: a strip of a few rows is an exact smaller problem.

Images are real, so a line of k-space tells its mirror image too. `masks.mirrored` makes masks that contain both; all
masks of this file are such, as floats of 0 and 1 that can be broadcast against `[..., row, col]`.
"""
import torch


def lines_of(image: torch.Tensor) -> torch.Tensor:
    """The lines of k-space `[..., row, line]` of real images, frequency zero at index `n // 2`."""
    shifted = torch.fft.ifftshift(image, dim=-1)
    return torch.fft.fftshift(torch.fft.fft(shifted, norm="ortho"), dim=-1)


def image_of(lines: torch.Tensor) -> torch.Tensor:
    """The real part of the image that has these lines."""
    shifted = torch.fft.ifftshift(lines, dim=-1)
    return torch.fft.fftshift(torch.fft.ifft(shifted, norm="ortho"), dim=-1).real


def half_mask(mask: torch.Tensor) -> torch.Tensor:
    """The entries of a mirrored mask for the frequencies `0 … n // 2`, in the order of `torch.fft.rfft`."""
    length = mask.shape[-1]
    return torch.fft.ifftshift(mask, dim=-1)[..., : length // 2 + 1]


def keep(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The image with all lines outside of a mirrored mask set to zero: the projection `F⁻¹ M F`.

    A shift of the origin cancels between `F` and `F⁻¹`, so none is done.
    """
    return torch.fft.irfft(torch.fft.rfft(image) * half_mask(mask), n=image.shape[-1])
