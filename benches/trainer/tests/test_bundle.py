"""What is exported is read by both: by the trainer, and by the program as TOML."""
import json
import tomllib

import torch

from trainer import prior
from trainer.bundle import export, read_conditional, write_program_card
from trainer.masks import Family
from trainer.unet import Unet, UnetConfig

SMALL = UnetConfig(channels=(8, 16), blocks=(1, 1), middle=1, embedding=8, frequencies=4, inputs=prior.INPUTS)


def test_the_card_of_the_program_says_what_the_trainer_does(tmp_path):
    spectrum = prior.Spectrum((2.0, 1.0, 0.5))
    start = tmp_path / "start"
    start.mkdir()
    text = '[[training.data]]\ncollection = "A \\"b\\""\nlicence = "CC0-1.0"\n'
    (start / "manifest.toml").write_text("[training]\n" + text)
    network = Unet(SMALL)
    export(tmp_path / "bundle", network, spectrum, Family(), {"step": 3, "seconds": 4.5, "options": {"start": str(start)}})
    card = tomllib.loads((tmp_path / "bundle/manifest.toml").read_text())
    ours = json.loads((tmp_path / "bundle/manifest.json").read_text())
    assert card["architecture"] == {"kind": "film-unet"} | ours["architecture"]
    assert card["weights"] == ours["weights"]
    assert card["family"]["accelerations"] == [2.0, 24.0] and card["family"]["spectrum"] == [2.0, 1.0, 0.5]
    assert card["family"]["start"] == {"iterations": 60, "step": 0.1}
    assert card["training"]["data"] == [{"collection": 'A "b"', "licence": "CC0-1.0"}]
    before = (tmp_path / "bundle/manifest.toml").read_text()
    write_program_card(tmp_path / "bundle")
    assert (tmp_path / "bundle/manifest.toml").read_text() == before
    read, known = read_conditional(tmp_path / "bundle")
    assert known == spectrum
    assert all(torch.equal(a, b.half().float()) for a, b in zip(read.state_dict().values(), network.state_dict().values()))
