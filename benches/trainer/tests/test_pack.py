import numpy as np
import pytest

pytest.importorskip("PIL")

from trainer.data import Volume  # noqa: E402
from trainer.pack import TOP, read, write  # noqa: E402


def test_packed_scans_come_back_with_their_people_and_the_precision_of_eight_bits(tmp_path):
    rng = np.random.default_rng(0)
    slices = [rng.uniform(0, 3, shape).astype(np.float32) for shape in ((20, 31), (24, 31), (18, 16))]
    write([Volume("a", "T1", tuple(slices)), Volume("b", "T2", (slices[2],))], tmp_path)
    found = read(tmp_path)
    assert [(v.person, v.contrast, len(v.slices)) for v in found] == [("a", "T1", 1), ("a", "T1", 2), ("b", "T2", 1)]
    for kept, image in zip([s for v in found for s in v.slices], [slices[2], *slices[:2], slices[2]]):
        assert kept.shape == image.shape
        assert (np.abs(np.sqrt(kept) - np.sqrt(image)) <= 0.5001 * TOP**0.5 / 255).all()
