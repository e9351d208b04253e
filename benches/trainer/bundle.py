"""Weights in the names of the program's bundles, and the card of a conditional prior.

    python -m trainer.bundle FOLDER

writes `manifest.toml`, the card that the program reads, of the trainer's own `manifest.json` in a folder.
"""
import hashlib
import json
import os
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .masks import Family
from .prior import INPUTS, PERCENTILE, SIGMA_DATA, LEAST_SIGMA, START_SHARE, WRONG_SHARE, Spectrum
from .unet import Unet, UnetConfig
from .variation import ITERATIONS, STEP

SIZES = ("channels", "blocks", "middle", "embedding", "frequencies")
# The largest noise level that any training tells the network.
LARGEST_SIGMA = 1.0


def config_of(folder: Path, inputs: int) -> UnetConfig:
    """The size of the network of a bundle, with another number of input channels."""
    card = tomllib.loads((folder / "manifest.toml").read_text())["architecture"]
    sizes = {name: tuple(card[name]) if isinstance(card[name], list) else card[name] for name in SIZES}
    return UnetConfig(**sizes, inputs=inputs)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a bundle."""
    return load_file(folder / "weights.safetensors")


def replace(path: Path, write) -> None:
    """Writes a file under another name and renames it."""
    temporary = path.with_name(path.name + ".new")
    write(temporary)
    os.replace(temporary, path)


def toml_value(value) -> str:
    """A number, a text or a list of them."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def toml_table(header: str, values: dict) -> str:
    """A table with its header."""
    lines = [f"{key} = {toml_value(value)}" for key, value in values.items()]
    return "\n".join([*([header] if header else []), *lines]) + "\n"


def collections_of(start: str) -> list[dict]:
    """The training images that the card of the first weights names."""
    path = Path(start) / "manifest.toml"
    return tomllib.loads(path.read_text())["training"]["data"] if start and path.exists() else []


def program_card(card: dict, name: str = "mr/conditional", version: str = "1") -> str:
    """`manifest.toml`, the card that the program reads, of the trainer's own."""
    family, training = card["family"], card["training"]
    options, steps = training.get("options", {}), training.get("step", 0)
    how = [f"{key} {options[key]}" for key in ("optimiser", "rate", "batch", "precision") if key in options]
    start = card["start"]["least_variation"]
    low, high = family["accelerations"]
    top = {
        "name": name,
        "version": version,
        "modality": "mr",
        "summary": f"MR magnitude slices that are told which columns of k-space were measured, {low:g}x to {high:g}x",
        "sigma_data": card["sigma_data"],
        "sigma_min": card["least_sigma"],
        "sigma_max": LARGEST_SIGMA,
    }
    ours = {
        "kind": "cartesian-lines",
        "axis": family["axis"],
        "images": family["images"],
        "accelerations": family["accelerations"],
        "center_fractions": family["centre"],
        "center_share": family["centre_times_acceleration"],
        "patterns": family["patterns"],
        "start_share": card["start_share"],
        "wrong_share": card["wrong_share"],
        "spectrum": card["spectrum"]["power"],
    }
    told = {
        "steps": steps,
        "seconds": int(training.get("seconds", 0)),
        "objective": "squared error by the energy that the slice lost, at the first rung and on lines of an estimate",
        "how": ", ".join(["PyTorch, benches/trainer", *how, "averaged weights"]),
    }
    mapping = {"mapping": card["value"]["mapping"], "percentile": card["value"]["percentile"]}
    tables = [
        toml_table("", top),
        toml_table("[architecture]", {"kind": "film-unet"} | card["architecture"]),
        toml_table("[value]", mapping),
        toml_table("[family]", ours),
        toml_table("[family.start]", {"iterations": start["iterations"], "step": start["step"]}),
        toml_table("[training]", told),
        *(toml_table("[[training.data]]", entry) for entry in collections_of(options.get("start", ""))),
        toml_table("[weights]", card["weights"]),
    ]
    return "\n".join(tables)


def write_program_card(folder: Path) -> None:
    """`manifest.toml` beside `manifest.json`."""
    text = program_card(json.loads((folder / "manifest.json").read_text()))
    replace(folder / "manifest.toml", lambda path: path.write_text(text))


def export(folder: Path, network: Unet, spectrum: Spectrum, family: Family, training: dict) -> None:
    """`weights.safetensors` in half precision, `manifest.json`, and `manifest.toml` for the program."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().cpu().half().contiguous() for name, t in network.state_dict().items()}
    replace(folder / "weights.safetensors", lambda path: save_file(tensors, path))
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    card = {
        "kind": "conditional-film-unet",
        "architecture": network.config.as_dict(),
        "channels": ["rung / sqrt(sigma_e^2 + sigma_data^2)", "zero-filled / the same", "mask M_T", "mask M_t"],
        "condition": "ln(sigma_e) / 4",
        "sigma_data": SIGMA_DATA,
        "least_sigma": LEAST_SIGMA,
        "start": {"least_variation": {"iterations": ITERATIONS, "step": STEP}},
        "start_share": START_SHARE,
        "wrong_share": WRONG_SHARE,
        "spectrum": {"knots": "equally spaced in [0, 1/2] cycles a pixel", "power": spectrum.power},
        "value": {"mapping": "percentile", "percentile": PERCENTILE, "of": "positive pixels of the zero-filled slice"},
        "family": asdict(family) | {"axis": "columns", "images": "real", "mirrored": True},
        "inputs": INPUTS,
        "training": training,
        "weights": {"sha256": digest, "dtype": "f16", "parameters": sum(t.numel() for t in tensors.values())},
    }
    text = json.dumps(card, indent=1)
    replace(folder / "manifest.json", lambda path: path.write_text(text))
    write_program_card(folder)


def read_conditional(folder: Path) -> tuple[Unet, Spectrum]:
    """The network of an exported bundle, and its spectrum."""
    card = json.loads((folder / "manifest.json").read_text())
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in card["architecture"].items()}
    network = Unet(UnetConfig(**sizes)).to(memory_format=torch.channels_last)
    network.load_state_dict({name: tensor.float() for name, tensor in weights_of(folder).items()})
    return network.eval().requires_grad_(False), Spectrum(tuple(card["spectrum"]["power"]))


if __name__ == "__main__":
    write_program_card(Path(sys.argv[1]))
