#!/usr/bin/env python3
"""Quality of the methods on held-out scans, as a Markdown table.

    python3 benches/validation.py ct  DIRECTORY [--slices 3] [--recon target/release/recon] [-- OPTIONS]
    python3 benches/validation.py mri DIRECTORY ...

Runs `recon` on evenly spaced slices of every NIfTI file, one slice a run, and averages what the reports say of the
learned method and of the classical ones on the same data. OPTIONS after `--` go to `recon`.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

MEASUREMENT = {"ct": ["--views", "23"], "mri": ["--accel", "8"]}


def call(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def slices(recon, path, wanted):
    count = call(recon, "info", path, "--json")["shape"][0]
    wanted = min(wanted, count)
    return [int((k + 0.5) * count / wanted) for k in range(wanted)]


def measure(recon, task, path, k, options):
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "out.npy"
        chosen = ["--slices", f"{k}..{k + 1}", "-o", output, "--json", "--quiet"]
        return call(recon, task, path, *MEASUREMENT[task], *chosen, *options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=MEASUREMENT)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("--recon", default="target/release/recon")
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    rows, seconds, calls, worst = {}, [], 0, []
    for path in sorted(args.directory.glob("*.nii.gz")):
        for k in slices(args.recon, path, args.slices):
            report = measure(args.recon, args.task, path, k, args.options)
            metrics = report["metrics"]
            for entry in [*metrics["baselines"], {"name": "score", **metrics["result"]}]:
                rows.setdefault(entry["name"], []).append((entry["psnr"], entry["ssim"], entry["nmse"]))
            best = max(entry["psnr"] for entry in metrics["baselines"])
            worst.append((metrics["result"]["psnr"] - best, f"{path.name} slice {k}"))
            seconds.append(report["seconds"])
            calls = report["nfe"]
            print(f"{path.name} {k}: {best:.2f} -> {metrics['result']['psnr']:.2f} dB", file=sys.stderr)
    print("| method | PSNR (dB) | SSIM | NMSE |\n|---|---|---|---|")
    for name, values in rows.items():
        mean = [statistics.mean(column) for column in zip(*values)]
        spread = statistics.pstdev(value[0] for value in values)
        print(f"| {name} | {mean[0]:.2f} ± {spread:.2f} | {mean[1]:.4f} | {mean[2]:.2e} |")
    gains = sorted(worst)
    print(f"\n{len(seconds)} slices; {calls} network calls a slice; {statistics.median(seconds):.1f} s a slice "
          f"(median, all methods together). Gain over the best classical method: smallest {gains[0][0]:+.2f} dB "
          f"({gains[0][1]}), median {gains[len(gains) // 2][0]:+.2f} dB, largest {gains[-1][0]:+.2f} dB "
          f"({gains[-1][1]}).")


if __name__ == "__main__":
    main()
