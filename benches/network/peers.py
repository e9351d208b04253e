"""The programs of the comparison, each in a process of its own, watched from outside."""
import os
import pathlib
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent


class Gone(RuntimeError):
    """The program ended before it answered."""


class Peer:
    """A running program. It sleeps on its input whenever it is not being timed."""

    def __init__(self, command, threads):
        environment = dict(os.environ, RAYON_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([*map(str, command)], text=True, bufsize=1, env=environment, **pipes)
        # Linux: the clock of all threads of another process, see clock_getcpuclockid(3).
        self.clock = (~self.process.pid << 3) | 2

    def order(self, *words):
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if answer != "done":
            raise Gone(f"{self.process.args[0]}: {' '.join(map(str, words))}: {answer or 'no answer'}")

    def measure(self, count):
        """CPU seconds (all threads) and wall seconds of one run, the mean of `count` in a row."""
        cpu, wall = time.clock_gettime(self.clock), time.perf_counter()
        self.order("run", count)
        return (time.clock_gettime(self.clock) - cpu) / count, (time.perf_counter() - wall) / count

    def peak_memory(self):
        """MiB that one run needs above what the process holds before it."""
        folder = pathlib.Path(f"/proc/{self.process.pid}")
        (folder / "clear_refs").write_text("5")
        before = status(folder, "VmRSS")
        self.order("run", 1)
        return (status(folder, "VmHWM") - before) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def status(folder, field):
    """A line of /proc/PID/status, kB."""
    lines = (folder / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


@dataclass
class Program:
    """How to start a program and what to ask of it."""

    label: str
    command: list
    threads_argument: bool
    trains: bool
    bundle: pathlib.Path
    work: pathlib.Path

    def start(self, threads):
        return Peer([*self.command, *([threads] if self.threads_argument else [])], threads)

    def prepare(self, peer, job):
        """Orders `job`, e.g. `unet-256` or `step-4x128`."""
        data = self.work / f"{job}.safetensors"
        name = job.split("-")[0]
        if name == "step":
            peer.order("step", self.bundle, data)
        else:
            peer.order("forward", name, self.source(name, job), data)

    def source(self, name, job):
        if self.label == "onnxruntime":
            return self.work / f"{job}.onnx"
        return self.bundle if name == "unet" else self.work / name


def programs(names, recon, bundle, work):
    """The chosen programs; `recon` is the built example."""
    python = sys.executable
    every = {
        "recon": ("recon", [recon], False, True),
        "torch": ("PyTorch", [python, HERE / "torch_peer.py"], True, True),
        "compiled": ("PyTorch compiled", [python, HERE / "torch_peer.py", "--compile"], True, True),
        "onnx": ("onnxruntime", [python, HERE / "onnx_peer.py"], True, False),
    }
    return [Program(*every[name], bundle, work) for name in names]
