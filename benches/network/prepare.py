"""Writes what all programs are given: weights, inputs, ONNX graphs; and what the table says of the networks.

    prepare.py FOLDER BUNDLE NETWORK-SIZE... STEP...      e.g. unet-256 ncsnpp-320 step-4x128
"""
import json
import logging
import pathlib
import sys
import warnings

import torch
from ncsnpp import describe, medical
from networks import SEED, random_ncsnpp, read_network, read_unet
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode
from unet import live_floats

# onnxruntime runs group normalisation faster as what opset 18 makes of it than as the operator of opset 21.
OPSET = 18


def inputs(name, size):
    generator = torch.Generator().manual_seed(SEED + size)
    x = torch.rand((1, 1, size, size), generator=generator)
    # The U-Net is conditioned on ln σ / 4, NCSN++ on σ.
    return {"x": x, "condition": torch.tensor([-0.5 if name == "unet" else 0.7])}


def batch(count, size):
    generator = torch.Generator().manual_seed(SEED + size)
    shape = (count, 1, size, size)
    return {
        "clean": torch.rand(shape, generator=generator),
        "noise": torch.randn(shape, generator=generator),
        "sigmas": 0.1 * torch.exp(1.4 * torch.randn(count, generator=generator)),
    }


def count_flops(call):
    """Two for each multiply-add of the direct convolution, as everybody counts."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def prepare_forward(folder, job, bundle):
    name, size = job.split("-")
    data = inputs(name, int(size))
    save_file(data, folder / f"{job}.safetensors")
    source = bundle if name == "unet" else folder / name
    network = read_network(name, source, int(size)).eval()
    arguments = (data["x"], data["condition"])
    graph = folder / f"{job}.onnx"
    if not graph.exists() or graph.stat().st_mtime < (source / "weights.safetensors").stat().st_mtime:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = {"input_names": ["x", "condition"], "output_names": ["output"]}
            torch.onnx.export(network, arguments, graph, opset_version=OPSET, dynamo=True, verbose=False,
                              external_data=False, **names)
    with torch.inference_mode():
        facts = {"gflop": count_flops(lambda: network(*arguments)) / 1e9}
    facts["parameters"] = sum(p.numel() for p in network.parameters())
    if name == "unet":
        channels = [blocks[0].conv2.out_channels for blocks in network.down]
        blocks = [len(blocks) for blocks in network.down]
        facts["live_mib"] = live_floats(channels, blocks, len(network.mid), int(size)) * 4 / 2**20
    return facts


def prepare_step(folder, job, bundle):
    count, size = map(int, job.split("-")[1].split("x"))
    data = batch(count, size)
    save_file(data, folder / f"{job}.safetensors")
    network = read_unet(bundle)
    flops = count_flops(lambda: network(data["clean"], data["sigmas"]).sum().backward())
    return {"gflop": flops / 1e9}


def write_ncsnpp(folder):
    folder.mkdir(exist_ok=True)
    weights = folder / "weights.safetensors"
    if not weights.exists():
        save_file(random_ncsnpp(), weights)
    for size in (256, 320, 512):
        (folder / f"arch-{size}.toml").write_text(describe(medical(size)))


def main():
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    folder, bundle = map(pathlib.Path, sys.argv[1:3])
    folder.mkdir(parents=True, exist_ok=True)
    write_ncsnpp(folder / "ncsnpp")
    facts = {}
    for job in sys.argv[3:]:
        print(f"prepare {job}", file=sys.stderr)
        prepare = prepare_step if job.startswith("step") else prepare_forward
        facts[job] = prepare(folder, job, bundle)
    (folder / "facts.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
