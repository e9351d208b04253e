"""A training on invented scans: the batch, a run, going on with it, and its bundle."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trainer import bundle, data, losses, masks, nifti, prior
from trainer.fourier import keep
from trainer.unet import Unet, UnetConfig

SIDE = 48
SIZE = UnetConfig(channels=(8, 16), blocks=(1, 1), middle=1, embedding=8, frequencies=4)


def write_nifti(path: Path, values: np.ndarray) -> None:
    header = bytearray(352)
    header[0:4] = (348).to_bytes(4, "little")
    header[40:56] = np.array([3, *values.shape, 1, 1, 1, 1], "<i2").tobytes()
    header[70:74] = np.array([4, 16], "<i2").tobytes()
    header[108:120] = np.array([352, 2, 0], "<f4").tobytes()
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + values.astype("<i2").tobytes(order="F"))


def discs(seed: int, planes: int = 3) -> np.ndarray:
    """Bright discs on air, `[i, j, k]`."""
    rng = np.random.default_rng(seed)
    i, j, k = np.ogrid[:SIDE, :SIDE, :planes]
    volume = np.zeros((SIDE, SIDE, planes))
    for _ in range(6):
        x, y, r = *rng.uniform(12, 36, 2), rng.uniform(3, 12)
        volume += rng.uniform(0.2, 1) * ((i - x) ** 2 + (j - y) ** 2 + 0 * k < r**2)
    return (300 * volume).astype(np.int16)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with scans, masks of a protocol, and a bundle to start from."""
    rows = ["file\tkind\tmodality\tsubject\tnotes"]
    for folder, kind in (("train", "train"), ("val", "val")):
        (tmp_path / "mri" / folder).mkdir(parents=True)
        for seed in range(3):
            name = f"mri/{folder}/{seed}_T{seed % 2 + 1}.nii"
            write_nifti(tmp_path / name, discs(seed + 10 * (kind == "val")))
            rows.append(f"{name}\t{kind}\tMR T{seed % 2 + 1}\tperson{seed}\t")
    (tmp_path / "MANIFEST.tsv").write_text("\n".join(rows) + "\n")
    np.savez(tmp_path / "masks.npz", **{f"{SIDE}_8": masks.equispaced(SIDE, 2, 8.0, 3)})
    torch.manual_seed(0)
    (tmp_path / "start").mkdir()
    save_file(Unet(SIZE).state_dict(), tmp_path / "start" / "weights.safetensors")
    sizes = "\n".join(f"{name} = {json.dumps(value)}" for name, value in SIZE.as_dict().items() if name != "inputs")
    (tmp_path / "start" / "manifest.toml").write_text(f"[architecture]\n{sizes}\n")
    return tmp_path


def test_files_are_read_as_written(place):
    assert np.array_equal(nifti.read(place / "mri/train/1_T2.nii"), 2.0 * discs(1))


def test_only_training_scans_are_read(place):
    volumes = data.read_folders(place, ["train", "val"])
    assert sorted(v.person for v in volumes) == ["person0", "person1", "person2"]
    assert {v.contrast for v in volumes} == {"T1", "T2"}
    upright = volumes[0].slices[0] / volumes[0].slices[0].max()
    assert np.allclose(upright, discs(0)[:, :, 0].T / discs(0)[:, :, 0].max())


@pytest.mark.parametrize("side", [None, 64, 32])
def test_strips_are_parts_of_slices_measured_as_a_whole(place, side):
    sampler = data.Sampler(data.read_folders(place, ["train"]))
    drawn = data.draw(sampler, masks.Family(), data.Extent(3, 16, side, side), np.random.default_rng(2))
    batch = losses.measure(drawn, torch.device("cpu"))
    for k, (image, mask) in enumerate(zip(drawn.images, drawn.masks)):
        a = keep(torch.from_numpy(image), torch.from_numpy(mask).float())
        unit = np.percentile(a[a > 0].numpy(), prior.PERCENTILE)
        part = slice(drawn.first[k], drawn.first[k] + 16)
        assert np.allclose(batch.clean[k, 0], image[part] / unit, atol=1e-4)
        assert np.allclose(batch.zero_filled[k, 0], a[part] / unit, atol=1e-4)
        assert np.isclose(batch.energy[k], ((image - a.numpy()) ** 2).mean() / unit**2, rtol=1e-3)
        back = keep(batch.start[k], torch.from_numpy(mask).float())
        assert (back - batch.zero_filled[k]).abs().max() < 1e-4


def test_noise_is_only_where_nothing_was_measured(place):
    sampler = data.Sampler(data.read_folders(place, ["train"]))
    drawn = data.draw(sampler, masks.Family(), data.Extent(2, None), np.random.default_rng(3))
    batch = losses.measure(drawn, torch.device("cpu"))
    rung = batch.noisy(np.array([0.5, 0.1]), prior.Spectrum((1.0, 1.0)), torch.Generator().manual_seed(1))
    noise = rung.z - batch.clean
    assert keep(noise, rung.measured[:, None, None]).abs().max() < 1e-5
    for k, level in enumerate((0.5, 0.1)):
        share = 1 - drawn.masks[k].mean()
        assert abs(float(noise[k].square().mean()) / (level**2 * share) - 1) < 0.15
        assert abs(float(rung.sigma[k]) / (level * share**0.5) - 1) < 1e-5


def train(place: Path, *options: str) -> list[dict]:
    folder = Path(__file__).parents[1]
    command = [sys.executable, "-m", folder.name, "--data", place, "--start", place / "start", "--state", place / "state"]
    command += ["--folders", "train", "--batch", "2", "--strip", "16", "--masks", place / "masks.npz"]
    command += ["--validation", place / "mri/val", "--scans", "", *options]
    subprocess.run(list(map(str, command)), cwd=folder.parent, check=True)
    return [json.loads(line) for line in (place / "state/log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_runs_goes_on_and_leaves_a_bundle(place, workers):
    options = ["--workers", workers, "--noisy", "0.3", "--sides", "48x48,32x32", "--precision", "bf16", "--log-every", "1"]
    first = train(place, *options, "--steps", "4")
    assert [line["step"] for line in first if "gradient" in line] == [1, 2, 3, 4]
    again = train(place, *options, "--steps", "6", "--resume")
    assert [line["step"] for line in again if "gradient" in line] == [1, 2, 3, 4, 5, 6]
    starts = [line["start"] for line in again if "start" in line]
    assert [s["step"] for s in starts] == [0, 4]
    assert any("validation" in line for line in again)
    network, spectrum = bundle.read_conditional(place / "state/bundle")
    state = torch.load(place / "state/state.pt", weights_only=True)
    for name, tensor in network.state_dict().items():
        assert torch.allclose(tensor, state["average"][name], atol=2e-3), name
    assert list(spectrum.power) == state["spectrum"]
