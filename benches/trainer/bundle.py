"""Weights in the names of the program's bundles, and the card of a conditional prior."""
import hashlib
import json
import os
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


def export(folder: Path, network: Unet, spectrum: Spectrum, family: Family, training: dict) -> None:
    """`weights.safetensors` in half precision and `manifest.json`."""
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


def read_conditional(folder: Path) -> tuple[Unet, Spectrum]:
    """The network of an exported bundle, and its spectrum."""
    card = json.loads((folder / "manifest.json").read_text())
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in card["architecture"].items()}
    network = Unet(UnetConfig(**sizes)).to(memory_format=torch.channels_last)
    network.load_state_dict({name: tensor.float() for name, tensor in weights_of(folder).items()})
    return network.eval().requires_grad_(False), Spectrum(tuple(card["spectrum"]["power"]))
