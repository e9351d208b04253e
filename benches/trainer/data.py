"""Training slices: read plane by plane, balanced over people and contrasts, and varied."""
import csv
import itertools
import multiprocessing
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import nifti
from .masks import Family, mirrored

COUNTED_SLICES = 8
BRIGHT, FILLED = 0.1, 0.05
LARGEST_SIDE = 440
LOST_ENERGY = 0.002


@dataclass(frozen=True)
class Volume:
    """The usable slices `[row, col]` of one scan, brightest tissue near 1."""

    person: str
    contrast: str
    slices: tuple[np.ndarray, ...]


def plane_axis(notes: str) -> int:
    """The axis along which the notes of the manifest say that planes were left out; else the last one."""
    for axis in (0, 1, 2):
        if f"along axis {axis}" in notes:
            return axis
    return 2


def halve(image: np.ndarray) -> np.ndarray:
    """The means of 2x2 pixels."""
    rows, cols = (n // 2 * 2 for n in image.shape)
    image = image[:rows, :cols]
    return 0.25 * (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2])


def read_volume(path: Path, person: str, contrast: str, axis: int) -> Volume:
    """A NIfTI file; `[i, j, k]` is column i and row j of slice k, or the same for planes along another axis."""
    voxels = np.maximum(nifti.read(path), 0)
    positive = voxels[voxels > 0]
    if positive.size == 0:
        return Volume(person, contrast, ())
    voxels /= np.percentile(positive, 99.5)
    planes = (np.ascontiguousarray(plane.T) for plane in np.moveaxis(voxels, axis, 0))
    usable = (plane for plane in planes if (plane > BRIGHT).mean() >= FILLED)
    return Volume(person, contrast, tuple(halve(p) if max(p.shape) > LARGEST_SIDE else p for p in usable))


def contrast_of(words: str) -> str:
    """The kind of image, from the modality column of the manifest."""
    for name in ("T1Gd", "FLAIR", "T2", "b0", "EPI"):
        if name in words:
            return "T2" if name in ("b0", "EPI") else name
    return "T1"


def read_folders(root: Path, folders: list[str]) -> list[Volume]:
    """All scans of the folders that a manifest `MANIFEST.tsv` above them lists as training data."""
    volumes = []
    with open(root / "MANIFEST.tsv", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            folder = Path(row["file"]).parent
            if folder.name not in folders or folder.parent.name != "mri" or row["kind"] != "train":
                continue
            notes = " ".join(str(v) for v in row.values() if v)
            contrast = "other" if folder.name.endswith("other") else contrast_of(row["modality"])
            volumes.append(read_volume(root / row["file"], row["subject"], contrast, plane_axis(notes)))
    return [v for v in volumes if v.slices]


CONTRAST_SHARES = {"T1": 0.42, "T2": 0.22, "FLAIR": 0.2, "T1Gd": 0.1, "other": 0.06}


@dataclass(frozen=True)
class Variation:
    """Chances and ranges of what is done to slices."""

    warp: float = 0.25
    factors: tuple[float, float] = (0.75, 1.25)
    degrees: float = 10.0
    flip: float = 0.5
    transpose: float = 0.4
    gamma: float = 0.25
    gamma_spread: float = 0.3
    invert: float = 0.08


def warped(image: np.ndarray, factor: float, degrees: float) -> np.ndarray:
    """At another resolution and angle, by cubic interpolation; what comes from outside is 0."""
    rows, cols = image.shape
    size = (max(16, round(rows * factor)), max(16, round(cols * factor)))
    x = torch.from_numpy(image)[None, None]
    x = F.interpolate(x, size=size, mode="bicubic", align_corners=False, antialias=factor < 1)
    if degrees:
        sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        ratio = size[0] / size[1]
        theta = torch.tensor([[[cos, -sin * ratio, 0], [sin / ratio, cos, 0]]], dtype=torch.float32)
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    return x[0, 0].clamp_min(0).numpy()


@dataclass
class Sampler:
    """Draws varied slices: a contrast by its share, a person, a scan of that contrast, and a slice."""

    volumes: list[Volume]
    variation: Variation = field(default_factory=Variation)

    def __post_init__(self) -> None:
        people: dict[str, dict[str, list[Volume]]] = defaultdict(lambda: defaultdict(list))
        for volume in self.volumes:
            people[volume.contrast][volume.person].append(volume)
        self.contrasts = sorted(people)
        shares = np.array([CONTRAST_SHARES[c] for c in self.contrasts])
        self.shares = shares / shares.sum()
        self.people = {c: list(people[c].values()) for c in self.contrasts}
        self.weights = {c: self._weights(self.people[c]) for c in self.contrasts}

    @staticmethod
    def _weights(people: list[list[Volume]]) -> np.ndarray:
        counts = np.array([sum(len(v.slices) for v in scans) for scans in people])
        weights = np.sqrt(np.minimum(counts, COUNTED_SLICES))
        return weights / weights.sum()

    def slice(self, rng: np.random.Generator) -> np.ndarray:
        """A slice as it is."""
        contrast = self.contrasts[rng.choice(len(self.contrasts), p=self.shares)]
        scans = self.people[contrast][rng.choice(len(self.people[contrast]), p=self.weights[contrast])]
        volume = scans[rng.integers(len(scans))]
        return volume.slices[rng.integers(len(volume.slices))]

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A varied slice `[row, col]`, phase encoding along columns."""
        v, image = self.variation, self.slice(rng)
        if rng.random() < v.warp:
            image = warped(image, rng.uniform(*v.factors), rng.uniform(-v.degrees, v.degrees))
        if rng.random() < v.flip:
            image = image[::-1]
        if rng.random() < v.flip:
            image = image[:, ::-1]
        if rng.random() < v.transpose:
            image = image.T
        if rng.random() < v.gamma:
            image = image ** np.float32(np.exp(v.gamma_spread * rng.standard_normal()))
        if rng.random() < v.invert:
            image = image / (image + np.float32(0.05)) * np.maximum(np.float32(1.15) - image, 0)
        return np.ascontiguousarray(image, dtype=np.float32)


def fitted(image: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray | None:
    """The image with so many columns, by air at its sides or by leaving air out; none where tissue would be lost."""
    spare = image.shape[1] - length
    if spare == 0:
        return image
    if spare < 0:
        left = int(rng.integers(-spare + 1))
        return np.pad(image, ((0, 0), (left, -spare - left)))
    energy = (image**2).sum(axis=0)
    inside = np.convolve(energy, np.ones(length), "valid")
    good = np.flatnonzero(inside >= (1 - LOST_ENERGY) * energy.sum())
    if good.size == 0:
        return None
    left = int(rng.choice(good))
    return image[:, left : left + length]


def fitted_square(image: np.ndarray, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray | None:
    """The image with so many rows and columns, at a lower resolution where tissue would not fit."""
    for _ in range(2):
        wide = fitted(image, columns, rng)
        tall = None if wide is None else fitted(np.ascontiguousarray(wide.T), rows, rng)
        if tall is not None:
            return tall.T
        tissue = np.argwhere(image > BRIGHT / 2)
        size = np.ptp(tissue, axis=0) + 1 if len(tissue) else np.array(image.shape)
        factor = rng.uniform(0.85, 0.97) * min(rows / size[0], columns / size[1])
        image = warped(np.ascontiguousarray(image), float(factor), 0)
    return None


@dataclass(frozen=True)
class Extent:
    """What a step sees: `count` slices, of each a strip of `strip` rows or all.

    With `rows` and `columns` all slices have these; else as many columns as the first one and rows of their own.
    """

    count: int
    strip: int | None
    rows: int | None = None
    columns: int | None = None


@dataclass
class Drawn:
    """Slices, the mirrored masks of what is measured of each, and the first row of the strip in each."""

    images: list[np.ndarray]
    masks: list[np.ndarray]
    first: list[int]
    strip: int | None


def draw(sampler: Sampler, family: Family, extent: Extent, rng: np.random.Generator) -> Drawn:
    """The slices of a step."""
    drawn, columns = Drawn([], [], [], extent.strip), extent.columns
    while len(drawn.images) < extent.count:
        image = sampler.draw(rng)
        if extent.rows and extent.columns:
            image = fitted_square(image, extent.rows, extent.columns, rng)
        else:
            columns = columns or image.shape[1]
            image = fitted(image, columns, rng)
        if image is None or (extent.strip and image.shape[0] < extent.strip) or not image.any():
            continue
        drawn.images.append(np.ascontiguousarray(image))
        drawn.masks.append(mirrored(family.draw(image.shape[1], rng)))
        drawn.first.append(strip_start(image, extent.strip, rng) if extent.strip else 0)
    return drawn


def strip_start(image: np.ndarray, rows: int, rng: np.random.Generator) -> int:
    """Where a strip of so many rows begins; mostly where there is tissue."""
    last = image.shape[0] - rows
    start = 0
    for _ in range(4):
        start = int(rng.integers(last + 1))
        if (image[start : start + rows] > BRIGHT).mean() > FILLED:
            break
    return start


@dataclass(frozen=True)
class Plan:
    """What the steps of a training see; the random numbers of a step depend on seed and step alone."""

    sampler: Sampler
    family: Family
    strips: tuple[Extent, ...]
    whole: tuple[Extent, ...]
    whole_share: float
    seed: int

    def step(self, number: int) -> Drawn:
        """The slices of this step."""
        rng = np.random.default_rng((self.seed, number, 0))
        extents = self.whole if rng.random() < self.whole_share else self.strips
        return draw(self.sampler, self.family, extents[rng.integers(len(extents))], rng)


_plan: list[Plan] = []


def _begin(plan: Plan) -> None:
    torch.set_num_threads(1)
    _plan[:] = [plan]


def _step(number: int) -> Drawn:
    """Slices in half precision: they go from one process to another."""
    drawn = _plan[0].step(number)
    drawn.images = [image.astype(np.float16) for image in drawn.images]
    return drawn


class Ahead:
    """Draws steps ahead in other processes, or at once in this one where `workers` is 0.

    The processes are begun at once: before a device is used, which a forked process cannot.
    """

    def __init__(self, plan: Plan, workers: int):
        self.plan, self.workers, self.pool = plan, workers, None
        if workers:
            context = multiprocessing.get_context("fork")
            self.pool = ProcessPoolExecutor(workers, context, _begin, (plan,))
            self.pool.submit(int).result()

    def steps(self, first: int) -> Iterator[Drawn]:
        """The steps from `first` on."""
        if self.pool is None:
            yield from map(self.plan.step, itertools.count(first))
            return
        waiting = deque(self.pool.submit(_step, first + k) for k in range(2 * self.workers))
        for number in itertools.count(first + len(waiting)):
            yield waiting.popleft().result()
            waiting.append(self.pool.submit(_step, number))

    def close(self) -> None:
        """Ends the processes."""
        if self.pool:
            self.pool.shutdown(wait=False, cancel_futures=True)
