"""The strip integrals of parallel beams and filtered back-projection, as sparse matrices on a device.

As in `operators/src/ct/radon`, in units of a pixel: pixel `(i, j)` is at `x = j − (side−1)/2`, `y = (side−1)/2 − i`,
the ray of angle θ and offset s is `x cos θ + y sin θ = s`, and bin k has its centre at `s = k − (bins−1)/2`.

Images are columns here, `[pixels, batch]`, and so are sinograms, `[views · bins, batch]`.
"""
import math

import numpy as np
import torch

NORM_STEPS = 20
CG_TOLERANCE = 1e-6


def columns(images: torch.Tensor) -> torch.Tensor:
    """`[batch, 1, row, col]` as `[pixels, batch]`."""
    return images.flatten(1).t().contiguous()


def images_of(found: torch.Tensor, side: int) -> torch.Tensor:
    """`[pixels, batch]` as `[batch, 1, row, col]`."""
    return found.t().reshape(-1, 1, side, side).contiguous()


def cumulative(s: torch.Tensor, wide: float, narrow: float) -> torch.Tensor:
    """The share of a unit square that is seen before s, from its centre, under an angle.

    `wide ≥ narrow` are half the sines of the angle, so the shadow is a trapezoid: a box of width `2 wide` smeared by
    `2 narrow`.
    """
    if narrow < 1e-9:
        return (s / (2 * wide) + 0.5).clamp(0, 1)

    def twice(t: torch.Tensor) -> torch.Tensor:
        return 0.5 * t.clamp_min(0).square()

    corners = ((wide + narrow, 1), (wide - narrow, -1), (narrow - wide, -1), (-wide - narrow, 1))
    return sum(sign * twice(s + at) for at, sign in corners) / (4 * wide * narrow)


def csr(crow: torch.Tensor, col: torch.Tensor, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A matrix in single precision with 32-bit indices."""
    return torch.sparse_csr_tensor(crow.int(), col.int(), values.float(), size=size, check_invariants=False)


def by_rows(row: torch.Tensor, col: torch.Tensor, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A matrix of entries in any order."""
    order = (row * size[1] + col).argsort()
    counts = torch.bincount(row, minlength=size[0])
    crow = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return csr(crow, col[order], values[order], size)


class Scanner:
    """`views` equally spaced parallel views of a square image, and the inverse by the ramp filter."""

    def __init__(self, side: int, views: int, device: torch.device | str = "cpu"):
        self.side, self.views, self.device = side, views, torch.device(device)
        self.bins = math.ceil(math.hypot(side, side))
        angles = np.arange(views) * math.pi / views
        pixels, rays = side * side, views * self.bins
        forward, inverse = self.entries(angles)
        self.forward_matrix = by_rows(*forward, (rays, pixels))
        self.adjoint_matrix = by_rows(forward[1], forward[0], forward[2], (pixels, rays))
        self.inverse_matrix = by_rows(*inverse, (pixels, rays))
        self.response = self.ramp()
        self.norm = self.largest()

    def entries(self, angles: np.ndarray):
        """Row, column and value of the strip integrals and of the linear interpolation of back-projection."""
        grid = torch.arange(self.side, device=self.device, dtype=torch.float64) - (self.side - 1) / 2
        pixel = torch.arange(self.side**2, device=self.device)
        found, smeared = [], []
        for view, angle in enumerate(angles):
            cos, sin = math.cos(angle), math.sin(angle)
            s = (grid[None, :] * cos - grid[:, None] * sin).flatten() + (self.bins - 1) / 2
            wide, narrow = max(abs(cos), abs(sin)) / 2, min(abs(cos), abs(sin)) / 2
            first = (s - wide - narrow + 0.5).floor()
            before = cumulative(first - 0.5 - s, wide, narrow)
            for n in range(3):
                after = cumulative(first + n + 0.5 - s, wide, narrow)
                share, bin_ = after - before, first.long() + n
                seen = (share > 1e-9) & (bin_ >= 0) & (bin_ < self.bins)
                found.append((view * self.bins + bin_[seen], pixel[seen], share[seen].float()))
                before = after
            below = s.floor()
            for bin_, share in ((below.long(), 1 - (s - below)), (below.long() + 1, s - below)):
                seen = (share > 0) & (bin_ >= 0) & (bin_ < self.bins)
                smeared.append((pixel[seen], view * self.bins + bin_[seen], share[seen].float()))
        return [torch.cat(parts) for parts in zip(*found)], [torch.cat(parts) for parts in zip(*smeared)]

    def ramp(self) -> torch.Tensor:
        """The response of the band-limited ramp (Kak and Slaney, eq. 3.61), weight of a view included."""
        length = max(64, 2 ** math.ceil(math.log2(2 * self.bins)))
        n = np.minimum(np.arange(length), length - np.arange(length))
        taps = np.where(n % 2 == 1, -1 / (math.pi * np.maximum(n, 1)) ** 2, 0.0)
        taps[0] = 0.25
        response = np.fft.rfft(taps).real * math.pi / self.views
        return torch.from_numpy(response.astype(np.float32)).to(self.device)

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """`A x`"""
        return torch.sparse.mm(self.forward_matrix, x)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """`Aᵀ y`"""
        return torch.sparse.mm(self.adjoint_matrix, y)

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        """`AᵀA x`"""
        return self.adjoint(self.project(x))

    def inverse(self, y: torch.Tensor) -> torch.Tensor:
        """Filtered back-projection."""
        length = 2 * (len(self.response) - 1)
        rows = y.reshape(self.views, self.bins, -1)
        spectrum = torch.fft.rfft(rows, n=length, dim=1) * self.response[None, :, None]
        filtered = torch.fft.irfft(spectrum, n=length, dim=1)[:, : self.bins]
        return torch.sparse.mm(self.inverse_matrix, filtered.reshape(y.shape).contiguous())

    def largest(self) -> float:
        """`‖A‖` by the power method."""
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(self.side**2, 1, generator=generator).to(self.device)
        value = 0.0
        for _ in range(NORM_STEPS):
            x = x / x.norm()
            after = self.normal(x)
            value, x = (x * after).sum(), after
        return math.sqrt(float(value))

    def asymmetry(self) -> float:
        """`|⟨A x, y⟩ − ⟨x, Aᵀy⟩|` by the sizes of both, for random x and y."""
        generator = torch.Generator().manual_seed(1)
        x = torch.rand(self.side**2, 2, generator=generator).to(self.device)
        y = torch.rand(self.views * self.bins, 2, generator=generator).to(self.device)
        left, right = (self.project(x) * y).sum(dim=0), (x * self.adjoint(y)).sum(dim=0)
        return float(((left - right).abs() / left.abs()).max())


def conjugate_gradient(apply, right: torch.Tensor, iterations: int) -> torch.Tensor:
    """`M⁻¹ b` of every column, from 0; as `conjugate_gradient` of `src/score/measure/measured.rs`."""
    x, residual, direction = torch.zeros_like(right), right, right
    rho = residual.square().sum(dim=0)
    end = rho * CG_TOLERANCE**2
    for _ in range(iterations):
        product = apply(direction)
        curvature = (direction * product).sum(dim=0)
        goes_on = (curvature > 0) & (rho > end)
        alpha = torch.where(goes_on, rho / curvature.clamp_min(1e-30), torch.zeros_like(rho))
        x = x + alpha * direction
        residual = residual - alpha * product
        after = residual.square().sum(dim=0)
        beta = torch.where(rho > 0, after / rho.clamp_min(1e-30), torch.zeros_like(rho))
        direction = residual + beta * direction
        rho = after
    return x


def fit_columns(scanner: Scanner, x: torch.Tensor, y: torch.Tensor | None, weight: float, iterations: int):
    """`argmin_z ‖z − x‖² + weight/‖A‖² ‖A z − y‖²` from x; no y is 0."""
    share = weight / scanner.norm**2
    misfit = -scanner.project(x) if y is None else y - scanner.project(x)
    right = share * scanner.adjoint(misfit)
    return x + conjugate_gradient(lambda d: share * scanner.normal(d) + d, right, iterations)


class Fit(torch.autograd.Function):
    """[`fit_columns`] of images; its derivative by x is symmetric, `(1 + weight/‖A‖² AᵀA)⁻¹`."""

    @staticmethod
    def forward(ctx, images, y, scanner, weight, iterations):
        ctx.how = scanner, weight, iterations
        return images_of(fit_columns(scanner, columns(images.float()), y, weight, iterations), scanner.side)

    @staticmethod
    def backward(ctx, gradient):
        scanner, weight, iterations = ctx.how
        found = fit_columns(scanner, columns(gradient.float()), None, weight, iterations)
        return images_of(found, scanner.side), None, None, None, None


def fit(images: torch.Tensor, y: torch.Tensor, scanner: Scanner, weight: float, iterations: int) -> torch.Tensor:
    """Images `[batch, 1, row, col]` made consistent with the data."""
    return Fit.apply(images, y, scanner, weight, iterations)
