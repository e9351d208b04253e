"""The command line: trains, resumes and rehearses.

    python -m trainer --data DATA --start BUNDLE --state STATE --seconds 6000
    python -m trainer --data DATA --start BUNDLE --state STATE --rehearse
"""
import argparse
import contextlib
import copy
import hashlib
import json
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from .bundle import config_of, export, replace, weights_of
from .data import Ahead, Drawn, Extent, Plan, Sampler, Volume, read_folders
from .losses import Shares, backward_losses, measure
from .masks import Family
from .optimiser import follow, optimisers
from .prior import INPUTS, Spectrum
from .unet import Unet
from .validate import middle, protocol_slices, psnrs

SPECTRUM_SLICES = 200


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trainer", description="Trains a conditional prior for Cartesian MR.")
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with MANIFEST.tsv and mri/train…, or one by `trainer.pack`")
    add("--folders", default="train,train2,train_sparse,train2_other", help="training folders below mri")
    add("--start", type=Path, required=True, help="bundle whose weights and size the training starts with")
    add("--state", type=Path, required=True, help="folder for states, log and exports")
    add("--seconds", type=float, default=600, help="length of the training, of all runs together")
    add("--steps", type=int, default=10**9, help="end after so many steps, of all runs together, even before")
    add("--log-every", type=int, default=50, help="steps")
    add("--save-every", type=float, default=120.0, help="seconds")
    add("--resume", action="store_true", help="go on with the state, if there is one")
    add("--device", default="cpu", choices=["cpu", "cuda"])
    add("--threads", type=int, default=1)
    add("--precision", default="f32", choices=["f32", "bf16"])
    add("--compile", action="store_true")
    add("--seed", type=int, default=0)
    add("--batch", type=int, default=2, help="strips in a step")
    add("--strip", "--rows", dest="strip", type=int, default=48, help="readout pixels of a strip")
    add("--sides", default="", help="rows x columns of slices, such as 320x288,224x192, by air or without it; one a step (default: as they are)")
    add("--whole", type=float, default=0.1, help="share of steps on whole slices")
    add("--whole-batch", type=int, default=1, help="slices in such a step")
    add("--workers", type=int, default=0, help="processes that draw slices ahead")
    add("--optimiser", default="muon", choices=["muon", "adam"])
    add("--rate", type=float, default=6e-4)
    add("--warm-up", type=int, default=100, help="steps")
    add("--hold", type=float, default=0.3, help="share of the time before the rate falls, linearly to zero")
    add("--power", type=float, default=12.0, help="of the moving average")
    add("--first", type=float, default=0.9, help="share of steps whose first loss is at the first rung")
    add("--chain", type=float, default=0.3, help="share of steps whose own estimate took two calls")
    add("--noisy", type=float, default=0.0, help="share of steps with noise in the lines not measured")
    add("--validate-every", type=float, default=900.0, help="seconds")
    add("--masks", type=Path, help="masks of the protocol, .npz; needed to validate")
    add("--validation", type=Path, help="folder with validation scans")
    add("--scans", default="ds002748-36,msC-19_T1.,msC-19_T2,msL-19_FLAIR", help="their middle slices are validated")
    add("--rehearse", action="store_true", help="a few seconds with everything that a training does")
    return parser.parse_args()


def script_hash() -> str:
    """Of all modules of this folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read(data: Path, folders: list[str]) -> list[Volume]:
    """Scans as they are or packed; Pillow is needed for these alone."""
    if (data / "scans.json").exists():
        from .pack import read as unpack

        return unpack(data)
    return read_folders(data, folders)


def fewer(count: int, pixels: int, of_first: int) -> int:
    """As many images as have the pixels of `count` images of the first size."""
    return max(1, round(count * of_first / pixels))


def extents(args: argparse.Namespace) -> tuple[tuple[Extent, ...], tuple[Extent, ...]]:
    """What steps on strips and on whole slices see, one for each size."""
    sizes = [tuple(int(n) for n in size.split("x")) for size in args.sides.split(",") if size]
    if not sizes:
        return (Extent(args.batch, args.strip),), (Extent(args.whole_batch, None),)
    rows, columns = sizes[0]
    strips = tuple(Extent(fewer(args.batch, c, columns), args.strip, r, c) for r, c in sizes)
    whole = tuple(Extent(fewer(args.whole_batch, r * c, rows * columns), None, r, c) for r, c in sizes)
    return strips, whole


@dataclass
class Progress:
    """What a resumed run needs to know beside weights."""

    step: int = 0
    seconds: float = 0.0
    validated: float = 0.0


class Training:
    """A run from its start or its last state to its deadline."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.stop = args, False
        self.device = torch.device(args.device)
        torch.manual_seed(args.seed)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        args.state.mkdir(parents=True, exist_ok=True)
        self.log_path, self.state_path = args.state / "log.jsonl", args.state / "state.pt"
        volumes = read(args.data, args.folders.split(","))
        if args.rehearse:
            volumes = volumes[:6]
        self.sampler, self.family = Sampler(volumes), Family()
        plan = Plan(self.sampler, self.family, *extents(args), args.whole, args.seed)
        self.ahead = Ahead(plan, args.workers)
        self.shares = Shares(first=args.first, chain=args.chain, noisy=args.noisy)
        rng = np.random.default_rng(args.seed)
        self.spectrum = Spectrum.of([self.sampler.draw(rng) for _ in range(SPECTRUM_SLICES)])
        self.network = Unet(config_of(args.start, INPUTS)).to(self.device, memory_format=torch.channels_last)
        self.network.start_from(weights_of(args.start))
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimisers = optimisers(self.network, args.optimiser, args.rate)
        self.progress = Progress()
        slices = sum(len(v.slices) for v in volumes)
        people = len({v.person for v in volumes})
        self.card = {
            "script": script_hash(),
            "options": {k: str(v) for k, v in vars(args).items()},
            "data": {"people": people, "volumes": len(volumes), "slices": slices},
            "shares": asdict(self.shares),
            "variation": asdict(self.sampler.variation),
        }
        if args.resume and self.state_path.exists():
            self.load()
        elif self.log_path.exists():
            self.log_path.unlink()
        self.log(start=self.card | asdict(self.progress))
        self.called = torch.compile(self.network, dynamic=False) if args.compile else self.network
        self.average_called = torch.compile(self.average, dynamic=False) if args.compile else self.average
        if args.precision == "bf16":
            self.precision = torch.autocast(args.device, dtype=torch.bfloat16)
        else:
            self.precision = contextlib.nullcontext()
        self.validation = []
        if args.validation and args.masks:
            self.validation = middle(protocol_slices(args.validation), args.scans.split(","))

    def log(self, **line) -> None:
        with open(self.log_path, "a") as file:
            file.write(json.dumps(line) + "\n")

    def load(self) -> None:
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        self.spectrum = Spectrum(tuple(state["spectrum"]))

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "progress": asdict(self.progress),
            "spectrum": list(self.spectrum.power),
            "script": self.card["script"],
        }
        replace(self.state_path, lambda path: torch.save(state, path))
        training = self.card | asdict(self.progress)
        export(self.args.state / "bundle", self.average, self.spectrum, self.family, training)
        export(self.args.state / "last", self.network, self.spectrum, self.family, training)

    def rate(self) -> float:
        """By the clock: constant, then linearly to zero at the deadline."""
        args = self.args
        done = min(self.progress.seconds / args.seconds, 1.0)
        falling = 1.0 if done < args.hold else (1 - done) / (1 - args.hold)
        return args.rate * falling * min(1.0, (self.progress.step + 1) / args.warm_up)

    def step(self, drawn: Drawn) -> dict[str, torch.Tensor]:
        """One step. What it found stays on the device, so that nothing waits for it."""
        rng = np.random.default_rng((self.args.seed, self.progress.step, 1))
        batch = measure(drawn, self.device)
        found = backward_losses(
            self.called, self.average_called, batch, self.spectrum, self.shares, rng, self.precision
        )
        found["gradient"] = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        follow(self.average, self.network, self.progress.step, self.args.power)
        self.progress.step += 1
        return found

    def validate(self) -> None:
        """Mean PSNR at 8x after each of six rungs, by the averaged weights, in both ways of filling."""
        if not self.validation:
            return
        rungs = 2 if self.args.rehearse else 6
        found = {}
        for name in ("renew", "full"):
            values = psnrs(self.average, self.validation, self.args.masks, 8, self.spectrum, rungs, name)
            found[name] = [round(float(v), 3) for v in values.mean(axis=0)]
            found[f"{name}_last"] = [round(float(v), 3) for v in values[:, -1]]
            found["first"] = [round(float(v), 3) for v in values[:, 0]]
        self.log(validation=found, step=self.progress.step, seconds=round(self.progress.seconds, 1))

    def run(self) -> None:
        args, progress = self.args, self.progress
        began, before = time.monotonic(), progress.seconds
        saved, sums, counts = before, {}, {}
        logged = before
        drawn = self.ahead.steps(progress.step)
        while progress.seconds < args.seconds and progress.step < args.steps and not self.stop:
            for name, value in self.step(next(drawn)).items():
                sums[name], counts[name] = sums.get(name, 0.0) + value, counts.get(name, 0) + 1
            progress.seconds = before + time.monotonic() - began
            if progress.step % args.log_every == 0 or progress.step <= 3:
                means = {name: round(float(sums[name]) / counts[name], 5) for name in sums}
                progress.seconds = before + time.monotonic() - began
                speed = max(counts.values()) / max(progress.seconds - logged, 1e-9)
                line = {"step": progress.step, "seconds": round(progress.seconds, 1), "rate": self.rate()}
                self.log(**line, per_second=round(speed, 3), **means)
                sums, counts, logged = {}, {}, progress.seconds
            if progress.seconds - saved >= args.save_every:
                self.save()
                saved = progress.seconds
            if progress.seconds - progress.validated >= args.validate_every:
                progress.validated = progress.seconds
                self.validate()
                progress.seconds = before + time.monotonic() - began
        self.ahead.close()
        self.save()
        if not self.stop:
            self.validate()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    if args.rehearse:
        args.seconds, args.validate_every, args.log_every = min(args.seconds, 20.0), 10.0, 1
    training = Training(args)

    def finish(*_) -> None:
        training.stop = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, finish)
    training.run()


if __name__ == "__main__":
    main()
