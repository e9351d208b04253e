"""The command line: trains, resumes and rehearses; README.md beside this file explains."""
import argparse
import contextlib
import copy
import hashlib
import json
import signal
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from dataclasses import replace as replace_fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..bundle import config_of, replace, weights_of
from ..optimiser import follow, optimisers
from ..unet import Unet
from .bundle import export, halves
from .evaluate import psnrs, read_slices
from .ladder import measure
from .losses import Batch, Ratios, Shares, backward_losses
from .physics import Scanner
from .prior import INPUTS, Levels, Table
from .store import Packed, Store
from .variation import Variation

BEGAN = time.monotonic()
VIEWS = {23: 0.3, 10: 0.2, 20: 0.1, 45: 0.1, 8: 0.05, 12: 0.05, 15: 0.05, 30: 0.05, 36: 0.03, 60: 0.03, 90: 0.04}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trainer.ct", description="Trains a conditional prior for sparse-view CT.")
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder that trainer.ct.store has written")
    add("--start", type=Path, required=True, help="bundle whose weights and size the training starts with")
    add("--state", type=Path, required=True, help="folder for the state of --resume")
    add("--output", type=Path, help="folder for log and exports (default: that of the state)")
    add("--seconds", type=float, default=600, help="from the start to the last step, of all runs together")
    add("--steps", type=int, default=10**9, help="end after so many steps, of all runs together, even before")
    add("--log-every", type=int, default=20, help="steps")
    add("--save-every", type=float, default=60.0, help="seconds")
    add("--resume", action="store_true", help="go on with the state, if there is one")
    add("--device", default="cpu", choices=["cpu", "cuda"])
    add("--threads", type=int, default=1)
    add("--precision", default="f32", choices=["f32", "bf16"])
    add("--compile", action="store_true", help="the network for slices of 256x256")
    add("--seed", type=int, default=0)
    add("--batch", type=int, default=2, help="slices of 256x256 in a step")
    add("--side", type=int, default=256, choices=[64, 128, 256], help="of slices, for trials on a CPU")
    add("--large", type=float, default=0.0, help="share of steps on slices of 512x512, a quarter as many")
    add("--large-views", default="23", help="numbers of views of such steps")
    add("--compile-large", action="store_true", help="the network for slices of 512x512 too")
    add("--views", default="", help="such as 23:0.6,10:0.4 (default: eleven numbers from 8 to 90)")
    add("--reuse", type=float, default=4.0, help="steps that see a measured batch, on average")
    add("--pool", type=int, default=12, help="measured batches that are kept for each number of views")
    add("--optimiser", default="muon", choices=["muon", "adam"])
    add("--rate", type=float, default=6e-4)
    add("--warm-up", type=int, default=50, help="steps")
    add("--hold", type=float, default=0.4, help="share of the time before the rate falls, linearly to zero")
    add("--power", type=float, default=12.0, help="of the moving average")
    add("--further", default="0.35,0.25,0.15,0.1,0.1,0.05", help="chances of 0, 1, 2... calls before that of loss 2")
    add("--unrolled", type=float, default=0.0,
        help="share of the steps without calls between whose loss 2 goes through the first call")
    add("--direct", type=float, default=0.2, help="weight of the error before the data are fitted")
    add("--validate", default="10,20,23,45,90", help="numbers of views at the end")
    add("--calls", type=int, default=8, help="calls at the end")
    add("--validation-limit", type=int, help="slices at the end")
    add("--rehearse", action="store_true", help="a minute with everything that a training does")
    return parser.parse_args()


def rehearsal(args: argparse.Namespace) -> None:
    """The same with toy sizes, so that everything happens soon."""
    args.batch, args.seconds, args.save_every, args.log_every = min(args.batch, 4), min(args.seconds, 90), 10, 1
    args.views, args.large, args.reuse, args.warm_up = args.views or "23:0.4,10:0.6", args.large or 0.25, 2.0, 3
    args.validate, args.calls, args.validation_limit = "10", 2, 2
    args.further, args.unrolled = "0.4,0.3,0.3", 0.5


def script_hash() -> str:
    """Of all modules of this package and the one above."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent.parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass
class Progress:
    """What a resumed run needs to know beside weights."""

    step: int = 0
    seconds: float = 0.0
    images: int = 0


class Training:
    """A run from its start or its last state to its deadline."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.stop = args, False
        self.device = torch.device(args.device)
        torch.manual_seed(args.seed)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        self.output = args.output or args.state
        for folder in (args.state, self.output):
            folder.mkdir(parents=True, exist_ok=True)
        self.log_path, self.state_path = self.output / "log.jsonl", args.state / "state.pt"
        chosen = dict(VIEWS)
        if args.views:
            chosen = {int(n): float(share) for n, share in (part.split(":") for part in args.views.split(","))}
        self.views, shares = tuple(sorted(chosen)), np.array([chosen[n] for n in sorted(chosen)])
        self.view_shares = shares / shares.sum()
        self.large_views = [int(n) for n in args.large_views.split(",")]
        sides = (args.side, 512) if args.large else (args.side,)
        self.stores = {args.side: Store(Packed.read(args.data / "train_256.bin"), self.device, args.side)}
        if args.large:
            self.stores[512] = Store(Packed.read(args.data / "train_512.bin"), self.device, 512)
        known = tuple(sorted({*self.views, *(self.large_views if args.large else ())}))
        self.levels = Levels(known, sides, self.device)
        self.ratios, self.variation = Ratios(self.levels), Variation()
        self.shares = Shares(tuple(float(v) for v in args.further.split(",")), args.unrolled, args.direct)
        self.scanners: dict[tuple[int, int], Scanner] = {}
        self.pools: dict[tuple[int, int], list[Batch]] = defaultdict(list)
        self.network = Unet(config_of(args.start, INPUTS)).to(self.device, memory_format=torch.channels_last)
        self.network.start_from(weights_of(args.start))
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimisers = optimisers(self.network, args.optimiser, args.rate)
        self.progress = Progress()
        self.card = {
            "script": script_hash(),
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
            "options": {k: str(v) for k, v in vars(args).items()},
            "data": {str(side): {"people": len(s.slices), "slices": len(s.values)} for side, s in self.stores.items()},
            "views": {str(n): round(float(v), 4) for n, v in zip(self.views, self.view_shares)},
            "augmentation": asdict(self.stores[args.side].augmentation),
        }
        if args.resume and self.state_path.exists():
            self.load()
        elif self.log_path.exists():
            self.log_path.unlink()
        self.log(start=self.card | asdict(self.progress), loaded=round(time.monotonic() - BEGAN, 1))
        self.compiled = {args.side: args.compile, 512: args.compile_large}
        self.fast = (self.network, self.average)
        if args.compile or args.compile_large:
            # What cannot be compiled runs all the same, only slower.
            torch._dynamo.config.suppress_errors = True
            self.fast = tuple(torch.compile(model, dynamic=False) for model in self.fast)
        self.precision = contextlib.nullcontext()
        if args.precision == "bf16":
            self.precision = torch.autocast(args.device, dtype=torch.bfloat16)

    def log(self, **line) -> None:
        with open(self.log_path, "a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line)[:600], flush=True)

    def load(self) -> None:
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        self.levels.logs, self.levels.counts, self.ratios.means, self.ratios.counts = state["running"]

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "progress": asdict(self.progress),
            "running": [self.levels.logs, self.levels.counts, self.ratios.means, self.ratios.counts],
        }
        training = self.card | asdict(self.progress)
        export(self.output / "bundle", self.average, self.levels, self.variation, training)
        replace(self.state_path, lambda path: torch.save(state, path))

    def scanner(self, side: int, views: int) -> Scanner:
        """Made when it is first needed."""
        if (side, views) not in self.scanners:
            scanner = self.scanners[side, views] = Scanner(side, views, self.device)
            wrong = scanner.asymmetry()
            self.log(scanner=[side, views], asymmetry=wrong, seconds=round(time.monotonic() - BEGAN, 1))
            if not wrong < 1e-3:
                raise RuntimeError("the adjoint is not the transpose on this device")
        return self.scanners[side, views]

    def batch(self, rng: np.random.Generator) -> Batch:
        """A new batch, or one that was measured before."""
        args = self.args
        large = rng.random() < args.large
        side = 512 if large else args.side
        views = int(rng.choice(self.large_views) if large else rng.choice(self.views, p=self.view_shares))
        pool = self.pools[side, views]
        if pool and rng.random() >= 1 / args.reuse:
            return pool[rng.integers(len(pool))]
        count = max(1, args.batch // 4) if large else args.batch
        clean = self.stores[side].draw(count, rng)
        batch = Batch.of(clean, measure(self.scanner(side, views), clean, self.variation))
        self.levels.see(side, views, 0, batch.error)
        if len(pool) < args.pool:
            pool.append(batch)
        else:
            pool[rng.integers(len(pool))] = batch
        return batch

    def rate(self) -> float:
        """By the clock: constant, then linearly to zero at the deadline."""
        args = self.args
        done = min(self.progress.seconds / args.seconds, 1.0)
        falling = 1.0 if done < args.hold else (1 - done) / (1 - args.hold)
        return args.rate * falling * min(1.0, (self.progress.step + 1) / args.warm_up)

    def step(self) -> dict[str, torch.Tensor]:
        """One step."""
        rng = np.random.default_rng((self.args.seed, self.progress.step))
        batch = self.batch(rng)
        side = batch.measured.scanner.side
        models = self.fast if self.compiled[side] else (self.network, self.average)
        multiple = self.network.config.multiple
        # Of large slices only one call is kept in memory.
        shares = self.shares if side == self.args.side else replace_fields(self.shares, unrolled=0.0)
        found = backward_losses(
            *models, batch, self.levels, self.ratios, shares, rng, self.precision, multiple
        )
        gradients = [p.grad for p in self.network.parameters()]
        found["gradient"] = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        finite = found["gradient"].isfinite()
        for gradient in gradients:
            gradient.copy_(torch.where(finite, gradient, torch.zeros_like(gradient)))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        follow(self.average, self.network, self.progress.step, self.args.power)
        self.progress.step += 1
        self.progress.images += len(batch.clean)
        return found

    def validate(self) -> None:
        """PSNR of the averaged weights: filtered back-projection, start, and after each call."""
        args, path = self.args, self.args.data / "val.bin"
        if not path.exists() or not args.validate:
            return
        clean = read_slices(path, args.validation_limit)[0]
        clean = torch.nn.functional.avg_pool2d(clean, 256 // args.side)
        levels = Table(self.levels.table())
        for views in (int(n) for n in args.validate.split(",")):
            for flips in ("one", "turn"):
                values = psnrs(self.average, levels, clean,
                               self.scanner(args.side, views), args.calls, flips, self.variation,
                               17 if args.device == "cuda" else 1)
                means = [round(float(v), 3) for v in values.mean(axis=0)]
                self.log(views=views, flips=flips, slices=len(values), psnr=means,
                         seconds=round(time.monotonic() - BEGAN, 1))

    def run(self) -> None:
        args, progress = self.args, self.progress
        before = progress.seconds
        saved, sums, count = before, {}, 0
        logged, images = before, progress.images
        while progress.seconds < args.seconds and progress.step < args.steps and not self.stop:
            for name, value in self.step().items():
                sums[name] = sums[name] + value if name in sums else value
            count += 1
            progress.seconds = before + time.monotonic() - BEGAN
            if progress.step % args.log_every == 0 or progress.step <= 3:
                means = {name: round(float(value) / count, 4) for name, value in sums.items()}
                progress.seconds = before + time.monotonic() - BEGAN
                line = {"step": progress.step, "seconds": round(progress.seconds, 1), "rate": round(self.rate(), 7)}
                speed = (progress.images - images) / max(progress.seconds - logged, 1e-9)
                memory = torch.cuda.max_memory_allocated() >> 20 if args.device == "cuda" else 0
                self.log(**line, images_per_second=round(speed, 2), **means, memory=memory, gains=self.ratios.gains())
                self.ratios.clear()
                sums, count, logged, images = {}, 0, progress.seconds, progress.images
            if progress.seconds - saved >= args.save_every:
                self.save()
                saved = progress.seconds
        self.save()
        raw = halves(self.network)
        replace(self.output / "raw.safetensors", lambda path: save_file(raw, path))
        if not self.stop:
            self.pools.clear()
            self.validate()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    if args.rehearse:
        rehearsal(args)
    training = Training(args)

    def finish(*_) -> None:
        training.stop = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, finish)
    training.run()


if __name__ == "__main__":
    main()
