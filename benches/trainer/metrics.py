"""PSNR as fastMRI computes it."""
import numpy as np


def psnr(truth: np.ndarray, image: np.ndarray) -> float:
    """In dB; the peak is the largest value of the true slice."""
    error = np.mean((truth.astype(np.float64) - image.astype(np.float64)) ** 2)
    return float(10 * np.log10(float(truth.max()) ** 2 / error))
