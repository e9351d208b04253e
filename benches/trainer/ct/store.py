"""Training slices: packed into a small file, and drawn from a device's memory.

    python -m trainer.ct.store --data DATA -o FOLDER      # writes train_256.bin, train_512.bin and val.bin
"""
import argparse
import csv
import json
import lzma
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .. import nifti

EXCLUDED = ("C3N-01192",)
AIR, LEAST, STEP = -1000, -1024, 4
FOLDERS = {256: ("train_256", "train2_256"), 512: ("train_512", "train2_512")}
CHUNK = 12
COUNTED_SLICES = 8
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]


def encode(values: np.ndarray) -> bytes:
    """Differences along both axes of u16 `[slice, row, col]`, signs folded, low bytes before high ones."""
    d = values.astype(np.int32)
    d[:, :, 1:] -= d[:, :, :-1].copy()
    d[:, 1:] -= d[:, :-1].copy()
    folded = np.where(d < 0, -2 * d - 1, 2 * d).astype(np.uint16)
    planes = np.stack([folded & 255, folded >> 8]).astype(np.uint8)
    return lzma.compress(planes.tobytes(), format=lzma.FORMAT_RAW, filters=FILTERS)


def decode(packed: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """The values of `encode`."""
    planes = np.frombuffer(lzma.decompress(packed, format=lzma.FORMAT_RAW, filters=FILTERS), np.uint8)
    low, high = planes.reshape(2, *shape).astype(np.uint16)
    folded = low | (high << 8)
    d = (folded >> 1).astype(np.int16) ^ -(folded & 1).astype(np.int16)
    return d.cumsum(axis=1, dtype=np.int16).cumsum(axis=2, dtype=np.int16)


@dataclass
class Packed:
    """Slices `[slice, row, col]` as whole steps above `LEAST`, with the person and the scan of each."""

    values: np.ndarray
    people: list[str]
    scans: list[str]
    step: int = STEP

    def write(self, path: Path) -> None:
        """All in one file: a header and independent chunks."""
        parts = [encode(self.values[k : k + CHUNK]) for k in range(0, len(self.values), CHUNK)]
        header = {"shape": self.values.shape, "people": self.people, "scans": self.scans, "step": self.step}
        header = json.dumps(header | {"sizes": [len(p) for p in parts]}).encode()
        path.write_bytes(struct.pack("<I", len(header)) + header + b"".join(parts))

    @staticmethod
    def read(path: Path, threads: int = 16) -> "Packed":
        """The file again."""
        data = path.read_bytes()
        start = 4 + struct.unpack_from("<I", data)[0]
        header = json.loads(data[4:start])
        ends = np.cumsum([0, *header["sizes"]]) + start
        count, rows, cols = header["shape"]

        def part(k: int) -> np.ndarray:
            shape = (min(CHUNK, count - k * CHUNK), rows, cols)
            return decode(data[ends[k] : ends[k + 1]], shape)

        with ThreadPoolExecutor(threads) as pool:
            values = np.concatenate(list(pool.map(part, range(len(ends) - 1))))
        return Packed(values, header["people"], header["scans"], header["step"])


def slices_of(path: Path) -> np.ndarray:
    """Upright slices in HU, `[slice, row, col]`."""
    return np.ascontiguousarray(nifti.read(path).transpose(2, 1, 0))


def pack(root: Path, side: int, most: int) -> Packed:
    """The training slices of one side; of a scan with more than `most` evenly spaced ones."""
    values, people, scans = [], [], []
    with open(root / "MANIFEST.tsv", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            path = Path(row["file"])
            text = " ".join(str(v) for v in row.values() if v)
            wanted = path.parent.parent.name == "ct" and path.parent.name in FOLDERS[side]
            excluded = any(name in text for name in EXCLUDED) or not (root / path).exists()
            if not wanted or row["kind"] != "train" or excluded:
                continue
            found = slices_of(root / path)
            if found.shape[1:] != (side, side):
                raise ValueError(f"{path} has slices of {found.shape[1:]}")
            found = found[np.quantile(found, 0.9, axis=(1, 2)) > -500]
            if len(found) > most:
                found = found[[(2 * k + 1) * len(found) // (2 * most) for k in range(most)]]
            steps = np.rint((np.clip(found, LEAST, 3071) - LEAST) / STEP).astype(np.uint16)
            values.extend(steps)
            people.extend([row["subject"]] * len(steps))
            scans.extend([path.name] * len(steps))
    return Packed(np.stack(values), people, scans)


def protocol_slices(folder: Path, wanted: int = 2, limit: int | None = None) -> tuple[list[np.ndarray], list[str]]:
    """The slices in HU, and the names, that `recon eval` takes of a folder of NIfTI files."""
    paths = sorted(p for p in folder.iterdir() if p.name.endswith((".nii", ".nii.gz")))
    found, names = [], []
    for place, path in enumerate(paths):
        allowed = wanted
        if limit is not None:
            allowed = min(limit // len(paths) + (place < limit % len(paths)), wanted)
        volume = slices_of(path)
        take = min(wanted, len(volume))
        places = sorted(range(take), key=lambda k: abs(2 * k + 1 - take))[:allowed]
        for k in sorted(places):
            found.append(volume[(2 * k + 1) * len(volume) // (2 * take)])
            names.append(path.name)
    return found, names


def pack_validation(folder: Path) -> Packed:
    """The protocol's slices without loss, of files in whole HU."""
    found, names = protocol_slices(folder)
    stack = np.stack(found)
    if stack.min() < LEAST or (stack != np.rint(stack)).any():
        raise ValueError("these are no whole numbers above -1024 HU")
    return Packed((stack - LEAST).astype(np.uint16), names, names, 1)


@dataclass(frozen=True)
class Augmentation:
    """Chances and ranges of what is done to slices."""

    flip: float = 0.5
    transpose: float = 0.5
    warp: float = 0.3
    degrees: float = 10.0
    factors: tuple[float, float] = (0.9, 1.1)
    jitter: float = 0.3
    spread: float = 0.03


class Store:
    """Slices on a device, to be drawn with `side` pixels along an edge; people are drawn alike, up to the root of how many slices they have."""

    def __init__(
        self, packed: Packed, device: torch.device, side: int, augmentation: Augmentation = Augmentation()
    ):
        self.values = torch.from_numpy(packed.values.astype(np.int16)).to(device)
        self.step, self.device, self.augmentation = packed.step, device, augmentation
        self.factor = packed.values.shape[-1] // side
        names = sorted(set(packed.people))
        people = np.array([names.index(p) for p in packed.people])
        self.slices = [np.flatnonzero(people == k) for k in range(len(names))]
        weights = np.sqrt(np.minimum([len(s) for s in self.slices], COUNTED_SLICES))
        self.weights = weights / weights.sum()

    def draw(self, count: int, rng: np.random.Generator) -> torch.Tensor:
        """Varied slices in model units, `[count, 1, row, col]`."""
        people = rng.choice(len(self.slices), count, p=self.weights)
        index = [int(rng.choice(self.slices[p])) for p in people]
        values = self.values[torch.tensor(index, device=self.device)][:, None].float()
        x = ((values * self.step + (LEAST - AIR)) / 2000).clamp_min(0)
        a = self.augmentation

        def chosen(chance: float) -> torch.Tensor:
            return torch.from_numpy(np.flatnonzero(rng.random(count) < chance)).to(self.device)

        for axis in (-1, -2):
            where = chosen(a.flip)
            x[where] = x[where].flip(axis)
        where = chosen(a.transpose)
        x[where] = x[where].mT
        where = chosen(a.warp)
        if len(where):
            x[where] = self.warped(x[where], rng)
        where = chosen(a.jitter)
        factors = np.exp(a.spread * rng.standard_normal(len(where))).astype(np.float32)
        x[where] = x[where] * torch.from_numpy(factors).to(self.device)[:, None, None, None]
        return F.avg_pool2d(x, self.factor) if self.factor > 1 else x

    def warped(self, x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Turned and scaled by cubic interpolation; what comes from outside is air."""
        a = self.augmentation
        angles = np.radians(rng.uniform(-a.degrees, a.degrees, len(x)))
        factors = rng.uniform(*a.factors, len(x))
        cos, sin, zero = np.cos(angles) / factors, np.sin(angles) / factors, np.zeros(len(x))
        theta = np.stack([np.stack([cos, -sin, zero], 1), np.stack([sin, cos, zero], 1)], 1).astype(np.float32)
        grid = F.affine_grid(torch.from_numpy(theta).to(self.device), list(x.shape), align_corners=False)
        found = F.grid_sample(x, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
        return found.clamp_min(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="trainer.ct.store", description="Packs CT slices for a training.")
    parser.add_argument("--data", type=Path, required=True, help="folder with MANIFEST.tsv and ct/")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--most", type=int, default=64, help="slices of a scan of 256x256")
    parser.add_argument("--most-large", type=int, default=64, help="slices of a scan of 512x512")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for name, packed in (
        ("train_256.bin", pack(args.data, 256, args.most)),
        ("train_512.bin", pack(args.data, 512, args.most_large)),
        ("val.bin", pack_validation(args.data / "ct/val_256")),
    ):
        path = args.output / name
        packed.write(path)
        back = Packed.read(path, 2)
        if (back.values != packed.values.astype(np.int16)).any():
            raise ValueError(f"{path} does not read back")
        size = path.stat().st_size / 2**20
        print(f"{name}: {len(packed.values)} slices, {len(set(packed.people))} people, {size:.2f} MiB")


if __name__ == "__main__":
    main()
