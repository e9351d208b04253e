"""PSNR of a bundle on the protocol's slices.

    python -m trainer.evaluate --bundle STATE/bundle --masks protocol.npz --validation DATA/mri/val -o results.jsonl
"""
import argparse
import json
from pathlib import Path

import numpy as np
import torch

from .bundle import read_conditional
from .validate import SLICES, lines, estimates, protocol_slices
from .metrics import psnr


def main() -> None:
    parser = argparse.ArgumentParser(prog="trainer.evaluate", description="PSNR on the slices of a protocol.")
    add = parser.add_argument
    add("--bundle", type=Path, required=True)
    add("--masks", type=Path, required=True)
    add("--validation", type=Path, required=True)
    add("-o", "--output", type=Path, required=True, help="lines of JSON, appended")
    add("--accelerations", default="8")
    add("--rungs", type=int, default=6)
    add("--filling", default="renew,keep,full")
    add("--flips", default="turn")
    add("--middle", action="store_true", help="only the middle slice of each scan")
    add("--scans", default="", help="only scans whose names begin so")
    add("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, spectrum = read_conditional(args.bundle)
    slices = protocol_slices(args.validation)
    slices = slices[1::SLICES] if args.middle else slices
    slices = [s for s in slices if any(s.file.startswith(name) for name in args.scans.split(","))]
    for acceleration in map(int, args.accelerations.split(",")):
        for filling in args.filling.split(","):
            for flips in args.flips.split(","):
                rows = []
                for s in slices:
                    mask = lines(args.masks, s.image.shape[1], acceleration)
                    found = estimates(network, s.image, mask, spectrum, args.rungs, filling, flips)
                    rows.append([psnr(s.image, e) for e in found])
                line = {
                    "acceleration": acceleration,
                    "filling": filling,
                    "flips": flips,
                    "slices": len(slices),
                    "mean": [round(float(v), 3) for v in np.mean(rows, axis=0)],
                    "first": [round(r[0], 2) for r in rows],
                    "last": [round(r[-1], 2) for r in rows],
                }
                print(json.dumps(line), flush=True)
                with open(args.output, "a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
