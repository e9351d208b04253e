"""Training slices in few megabytes, for a machine that takes no more: 8 bits a pixel, finer where it is dark.

    python -m trainer.pack --data DATA -o FOLDER

Each scan is one lossless WebP picture of its slices, one below the other; `scans.json` names person, contrast and the
heights. `--data FOLDER` of the trainer reads it instead of scans. It needs Pillow.
"""
import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from .data import Volume, read_folders

INDEX = "scans.json"
LEVELS, TOP = 255, 3.2


def packed(image: np.ndarray) -> np.ndarray:
    """The square root of the values, of which tissue is near 1, in `LEVELS` steps."""
    return np.rint(np.sqrt(np.clip(image, 0, TOP) / TOP) * LEVELS).astype(np.uint8)


def unpacked(image: np.ndarray) -> np.ndarray:
    """The values again."""
    return np.square(image.astype(np.float32) / LEVELS) * TOP


def write(volumes: list[Volume], folder: Path) -> None:
    """One picture a group of slices of one width."""
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for volume in volumes:
        for width in sorted({s.shape[1] for s in volume.slices}):
            slices = [packed(s) for s in volume.slices if s.shape[1] == width]
            for first in range(0, len(slices), 40):
                part = slices[first : first + 40]
                name = f"{len(index):04}.webp"
                Image.fromarray(np.concatenate(part)).convert("RGB").save(folder / name, lossless=True, quality=90)
                heights = [len(s) for s in part]
                index.append({"file": name, "person": volume.person, "contrast": volume.contrast, "heights": heights})
    (folder / INDEX).write_text(json.dumps(index))


def read(folder: Path) -> list[Volume]:
    """The scans of such a folder."""
    index = json.loads((folder / INDEX).read_text())

    def picture(entry: dict) -> Volume:
        values = unpacked(np.asarray(Image.open(folder / entry["file"]))[..., 0])
        slices = np.split(values, np.cumsum(entry["heights"])[:-1])
        return Volume(entry["person"], entry["contrast"], tuple(np.ascontiguousarray(s) for s in slices))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(picture, index))


def main() -> None:
    parser = argparse.ArgumentParser(prog="trainer.pack", description="Packs training slices into few megabytes.")
    parser.add_argument("--data", type=Path, required=True, help="folder with MANIFEST.tsv and mri/train…")
    parser.add_argument("--folders", default="train,train2,train_sparse,train2_other", help="training folders below mri")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new folder")
    args = parser.parse_args()
    write(read_folders(args.data, args.folders.split(",")), args.output)


if __name__ == "__main__":
    main()
