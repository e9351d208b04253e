"""Which lines are measured: patterns after fastMRI's `subsample.py`, as in `operators/src/mri/masks`, and their ladder.

A mask is a vector of booleans along the phase axis, frequency zero at index `n // 2`.
"""
from dataclasses import dataclass

import numpy as np

PATTERNS = ("equispaced", "random", "gaussian")
GAUSSIAN_WIDTH = 1 / 6


def distance_from_centre(count: int) -> np.ndarray:
    """The magnitude of each line's frequency, in lines."""
    return np.abs(np.arange(count) - count // 2)


def mirrored(mask: np.ndarray) -> np.ndarray:
    """The mask and its mirror image: what a real image's measured lines determine."""
    count = len(mask)
    return mask | mask[(2 * (count // 2) - np.arange(count)) % count]


def with_centre(count: int, centre: int) -> np.ndarray:
    """Only the fully sampled centre."""
    kept = np.zeros(count, bool)
    start = -(-(count - centre) // 2)
    kept[start : start + centre] = True
    return kept


def equispaced(count: int, centre: int, acceleration: float, offset: int) -> np.ndarray:
    """Lines at equal distances, with the distance corrected so that with the centre the acceleration is met."""
    distance = acceleration * (centre - count) / (centre * acceleration - count)
    kept = with_centre(count, centre)
    kept[np.around(np.arange(offset, count - 1, distance)).astype(int)] = True
    return kept


def equispaced_distance(count: int, centre: int, acceleration: float) -> int:
    """How many first lines an equispaced mask can have."""
    distance = acceleration * (centre - count) / (centre * acceleration - count)
    return min(max(round(distance), 1), count)


def random_lines(count: int, centre: int, acceleration: float, rng: np.random.Generator) -> np.ndarray:
    """Every line beside the centre with the same chance."""
    chance = (count / acceleration - centre) / max(count - centre, 1)
    return with_centre(count, centre) | (rng.random(count) < chance)


def gaussian_lines(count: int, centre: int, acceleration: float, rng: np.random.Generator) -> np.ndarray:
    """The centre, and the rest drawn without replacement with a Gaussian density."""
    kept = with_centre(count, centre)
    missing = max(round(count / acceleration), centre) - kept.sum()
    density = np.exp(-0.5 * (distance_from_centre(count) / (GAUSSIAN_WIDTH * count)) ** 2) * ~kept + 1e-12 * ~kept
    kept[rng.choice(count, missing, replace=False, p=density / density.sum())] = True
    return kept


@dataclass(frozen=True)
class Family:
    """The masks that a network is trained on; its card names them."""

    accelerations: tuple[float, float] = (2.0, 24.0)
    common: tuple[float, float] = (4.0, 12.0)
    common_share: float = 0.6
    centre: tuple[float, float] = (0.02, 0.08)
    centre_times_acceleration: float = 0.36
    patterns: tuple[str, ...] = PATTERNS
    pattern_shares: tuple[float, ...] = (0.8, 0.1, 0.1)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """A random mask of `count` lines."""
        low, high = self.common if rng.random() < self.common_share else self.accelerations
        acceleration = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        most = self.centre_times_acceleration / acceleration
        fraction = rng.uniform(min(self.centre[0], 0.8 * most), min(self.centre[1], most))
        centre = max(int(np.rint(count * fraction)), 2)
        acceleration = min(acceleration, 0.8 * count / centre)
        pattern = rng.choice(self.patterns, p=self.pattern_shares)
        if pattern == "random":
            return random_lines(count, centre, acceleration, rng)
        if pattern == "gaussian":
            return gaussian_lines(count, centre, acceleration, rng)
        offset = int(rng.integers(equispaced_distance(count, centre, acceleration)))
        return equispaced(count, centre, acceleration, offset)


def filled(measured: np.ndarray, share: float) -> np.ndarray:
    """The mask of a rung: the measured lines and, from the centre outwards, more lines in mirrored pairs.

    `share` is 0 for the measured lines alone and 1 for all lines. The number of lines is geometric in `share`.
    `measured` is mirrored.
    """
    count, kept = len(measured), int(measured.sum())
    wanted = kept ** (1 - share) * count**share - kept
    missing = np.where(measured, count, distance_from_centre(count))
    radius = np.sort(missing)[min(int(np.rint(wanted)), count) - 1] if wanted >= 0.5 else -1
    return measured | (missing <= min(radius, count - 1))


def ladder(measured: np.ndarray, rungs: int) -> list[np.ndarray]:
    """Nested masks from the measured lines to all lines: `rungs + 1` of them. `measured` is mirrored."""
    return [filled(measured, t / rungs) for t in range(rungs + 1)]
