"""The card of a conditional CT prior beside its weights."""
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..bundle import replace, weights_of
from ..unet import Unet, UnetConfig
from .prior import CALLS, CENTRE_VIEWS, INPUTS, ITERATIONS, LEAST_SIGMA, SIGMA_DATA, WEIGHT, Levels, Table
from .variation import Variation


def halves(network: Unet) -> dict[str, torch.Tensor]:
    """The weights in half precision."""
    return {name: t.detach().cpu().half().contiguous() for name, t in network.state_dict().items()}


def export(folder: Path, network: Unet, levels: Levels, variation: Variation, training: dict) -> None:
    """`weights.safetensors` in half precision and `manifest.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = halves(network)
    replace(folder / "weights.safetensors", lambda path: save_file(tensors, path))
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    scale = "sqrt(sigma_e^2 + sigma_data^2)"
    card = {
        "kind": "conditional-film-unet",
        "modality": "ct",
        "architecture": network.config.as_dict(),
        "inputs": INPUTS,
        "channels": [
            f"estimate / {scale}",
            f"filtered back-projection / {scale}",
            f"log2(views / {CENTRE_VIEWS}) / 4",
            f"min(call, {CALLS - 1}) / {CALLS - 1}",
        ],
        "condition": "ln(sigma_e) / 4",
        "sigma_data": SIGMA_DATA,
        "least_sigma": LEAST_SIGMA,
        "sigma_e": levels.table(),
        "start": {"fista_tv": asdict(variation) | {"nonnegative": True}, "then": "fit"},
        "fit": {"weight": WEIGHT, "iterations": ITERATIONS, "of": "argmin |z - x|^2 + weight/|A|^2 |A z - y|^2, from x"},
        "value": {"mapping": "hounsfield", "offset_hu": 1000.0, "scale_hu": 2000.0, "unit_attenuation": 0.0384},
        "family": {
            "beam": "parallel",
            "views": [min(levels.views), max(levels.views)],
            "angles": "equally spaced over half a turn",
            "bins": "as wide as a pixel, over the diagonal",
            "noise": 0,
        },
        "training": training,
        "weights": {"sha256": digest, "dtype": "f16", "parameters": sum(t.numel() for t in tensors.values())},
    }
    text = json.dumps(card, indent=1)
    replace(folder / "manifest.json", lambda path: path.write_text(text))


def read_conditional(folder: Path) -> tuple[Unet, Table]:
    """The network of an exported bundle, and its levels."""
    card = json.loads((folder / "manifest.json").read_text())
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in card["architecture"].items()}
    network = Unet(UnetConfig(**sizes)).to(memory_format=torch.channels_last)
    network.load_state_dict({name: tensor.float() for name, tensor in weights_of(folder).items()})
    return network.eval().requires_grad_(False), Table(card["sigma_e"])
