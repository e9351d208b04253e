#!/usr/bin/env python3
"""Compares coil maps and images of `recon` with those of BART and prints Markdown; `run` calls it.

Fully sampled k-space of several coils is read from a `.cfl` file, undersampled in points (of variable density) or in lines, and reconstructed by both programs on one thread, each with maps of its own from the undersampled data. Each method is
run with several weights and judged by the best of them, against the root of the sum of squares of the full data, where BART's
maps of the full data see something. Times are the processor's, of whole processes, the least of the rounds.
"""
import argparse
import os
import pathlib
import resource
import subprocess

import numpy as np

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
WEIGHTS = {
    "bart cg": [1e-4, 1e-3, 3e-3, 0.01, 0.03],
    "recon cg": [1e-4, 1e-3, 3e-3, 0.01, 0.03],
    "bart wavelet": [3e-4, 1e-3, 2e-3, 4e-3, 8e-3],
    "recon wavelet": [2e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3],
    "recon tv": [2e-4, 5e-4, 1e-3, 2e-3, 4e-3],
}
ITERATIONS = {"cg": 30, "wavelet": 60, "tv": 60}


def read(name):
    lines = pathlib.Path(f"{name}.hdr").read_text().splitlines()
    shape = [int(word) for word in lines[1].split()]
    array = np.fromfile(f"{name}.cfl", np.complex64).reshape(shape, order="F")
    return array.reshape(shape[1], shape[2], -1, order="F")


def write(name, array):
    rows, cols, coils = array.shape
    pathlib.Path(f"{name}.hdr").write_text(f"# Dimensions\n1 {rows} {cols} {coils}\n")
    array.astype(np.complex64).ravel(order="F").tofile(f"{name}.cfl")


def timed(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(word) for word in words], env=ONE_THREAD, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def images(kspace):
    shifted = np.fft.ifftshift(kspace, axes=(0, 1))
    return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho", axes=(0, 1)), axes=(0, 1))


def subspace_difference(ours, theirs):
    """The root mean square of the norm of the difference of projections onto the maps, where both have them."""
    inside = (np.abs(ours).sum(-1) > 0) & (np.abs(theirs).sum(-1) > 0)
    unit = [maps / np.maximum(np.linalg.norm(maps, axis=-1, keepdims=True), 1e-20) for maps in (ours, theirs)]
    cosine = np.abs((unit[0].conj() * unit[1]).sum(-1).astype(np.complex128))[inside]
    sine = np.sqrt(np.maximum(0, 1 - cosine**2))
    share = inside.sum() / (np.abs(theirs).sum(-1) > 0).sum()
    return np.sqrt(np.mean(sine**2)), np.quantile(sine, 0.95), share


def point_mask(shape, acceleration):
    """Points drawn with a density that falls off from the centre, and a full centre of 24 x 24."""
    rows, cols = (np.arange(n) - n // 2 for n in shape)
    centre = (np.abs(rows)[:, None] <= 12) & (np.abs(cols) <= 12)
    radius = np.hypot(rows[:, None] / shape[0], cols / shape[1]) * 2
    keys = np.random.default_rng(0).random(shape) ** (1 / np.maximum(1e-3, (1.5 - radius) ** 2))
    keys[centre] = 2
    kept = round(keys.size / acceleration)
    return keys >= np.partition(keys.ravel(), -kept)[-kept]


def line_mask(shape, acceleration):
    columns = np.arange(shape[1])
    centre = np.abs(columns - shape[1] // 2) <= 12
    wanted = shape[1] / acceleration - centre.sum()
    distance = (shape[1] - centre.sum()) / max(wanted, 1)
    lines = centre.copy()
    lines[np.round(np.arange(0, shape[1], distance)).astype(int).clip(0, shape[1] - 1)] = True
    return np.broadcast_to(lines, shape)


def error(image, reference, inside):
    image = np.abs(image)
    image = image * (image * reference)[inside].sum() / (image**2)[inside].sum()
    return np.linalg.norm((image - reference)[inside]) / np.linalg.norm(reference[inside])


def command(program, method, recon, names, weight):
    kspace, maps, out = names
    iterations = ITERATIONS[method]
    if program == "recon":
        return [recon, method, kspace, maps, out, weight, iterations]
    penalty = "-l2" if method == "cg" else "-l1"
    return ["bart", "pics", "-S", penalty, "-r", weight, "-i", iterations, kspace, maps, out]


def best(program, method, recon, folder, judge, rounds):
    names = (folder / "under", folder / f"{program}-maps", folder / "image")
    runs = []
    for weight in WEIGHTS[f"{program} {method}"]:
        words = command(program, method, recon, names, weight)
        seconds = min(timed(words) for _ in range(rounds))
        runs.append((judge(read(names[2])[..., 0]), weight, seconds))
    return min(runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kspace", help="a .cfl file without its ending: [1, rows, cols, coils], fully sampled")
    parser.add_argument("--recon", default="target/release/examples/coils")
    parser.add_argument("--folder", default="target/coils", type=pathlib.Path)
    parser.add_argument("--rounds", default=3, type=int)
    given = parser.parse_args()
    folder = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    full = read(given.kspace)
    write(folder / "full", full)
    commands = {
        "recon": lambda kspace: [given.recon, "maps", kspace, folder / "recon-maps"],
        "bart": lambda kspace: ["bart", "ecalib", "-m", 1, "-r", 24, kspace, folder / "bart-maps"],
    }
    seconds = {name: min(timed(words(folder / "full")) for _ in range(given.rounds)) for name, words in commands.items()}
    ours, theirs = read(folder / "recon-maps"), read(folder / "bart-maps")
    difference, most, share = subspace_difference(ours, theirs)
    print(f"ESPIRiT: projections differ by {100 * difference:.2f} % (95 % of pixels by less than {100 * most:.2f} %); "
          f"maps at {100 * share:.1f} % of BART's pixels; "
          f"CPU {seconds['recon']:.2f} s to {seconds['bart']:.2f} s, ratio {seconds['recon'] / seconds['bart']:.2f}\n")
    inside = np.abs(theirs).sum(-1) > 0
    reference = np.sqrt((np.abs(images(full)) ** 2).sum(-1))
    print("| mask | method | BART NRMSE (weight) | recon NRMSE (weight) | NRMSE ratio | CPU s BART | CPU s recon | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, draw in (("points", point_mask), ("lines", line_mask)):
        for acceleration in (4, 6):
            mask = draw(full.shape[:2], acceleration)
            write(folder / "under", full * mask[..., None])
            for words in commands.values():
                timed(words(folder / "under"))
            judge = lambda image: error(image, reference, inside)
            title = f"{kind} {1 / mask.mean():.2f}x"
            for method in ("cg", "wavelet"):
                b = best("bart", method, given.recon, folder, judge, given.rounds)
                r = best("recon", method, given.recon, folder, judge, given.rounds)
                print(f"| {title} | {method} | {b[0]:.4f} ({b[1]:g}) | {r[0]:.4f} ({r[1]:g}) | {r[0] / b[0]:.3f} "
                      f"| {b[2]:.2f} | {r[2]:.2f} | {r[2] / b[2]:.2f} |", flush=True)
            r = best("recon", "tv", given.recon, folder, judge, given.rounds)
            print(f"| {title} | tv | | {r[0]:.4f} ({r[1]:g}) | | | {r[2]:.2f} | |", flush=True)
            if kind == "lines":
                used = timed([given.recon, "grappa", folder / "under", folder / "image"])
                print(f"| {title} | grappa | | {judge(read(folder / 'image')[..., 0]):.4f} | | | {used:.2f} | |")
            zeros = np.sqrt((np.abs(images(full * mask[..., None])) ** 2).sum(-1))
            print(f"| {title} | zero-filled | | {judge(zeros):.4f} | | | | |", flush=True)


if __name__ == "__main__":
    main()
