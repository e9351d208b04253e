#!/usr/bin/env python3
"""Compares `recon` with PyTorch and onnxruntime on the same weights and prints Markdown; `run` calls it.

Every program runs in a process of its own and sleeps while the others work. In each round each program does each job
in turn; the least CPU time (all threads) and the least wall time over the rounds count.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import report
from peers import HERE, Gone, programs
from safetensors.numpy import load_file

JOBS = {
    "unet": ["unet-256", "unet-320", "unet-512"],
    "ncsnpp": ["ncsnpp-256", "ncsnpp-320", "ncsnpp-512"],
    "train": ["step-4x128", "step-2x192"],
}
PEAK_BLOCKS = 20


def arguments():
    root = HERE.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smallest size of each job, few rounds")
    parser.add_argument("--only", choices=JOBS, help="only this group of jobs")
    parser.add_argument("--threads", default="1,2", help="thread counts (default 1,2)")
    parser.add_argument("--peers", default="torch,onnx", help="of torch, compiled, onnx (default torch,onnx)")
    parser.add_argument("--rounds", type=int, help="default 7; 3 with --quick")
    parser.add_argument("--seconds", type=float, default=0.5, help="least wall time of a measurement")
    parser.add_argument("--bundle", type=pathlib.Path, default=root / "data/weights/ct", help="the U-Net")
    parser.add_argument("--recon", type=pathlib.Path, default=root / "target/release/examples/network")
    parser.add_argument("--work", type=pathlib.Path, default=root / "target/bench-network", help="scratch folder")
    parser.add_argument("--memory", choices=("yes", "no"), help="peak memory (default yes; no with --quick)")
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 7)
    args.memory = (args.memory or ("no" if args.quick else "yes")) == "yes"
    args.threads = [int(count) for count in args.threads.split(",")]
    groups = [args.only] if args.only else list(JOBS)
    args.jobs = [job for group in groups for job in (JOBS[group][:1] if args.quick else JOBS[group])]
    return args


def difference(found, expected):
    """Euclidean, relative."""
    return float(((found - expected) ** 2).sum() ** 0.5 / (expected**2).sum() ** 0.5)


def ready(program, peer, job, work):
    """Prepares a job and warms it up; gives what two runs gave."""
    program.prepare(peer, job)
    peer.order("run", 2)
    path = work / "output.safetensors"
    peer.order("save", path)
    return load_file(path)["output"]


def measure_job(job, threads, args, chosen):
    """The best CPU and wall time of each program, and how far the outputs are from PyTorch's."""
    running = {}
    try:
        outputs = {}
        for program in chosen:
            if program.trains or not job.startswith("step"):
                peer = running[program.label] = program.start(threads)
                try:
                    outputs[program.label] = ready(program, peer, job, args.work)
                except Gone as gone:
                    print(f"left out: {gone}", file=sys.stderr)
                    running.pop(program.label).close()
        counts = {label: max(1, round(args.seconds / peer.measure(1)[1])) for label, peer in running.items()}
        times = {label: [] for label in running}
        for _ in range(args.rounds):
            for label, peer in running.items():
                times[label].append(peer.measure(counts[label]))
    finally:
        for peer in running.values():
            peer.close()
    best = {label: tuple(min(column) for column in zip(*rows)) for label, rows in times.items()}
    reference = outputs.get("PyTorch", next(iter(outputs.values())))
    return best, {label: difference(output, reference) for label, output in outputs.items()}


def measure_memory(job, args, chosen):
    """MiB of the first run, in a fresh process with one thread."""
    found = {}
    for program in chosen:
        if program.label != "PyTorch compiled":
            peer = program.start(1)
            try:
                program.prepare(peer, job)
                found[program.label] = peer.peak_memory()
            except Gone as gone:
                print(f"left out: {gone}", file=sys.stderr)
            finally:
                peer.close()
    return found


def measure_peak(program):
    """GFLOP/s of one thread that only multiplies and adds in registers; one run is 2 GFLOP."""
    peer = program.start(1)
    peer.order("peak")
    cpu = min(peer.measure(PEAK_BLOCKS)[0] for _ in range(15))
    peer.close()
    return 2 / cpu


def main():
    args = arguments()
    command = [sys.executable, HERE / "prepare.py", args.work, args.bundle, *args.jobs]
    subprocess.run(list(map(str, command)), check=True)
    facts = json.loads((args.work / "facts.json").read_text())
    chosen = programs(["recon", *args.peers.split(",")], args.recon, args.bundle, args.work)
    peak = measure_peak(chosen[0])
    print(report.head(peak, args))
    for threads in args.threads:
        print(report.times_head(threads, [program.label for program in chosen]))
        for job in args.jobs:
            best, apart = measure_job(job, threads, args, chosen)
            print(report.times_row(job, facts[job], best, apart, peak, [p.label for p in chosen]), flush=True)
    if args.memory:
        print(report.memory_head([program.label for program in chosen]))
        largest = {job.split("-")[0]: job for job in args.jobs if not job.startswith("step")}
        for job in largest.values():
            found = measure_memory(job, args, chosen)
            print(report.memory_row(job, facts[job], found, [p.label for p in chosen]), flush=True)


if __name__ == "__main__":
    main()
