"""PSNR of an exported bundle after each call, on the slices that `recon eval` takes.

    python -m trainer.ct.evaluate --bundle STATE/bundle --data DATA/ct/val_256 --views 10,23 --calls 6 -o results.jsonl
"""
import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from ..unet import Unet
from .bundle import read_conditional
from .ladder import climb, measure, psnr
from .physics import Scanner
from .prior import Levels, Table
from .store import AIR, LEAST, Packed, protocol_slices
from .variation import Variation


def read_slices(path: Path, limit: int | None = None) -> tuple[torch.Tensor, list[str]]:
    """Slices in model units `[slice, 1, row, col]` of a folder of scans or a packed file."""
    if path.is_dir():
        found, names = protocol_slices(path, limit=limit)
        values = np.stack(found) - AIR
    else:
        packed = Packed.read(path)
        step = 1 if limit is None else max(1, len(packed.values) // limit)
        keep = list(range(0, len(packed.values), step))[:limit]
        values = packed.values[keep].astype(np.float32) * packed.step + (LEAST - AIR)
        names = [packed.people[k] for k in keep]
    return torch.from_numpy(values / np.float32(2000)).float().clamp_min(0)[:, None], names


@torch.no_grad()
def psnrs(
    network: Unet,
    levels: Levels | Table,
    clean: torch.Tensor,
    scanner: Scanner,
    calls: int,
    flips: str,
    variation: Variation = Variation(),
    batch: int = 17,
) -> np.ndarray:
    """`[slice, 2 + calls]`: of the filtered back-projection, of the start, and after each call."""
    found = []
    for part in clean.to(scanner.device).split(batch):
        measured = measure(scanner, part, variation)
        images = [measured.back_projected, measured.start, *climb(network, measured, levels, calls, flips)]
        found.append(torch.stack([psnr(part, image) for image in images], dim=1))
    return torch.cat(found).cpu().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(prog="trainer.ct.evaluate", description="Evaluates a conditional CT prior.")
    add = parser.add_argument
    add("--bundle", type=Path, required=True)
    add("--data", type=Path, required=True, help="folder of scans, or a packed file")
    add("--views", default="23")
    add("--calls", type=int, default=6)
    add("--flips", default="turn", choices=["one", "turn", "all"])
    add("--limit", type=int, help="slices in all")
    add("--batch", type=int, default=1)
    add("--threads", type=int, default=1)
    add("--device", default="cpu")
    add("-o", "--output", type=Path, help="results, a line a slice")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, levels = read_conditional(args.bundle)
    network = network.to(args.device)
    clean, names = read_slices(args.data, args.limit)
    for views in (int(n) for n in args.views.split(",")):
        scanner, began = Scanner(clean.shape[-1], views, args.device), time.monotonic()
        values = psnrs(network, levels, clean, scanner, args.calls, args.flips, batch=args.batch)
        line = {"views": views, "slices": len(values), "flips": args.flips}
        line["mean"] = [round(float(v), 3) for v in values.mean(axis=0)]
        line["seconds"] = round(time.monotonic() - began, 1)
        print(json.dumps(line), flush=True)
        if args.output:
            with open(args.output, "a") as file:
                for name, row in zip(names, values):
                    found = [round(float(v), 3) for v in row]
                    file.write(json.dumps({"views": views, "file": name, "psnr": found}) + "\n")


if __name__ == "__main__":
    main()
