"""Measures `recon denoise` on clean images with noise of known size, and prints the tables of docs/results.md.

python3 benches/denoising/table.py RECON CT_DIR MR_DIR [--slices N] [--noise S,S,...]

CT_DIR and MR_DIR hold NIfTI files: attenuation in 1/mm (or Hounsfield units) and MR magnitudes. Of each the middle slice
is taken. The range is 0 to 0.0384/mm for CT (twice water, 2000 HU) and 0 to the 99.5th percentile of the slice for MR.
Needs nothing but Python's own library.
"""

import argparse
import array
import gzip
import json
import math
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile

KINDS = {2: "B", 4: "h", 8: "i", 16: "f", 64: "d", 512: "H"}
WATER = 0.0192


def middle_slice(path):
    """The middle slice of a NIfTI file, its rows and columns."""
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        data = file.read()
    dims = struct.unpack_from("<8h", data, 40)
    kind, offset = struct.unpack_from("<h", data, 70)[0], int(struct.unpack_from("<f", data, 108)[0])
    slope, intercept = struct.unpack_from("<2f", data, 112)
    cols, rows, slices = dims[1], dims[2], max(1, dims[3])
    values = array.array(KINDS[kind])
    size = values.itemsize * rows * cols
    start = offset + size * (slices // 2)
    values.frombytes(data[start : start + size])
    slope = slope or 1.0
    return [slope * value + intercept for value in values], rows, cols


def write_npy(path, values, rows, cols):
    """Single precision, `.npy` of version 1."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {cols}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(array.array("f", values).tobytes())


def read_npy(path):
    data = path.read_bytes()
    start = 10 + struct.unpack_from("<H", data, 8)[0]
    values = array.array("f")
    values.frombytes(data[start:])
    return values


def scans(folder, is_ct):
    """Name, values, shape and range of the middle slice of every scan."""
    for path in sorted(pathlib.Path(folder).glob("*.nii*")):
        values, rows, cols = middle_slice(path)
        if is_ct and min(values) < -0.1:
            values = [max(0.0, WATER * (1 + value / 1000)) for value in values]
        bright = sorted(value for value in values if value > 0)
        top = 2 * WATER if is_ct else bright[int(0.995 * (len(bright) - 1))]
        yield path.name.split(".")[0], values, rows, cols, top


def denoised(recon, folder, repeats, options):
    """The report of a run on the repeats that lie in the folder."""
    names = [f"{k}.npy" for k in range(repeats)]
    command = [recon, "denoise", *names, *options, "--reference", "clean.npy", "--json", "-q", "-o", "out.npy", "--force"]
    return json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)


def squared(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b)) / len(a)


def measured(recon, scan, noise, repeats, options):
    """Gain over averaging, expected gain, ratio of variance and error, cover, and found noise over true noise."""
    name, clean, rows, cols, top = scan
    rng = random.Random(f"{name} {noise} {repeats}")
    std = noise * top
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_npy(folder / "clean.npy", clean, rows, cols)
        average = [0.0] * len(clean)
        for k in range(repeats):
            noisy = [value + std * rng.gauss(0, 1) for value in clean]
            average = [total + value / repeats for total, value in zip(average, noisy)]
            write_npy(folder / f"{k}.npy", noisy, rows, cols)
        told = denoised(recon, folder, repeats, [*options, "--noise-std", repr(std)])
        image, spread = read_npy(folder / "out.npy"), read_npy(folder / "out_std.npy")
        found = denoised(recon, folder, repeats, [*options, "--method", "average"])
    error, variance = squared(image, clean), sum(s * s for s in spread) / len(spread)
    seen = found["denoising"]["noise_std"] / (std / math.sqrt(repeats))
    gain = 10 * math.log10(squared(average, clean) / error)
    cover = told["metrics"]["calibration"]["coverage"]
    return gain, told["denoising"]["expected_gain"], variance / error, cover, seen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recon")
    parser.add_argument("ct")
    parser.add_argument("mr")
    parser.add_argument("--slices", type=int, default=100, help="at most so many scans of each")
    parser.add_argument("--noise", default="0.02,0.05,0.1,0.2", help="shares of the range")
    parser.add_argument("--repeats", default="1,2,4")
    arguments = parser.parse_args()
    recon = str(pathlib.Path(arguments.recon).resolve())
    print("| | noise | repeats | gain over averaging (dB): mean, least, largest | expected (dB) | variance / squared error: mean, least, largest | cover | noise found / true |")
    print("|---|---|---|---|---|---|---|---|")
    kinds = [("CT", arguments.ct, ["--modality", "ct", "--unit", "attenuation"]), ("MR", arguments.mr, ["--modality", "mr"])]
    for name, folder, options in kinds:
        slices = list(scans(folder, name == "CT"))[: arguments.slices]
        for noise in map(float, arguments.noise.split(",")):
            for repeats in map(int, arguments.repeats.split(",")):
                rows = [measured(recon, scan, noise, repeats, options) for scan in slices]
                gain, expected, ratio, cover, seen = map(list, zip(*rows))
                spread = lambda v, form: ", ".join(form % x for x in (statistics.fmean(v), min(v), max(v)))
                cells = [name, f"{noise:g}", str(repeats), spread(gain, "%+.1f"), f"{statistics.fmean(expected):+.1f}", spread(ratio, "%.2f")]
                cells += [f"{100 * statistics.fmean(cover):.0f} %", spread(seen, "%.2f")]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
