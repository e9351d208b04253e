"""The networks of the comparison, with their weights."""
import math
import pathlib
import tomllib

import torch
from ncsnpp import SCALES, SIGMA_MAX, SIGMA_MIN, Ncsnpp, medical
from safetensors.torch import load_file
from unet import Unet

SEED = 20


def read_unet(bundle):
    bundle = pathlib.Path(bundle)
    config = tomllib.loads((bundle / "manifest.toml").read_text())["architecture"]
    network = Unet(**{key: config[key] for key in ("channels", "blocks", "middle", "embedding", "frequencies")})
    network.load_state_dict({name: w.float() for name, w in load_file(bundle / "weights.safetensors").items()})
    return network


def read_network(name, source, size):
    if name == "unet":
        return read_unet(source)
    network = Ncsnpp(medical(size))
    weights = load_file(pathlib.Path(source) / "weights.safetensors")
    del weights["sigmas"]
    network.load_state_dict(weights)
    return network


def random_ncsnpp():
    """Seeded weights of the usual sizes; the published initialisation would leave most of the network at zero."""
    generator = torch.Generator().manual_seed(SEED)
    # Checkpoints carry their noise levels, largest first, though this network does not use them.
    exponents = torch.linspace(math.log(SIGMA_MAX), math.log(SIGMA_MIN), SCALES)
    weights = {"sigmas": exponents.exp()}
    for name, old in Ncsnpp(medical(320)).state_dict().items():
        noise = torch.randn(old.shape, generator=generator)
        if name == "all_modules.0.W":
            weights[name] = 16 * noise
        elif old.dim() == 1:
            weights[name] = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
        else:
            # NIN matrices are stored as [in, out], all others as [out, in, …].
            inputs = old.shape[0] if name.endswith(".W") else old[0].numel()
            weights[name] = noise / inputs**0.5
    return weights
