"""PyTorch in the comparison: channels-last tensors and oneDNN, eager or compiled.

    torch_peer.py [--compile] THREADS
"""
import sys

import numpy as np
import torch
from networks import read_unet, read_network
from safetensors.torch import load_file
from serve import serve

LEARNING_RATE, BETAS, LARGEST_NORM = 1e-4, (0.9, 0.99), 1.0
SIGMA_DATA = 0.3


class Forward:
    def __init__(self, name, source, data, compiled):
        inputs = load_file(data)
        self.x = inputs["x"].to(memory_format=torch.channels_last)
        self.condition = inputs["condition"]
        network = read_network(name, source, self.x.shape[-1]).eval().to(memory_format=torch.channels_last)
        self.network = torch.compile(network) if compiled else network
        self.result = None

    def run(self):
        with torch.inference_mode():
            self.result = self.network(self.x, self.condition)

    def output(self):
        return np.ascontiguousarray(self.result.numpy())


class Step:
    """What `recon train` does in a step: loss, gradients bounded in length, Adam, moving average."""

    def __init__(self, source, data, compiled):
        batch = load_file(data)
        self.clean, self.noise, self.sigmas = batch["clean"], batch["noise"], batch["sigmas"][:, None, None, None]
        network = read_unet(source).train().to(memory_format=torch.channels_last)
        self.parameters = list(network.parameters())
        self.network = torch.compile(network) if compiled else network
        self.adam = torch.optim.Adam(self.parameters, lr=LEARNING_RATE, betas=BETAS, eps=1e-8, foreach=True)
        self.average = [p.detach().clone() for p in self.parameters]
        self.losses = []

    def loss(self):
        noisy = (self.clean + self.sigmas * self.noise).to(memory_format=torch.channels_last)
        variance = self.sigmas**2 + SIGMA_DATA**2
        gain = self.sigmas * SIGMA_DATA / variance.sqrt()
        target = (self.clean - noisy * SIGMA_DATA**2 / variance) / gain
        found = self.network(noisy / variance.sqrt(), self.sigmas.flatten().log() / 4)
        return (found - target).square().mean()

    def run(self):
        loss = self.loss()
        self.losses.append(loss.item())
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, LARGEST_NORM, foreach=True)
        self.adam.step()
        steps = len(self.losses)
        decay = min(0.9995, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    def output(self):
        return np.array(self.losses, dtype=np.float32)


def main():
    torch.set_num_threads(int(sys.argv[-1]))
    compiled = "--compile" in sys.argv

    def prepare(words):
        if words[0] == "forward":
            return Forward(*words[1:], compiled)
        return Step(*words[1:], compiled)

    serve(prepare)


if __name__ == "__main__":
    main()
