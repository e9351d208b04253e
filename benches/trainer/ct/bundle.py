"""The card of a conditional CT prior beside its weights.

    python -m trainer.ct.bundle FOLDER [-o OTHER]

writes `manifest.toml`, the card that the program reads, of the trainer's own `manifest.json` in a folder; with `-o`
into another one, beside a copy of the weights.
"""
import argparse
import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..bundle import LARGEST_SIGMA, collections_of, replace, toml_table, weights_of
from ..unet import Unet, UnetConfig
from .prior import CALLS, CENTRE_VIEWS, INPUTS, ITERATIONS, LEAST_SIGMA, SIGMA_DATA, WEIGHT, Levels, Table
from .variation import Variation

ROOT = Path(__file__).resolve().parents[3]
# Dual steps of a proximal map, which the program does not read from a card.
PROX_STEPS = 10
# Of `train2_256` and `train2_512`; the other folders hold what the first weights were trained on.
FURTHER = (
    {"collection": "TCIA Colorectal-Liver-Metastases", "licence": "CC BY 4.0"},
    {"collection": "TCIA Lung-PET-CT-Dx", "licence": "CC BY 4.0"},
    {"collection": "TCIA C4KC-KiTS", "licence": "CC BY 3.0"},
    {"collection": "test scan of lungmask", "licence": "Apache-2.0"},
)


def training_data(options: dict) -> list[dict]:
    """All images that the weights have seen, those of the first weights included, which are in a folder below the working
    folder or the repository. None for a network that was not trained."""
    start = options.get("start", "")
    if not start:
        return []
    return [*(collections_of(start) or collections_of(str(ROOT / start))), *FURTHER]


def level_tables(sigmas: dict[str, dict[str, list[float]]]) -> list[str]:
    """`σ_e` of each side."""
    tables = []
    for side, known in sorted(sigmas.items(), key=lambda item: int(item[0])):
        views = sorted(known, key=int)
        values = {"side": int(side), "views": [int(n) for n in views], "sigma": [known[n] for n in views]}
        tables.append(toml_table("[[family.levels]]", values))
    return tables


def program_card(card: dict, name: str = "ct/conditional", version: str = "1") -> str:
    """`manifest.toml`, the card that the program reads, of the trainer's own."""
    training, start = card["training"], card["start"]["fista_tv"]
    options, (least, most) = training.get("options", {}), card["family"]["views"]
    how = [f"{key} {options[key]}" for key in ("optimiser", "rate", "batch", "precision") if key in options]
    if start["prox_steps"] != PROX_STEPS:
        raise ValueError(f"the program takes {PROX_STEPS} dual steps of a proximal map, not {start['prox_steps']}")
    top = {
        "name": name,
        "version": version,
        "modality": card["modality"],
        "summary": f"CT slices of the trunk that are told which views were measured, {least} to {most} without noise",
        "sigma_data": card["sigma_data"],
        "sigma_min": card["least_sigma"],
        "sigma_max": LARGEST_SIGMA,
    }
    ours = {
        "kind": "parallel-views",
        "views": [least, most],
        "angles": "half-turn",
        "bins": "pixel",
        "noise": "none",
    }
    told = {
        "steps": training.get("step", 0),
        "seconds": int(training.get("seconds", 0)),
        "objective": "squared error after the fit by that of the start, at the first call and on own estimates",
        "how": ", ".join(["PyTorch, benches/trainer/ct", *how, "averaged weights"]),
    }
    fit = {"weight": card["fit"]["weight"], "iterations": card["fit"]["iterations"]}
    tables = [
        toml_table("", top),
        toml_table("[architecture]", {"kind": "film-unet"} | card["architecture"]),
        toml_table("[value]", card["value"]),
        toml_table("[family]", ours),
        toml_table("[family.start]", {"weight": start["weight"], "iterations": start["iterations"]}),
        toml_table("[family.fit]", fit),
        *level_tables(card["sigma_e"]),
        toml_table("[training]", told),
        *(toml_table("[[training.data]]", entry) for entry in training_data(options)),
        toml_table("[weights]", card["weights"]),
    ]
    return "\n".join(tables)


def write_program_card(folder: Path, other: Path | None = None) -> None:
    """`manifest.toml` beside `manifest.json`, or in another folder beside a copy of the weights."""
    text = program_card(json.loads((folder / "manifest.json").read_text()))
    if other:
        other.mkdir(parents=True, exist_ok=True)
        replace(other / "weights.safetensors", lambda path: shutil.copyfile(folder / "weights.safetensors", path))
    replace((other or folder) / "manifest.toml", lambda path: path.write_text(text))


def halves(network: Unet) -> dict[str, torch.Tensor]:
    """The weights in half precision."""
    return {name: t.detach().cpu().half().contiguous() for name, t in network.state_dict().items()}


def export(folder: Path, network: Unet, levels: Levels, variation: Variation, training: dict) -> None:
    """`weights.safetensors` in half precision, `manifest.json`, and `manifest.toml` for the program."""
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
    write_program_card(folder)


def read_conditional(folder: Path) -> tuple[Unet, Table]:
    """The network of an exported bundle, and its levels."""
    card = json.loads((folder / "manifest.json").read_text())
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in card["architecture"].items()}
    network = Unet(UnetConfig(**sizes)).to(memory_format=torch.channels_last)
    network.load_state_dict({name: tensor.float() for name, tensor in weights_of(folder).items()})
    return network.eval().requires_grad_(False), Table(card["sigma_e"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="trainer.ct.bundle", description="Writes the card that the program reads.")
    parser.add_argument("folder", type=Path, help="a bundle of the trainer")
    parser.add_argument("-o", "--output", type=Path, help="another folder, for the card and a copy of the weights")
    args = parser.parse_args()
    write_program_card(args.folder, args.output)
