"""A reader of single-file NIfTI-1, so that the training needs no package for it."""
import gzip
from pathlib import Path

import numpy as np

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}


def read(path: Path) -> np.ndarray:
    """The values `[i, j, k]` of the first volume, with slope and intercept applied."""
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    order = "<" if int.from_bytes(data[:4], "little") == 348 else ">"
    if data[344:347] != b"n+1" or np.frombuffer(data, order + "i4", 1)[0] != 348:
        raise ValueError(f"{path} is no single-file NIfTI-1")
    dims = np.frombuffer(data, order + "i2", 8, 40)
    code = int(np.frombuffer(data, order + "i2", 1, 70)[0])
    offset, slope, intercept = np.frombuffer(data, order + "f4", 3, 108)
    if code not in TYPES:
        raise ValueError(f"{path} has values of type {code}")
    shape = tuple(int(n) for n in dims[1:4])
    values = np.frombuffer(data, order + TYPES[code], int(np.prod(shape)), int(offset))
    values = values.reshape(shape, order="F").astype(np.float32)
    scaled = np.isfinite(slope) and slope != 0 and (slope, intercept) != (1, 0)
    return values * slope + intercept if scaled else values
