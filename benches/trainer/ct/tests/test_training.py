"""The network's channels, the store, a run, going on with it, and its bundle."""
import contextlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trainer.ct.bundle import export, read_conditional, write_program_card
from trainer.ct.ladder import climb, measure, psnr
from trainer.ct.losses import Batch, Ratios, Shares, backward_losses
from trainer.ct.physics import Scanner
from trainer.ct.prior import INPUTS, SIGMA_DATA, Levels, Table, denoise
from trainer.ct.store import Packed, Store, decode, encode
from trainer.ct.variation import Variation
from trainer.unet import Unet, UnetConfig

SIZES = {"channels": (8, 16), "blocks": (1, 1), "middle": 1, "embedding": 8, "frequencies": 4}
SMALL = UnetConfig(**SIZES, inputs=INPUTS)
PLAIN = contextlib.nullcontext()


def blobs(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Smooth positive images."""
    noise = torch.rand(count, 1, side // 8, side // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic").clamp_min(0)


def test_without_weights_for_the_new_channels_it_is_the_denoiser_of_white_noise():
    torch.manual_seed(0)
    plain = Unet(UnetConfig(**SIZES))
    network = Unet(SMALL)
    network.start_from(plain.state_dict())
    z, a, sigma = blobs(2, 32), blobs(2, 32, 1), torch.tensor(0.07)
    found = denoise(network, z, a, 10, 2, sigma, 2, PLAIN)
    scale = 1 / (sigma**2 + SIGMA_DATA**2).sqrt()
    raw = plain(z * scale, (sigma.log() / 4).expand(2))
    expected = (SIGMA_DATA * scale) ** 2 * z + sigma * SIGMA_DATA * scale * raw
    assert torch.allclose(found, expected, atol=1e-6)
    turned = denoise(network, z.flip(-1), a.flip(-1), 10, 2, sigma, 2, PLAIN, (-1,)).flip(-1)
    assert torch.allclose(turned, found, atol=1e-5)


def test_a_network_that_changes_nothing_only_fits_the_start():
    network = Unet(SMALL)
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
    levels = Table({"48": {"10": [1e-3] * 4}})
    measured = measure(Scanner(48, 10), blobs(2, 48))
    images = climb(network.eval(), measured, levels, 3)
    expected = measured.start
    for image in images:
        # `s²/(σ_e² + s²)` is nearly 1.
        expected = measured.fit(expected)
        assert (image - expected).abs().max() < 1e-4


def test_levels_follow_what_they_see():
    levels = Levels((10, 20), (32,), torch.device("cpu"))
    for _ in range(3):
        levels.see(32, 10, 0, torch.tensor([0.01, 0.01]))
    assert abs(float(levels.sigma(32, 10, 0)) - 0.1) < 1e-5
    assert list(levels.table()["32"]) == ["10"]
    table = Table({"32": {"10": [0.1] * 4, "40": [0.025, 0.02, 0.01, 0.004]}})
    assert abs(float(table.sigma(30, 20, 0)) - 0.05) < 1e-6
    assert abs(float(table.sigma(512, 90, 7)) - 0.004) < 1e-6
    assert abs(float(table.sigma(512, 5, 1)) - 0.1) < 1e-6


def test_psnr_takes_negative_values_for_air():
    clean = torch.zeros(1, 1, 4, 4)
    clean[..., 0, 0] = 2
    image = clean.clone()
    image[..., 1, 1], image[..., 2, 2] = -7, 0.8
    assert abs(float(psnr(clean, image)) - 10 * np.log10(4 / (0.64 / 16))) < 1e-5


def test_packed_slices_come_back(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1025, (5, 16, 16)).astype(np.uint16)
    assert (decode(encode(values), values.shape) == values).all()
    big = np.array([[[0, 4095], [4095, 0]]], dtype=np.uint16)
    assert (decode(encode(big), big.shape) == big).all()
    Packed(values, list("aabbc"), list("12345")).write(tmp_path / "x.bin")
    back = Packed.read(tmp_path / "x.bin", 2)
    assert (back.values == values).all() and back.people == list("aabbc")


def store_of(count: int = 6, side: int = 32) -> Packed:
    hu = blobs(count, side)[:, 0].numpy() * 1500 - 900
    return Packed(np.rint((hu + 1024) / 4).astype(np.uint16), [f"p{k // 2}" for k in range(count)], ["s"] * count)


def test_drawn_slices_are_in_model_units():
    store = Store(store_of(), torch.device("cpu"), 32)
    drawn = store.draw(64, np.random.default_rng(0))
    assert drawn.shape == (64, 1, 32, 32) and drawn.min() >= 0
    assert 0.1 < float(drawn.mean()) < 0.8
    assert Store(store_of(), torch.device("cpu"), 16).draw(3, np.random.default_rng(0)).shape[-1] == 16


@pytest.mark.parametrize("unrolled, further", [(1.0, (1.0,)), (0.0, (0.0, 1.0)), (0.0, (0.0, 0.0, 0.0, 1.0))])
def test_losses_reach_every_weight(unrolled, further):
    torch.manual_seed(0)
    network, average = Unet(SMALL), Unet(SMALL).requires_grad_(False)
    levels = Levels((10,), (32,), torch.device("cpu"))
    clean = blobs(2, 32)
    batch = Batch.of(clean, measure(Scanner(32, 10), clean))
    shares, rng = Shares(further=further, unrolled=unrolled), np.random.default_rng(0)
    found = backward_losses(network, average, batch, levels, Ratios(levels), shares, rng, PLAIN, 2)
    assert all(np.isfinite(float(v)) for v in found.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_one_compiled_form_serves_all_calls():
    torch.manual_seed(0)
    torch._dynamo.reset()
    from torch._dynamo.testing import CompileCounterWithBackend

    counter = CompileCounterWithBackend("aot_eager")
    network, average = Unet(SMALL), Unet(SMALL).eval().requires_grad_(False)
    fast = [torch.compile(model, dynamic=False, backend=counter) for model in (network, average)]
    levels = Levels((8, 10), (32,), torch.device("cpu"))
    clean, rng = blobs(2, 32), np.random.default_rng(0)
    ratios = Ratios(levels)
    for views in (8, 10):
        batch = Batch.of(clean, measure(Scanner(32, views), clean))
        for unrolled, further in ((1.0, (1.0,)), (0.0, (1.0,)), (0.0, (0.0, 0.0, 1.0))):
            shares = Shares(further=further, unrolled=unrolled)
            backward_losses(*fast, batch, levels, ratios, shares, rng, PLAIN, 2)
    assert counter.frame_count == 2


def test_a_run_goes_on_and_ends_in_a_bundle(tmp_path):
    start = tmp_path / "start"
    start.mkdir()
    torch.manual_seed(0)
    weights = Unet(UnetConfig(**SIZES)).state_dict()
    save_file({name: t.half().contiguous() for name, t in weights.items()}, start / "weights.safetensors")
    card = "\n".join(f"{k} = {list(v) if isinstance(v, tuple) else v}" for k, v in SIZES.items())
    (start / "manifest.toml").write_text("[architecture]\n" + card)
    store_of(6, 256).write(tmp_path / "train_256.bin")
    Packed(store_of(2, 256).values * 4, ["v", "w"], ["v", "w"], 1).write(tmp_path / "val.bin")
    command = [sys.executable, "-W", "ignore", "-m", "trainer.ct", "--data", tmp_path, "--start", start]
    command += ["--state", tmp_path / "state", "--output", tmp_path / "out", "--side", "64", "--views", "10:1"]
    command += ["--validate", "10", "--calls", "2", "--precision", "bf16", "--log-every", "1", "--resume"]
    for steps in (2, 4):
        subprocess.run([str(c) for c in command] + ["--steps", str(steps)], check=True, cwd=Path(__file__).parents[3])
    lines = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "step" in line] == [1, 2, 3, 4]
    assert len([line for line in lines if "psnr" in line]) == 4
    network, levels = read_conditional(tmp_path / "out/bundle")
    assert list(levels.sigmas["64"]) == ["10"] and len(levels.sigmas["64"]["10"]) == 4
    measured = measure(Scanner(64, 10), blobs(1, 64))
    assert climb(network, measured, levels, 2)[-1].isfinite().all()


def test_the_card_of_the_program_says_what_the_trainer_does(tmp_path):
    levels = Levels((10, 20), (32, 64), torch.device("cpu"))
    for views in levels.views:
        levels.see(32, views, 0, torch.tensor([0.4 / views]))
    start = tmp_path / "start"
    start.mkdir()
    (start / "manifest.toml").write_text('[training]\n[[training.data]]\ncollection = "A"\nlicence = "CC0-1.0"\n')
    bundle, other = tmp_path / "bundle", tmp_path / "other"
    export(bundle, Unet(SMALL), levels, Variation(), {"step": 3, "seconds": 4.5, "options": {"start": str(start)}})
    card = tomllib.loads((bundle / "manifest.toml").read_text())
    ours = json.loads((bundle / "manifest.json").read_text())
    assert card["architecture"] == {"kind": "film-unet"} | ours["architecture"]
    assert card["weights"] == ours["weights"] and card["value"] == ours["value"]
    assert card["family"]["views"] == [10, 20] and card["family"]["fit"] == {"weight": 5000.0, "iterations": 8}
    (known,) = card["family"]["levels"]
    assert known == {"side": 32, "views": [10, 20], "sigma": list(ours["sigma_e"]["32"].values())}
    assert card["training"]["data"][0] == {"collection": "A", "licence": "CC0-1.0"} and len(card["training"]["data"]) == 5
    write_program_card(bundle, other)
    for name in ("manifest.toml", "weights.safetensors"):
        assert (other / name).read_bytes() == (bundle / name).read_bytes()
