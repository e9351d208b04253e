//! Group normalisation, an affine map of each channel, and SiLU, fused.

use super::images::Images;
use super::parts::Parts;
use crate::kernels::simd::lanes::{LANES, Lanes, Level, dispatch};
use crate::kernels::simd::shared::written;
use rayon::prelude::*;

/// Floats that are added in single precision before they go to double precision.
const RUN: usize = 2048;

/// Compiles a plain loop for every instruction set.
macro_rules! vectorise {
    ($(#[$doc:meta])* $name:ident => $generic:ident($($arg:ident: $ty:ty),* $(,)?) -> $out:ty) => {
        $(#[$doc])*
        fn $name(level: Level, $($arg: $ty),*) -> $out {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            unsafe fn avx512($($arg: $ty),*) -> $out { $generic::<crate::kernels::simd::lanes_x86::Avx512>($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) -> $out { $generic::<crate::kernels::simd::lanes_x86::Avx2>($($arg),*) }
            match level.0 {
                // SAFETY: a `Level` exists only for detected features.
                #[cfg(target_arch = "x86_64")]
                crate::kernels::simd::lanes::Kind::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                crate::kernels::simd::lanes::Kind::Avx2 => unsafe { avx2($($arg),*) },
                crate::kernels::simd::lanes::Kind::Portable => $generic::<crate::kernels::simd::lanes::Portable>($($arg),*),
            }
        }
    };
}

/// The affine map that follows the normalisation: one number an image and channel, `[batch, channel]`.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
}

/// What a group of channels is normalised with.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    mean: f64,
    /// `1/√(variance + ε)`.
    inverse: f64,
}

/// `(gain, offset)` of each plane, so that `scale · x̂ + shift = gain · x + offset`, where
/// `x̂ = (x − mean)/√(variance + ε)` over each group of an image's channels.
pub(super) fn curves(moments: &[Moments], images: Images, affine: Affine<'_>) -> Vec<(f32, f32)> {
    let planes = images.batch * images.channels;
    let curve = |at: usize| {
        let m = moments[at * moments.len() / planes];
        let gain = f64::from(affine.scale[at]) * m.inverse;
        (gain as f32, (f64::from(affine.shift[at]) - m.mean * gain) as f32)
    };
    (0..planes).map(curve).collect()
}

/// `silu(scale · x̂ + shift)`; see [`curves`].
pub(super) fn norm_silu(
    level: Level,
    x: &[f32],
    images: Images,
    affine: Affine<'_>,
    groups: usize,
    eps: f64,
) -> Vec<f32> {
    let moments = moments(level, Parts::whole(x, images), groups, eps);
    let curves = curves(&moments, images, affine);
    // SAFETY: every plane is written.
    unsafe {
        written(x.len(), |y| {
            x.par_chunks(images.pixels()).zip(&curves).enumerate().for_each(|(at, (x, &(gain, offset)))| {
                let to = y.range(at * images.pixels(), images.pixels());
                silu_plane(level, x, to, gain, offset);
            });
        })
    }
}

/// The gradients of [`norm_silu`] by `x`, `scale` and `shift`, given that by its result.
pub(super) fn norm_silu_gradient(
    level: Level,
    x: &[f32],
    images: Images,
    affine: Affine<'_>,
    moments: &[Moments],
    grad: &[f32],
) -> [Vec<f32>; 3] {
    let (pixels, per_group) = (images.pixels(), images.batch * images.channels / moments.len());
    let mut sums = vec![(0.0, 0.0); images.batch * images.channels];
    // SAFETY: every plane is written in runs.
    let mut by_x = unsafe {
        written(x.len(), |out| {
            sums.par_iter_mut().enumerate().for_each(|(at, sums)| {
                let m = moments[at / per_group];
                let line = Line {
                    mean: m.mean as f32,
                    inverse: m.inverse as f32,
                    scale: affine.scale[at],
                    shift: affine.shift[at],
                };
                for from in (at * pixels..(at + 1) * pixels).step_by(RUN) {
                    let count = RUN.min((at + 1) * pixels - from);
                    let (x, grad) = (&x[from..from + count], &grad[from..from + count]);
                    let out = std::slice::from_raw_parts_mut(out.range(from, count), count);
                    let (shift, scale) = silu_gradient(level, x, grad, out, line);
                    sums.0 += f64::from(shift);
                    sums.1 += f64::from(scale);
                }
            });
        })
    };
    let count = (per_group * pixels) as f64;
    by_x.par_chunks_mut(pixels).enumerate().for_each(|(at, out)| {
        let group = at / per_group;
        let m = moments[group];
        let members = group * per_group..(group + 1) * per_group;
        let mean = |pick: fn(&(f64, f64)) -> f64| {
            members.clone().map(|c| f64::from(affine.scale[c]) * pick(&sums[c])).sum::<f64>() / count
        };
        let (mean, slope) = (mean(|s| s.0), mean(|s| s.1));
        // dx = inverse (scale g − mean − x̂ slope), with x̂ written out.
        let gain = m.inverse * f64::from(affine.scale[at]);
        let tilt = -m.inverse * m.inverse * slope;
        let offset = -m.inverse * mean - tilt * m.mean;
        combine(level, out, &x[at * pixels..(at + 1) * pixels], [gain as f32, tilt as f32, offset as f32]);
    });
    [by_x, sums.iter().map(|s| s.1 as f32).collect(), sums.iter().map(|s| s.0 as f32).collect()]
}

/// Mean and inverse deviation of each group of each image.
pub(super) fn moments(level: Level, x: Parts<'_>, groups: usize, eps: f64) -> Vec<Moments> {
    let images = x.images;
    let of_plane = |at: usize| {
        let plane = x.plane(at / images.channels, at % images.channels);
        let spread = spread(level, plane.values);
        if plane.doubled { spread.repeated(4.0) } else { spread }
    };
    let planes: Vec<Spread> = (0..images.batch * images.channels).into_par_iter().map(of_plane).collect();
    let group = |planes: &[Spread]| {
        let all = planes.iter().fold(Spread::default(), |sum, plane| sum.join(*plane));
        Moments { mean: all.mean, inverse: 1.0 / (all.squares / all.count + eps).sqrt() }
    };
    planes.chunks(images.channels / groups).map(group).collect()
}

/// Mean and sum of squared deviations of some numbers.
#[derive(Clone, Copy, Default)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    /// Those of both sets together (Chan, Golub and LeVeque 1983).
    fn join(self, other: Self) -> Self {
        let count = self.count + other.count;
        let (part, distance) = (other.count / count, other.mean - self.mean);
        Self {
            count,
            mean: self.mean + distance * part,
            squares: self.squares + other.squares + distance * distance * self.count * part,
        }
    }
}

impl Spread {
    /// That of every number `times` times.
    fn repeated(self, times: f64) -> Self {
        Self { count: times * self.count, squares: times * self.squares, ..self }
    }
}

/// Runs are short enough to be read twice from the cache: deviations from the run's own mean do not cancel.
fn spread(level: Level, values: &[f32]) -> Spread {
    let of_run = |run: &[f32]| {
        let (count, mean) = (run.len() as f64, f64::from(sum_run(level, run)) / run.len() as f64);
        let rounded = mean as f32;
        let squares =
            f64::from(squares_run(level, run, rounded)) - count * (mean - f64::from(rounded)).powi(2);
        Spread { count, mean, squares }
    };
    values.chunks(RUN).fold(Spread::default(), |all, run| all.join(of_run(run)))
}

/// The sum of many floats, in lanes, then in double precision.
pub(super) fn sum(level: Level, values: &[f32]) -> f64 {
    values.chunks(RUN).map(|run| f64::from(sum_run(level, run))).sum()
}

#[inline(always)]
fn sum_run_of<V: Lanes>(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += chunk[i];
        }
    }
    lanes.iter().chain(rest).sum()
}
vectorise!(sum_run => sum_run_of(values: &[f32]) -> f32);

#[inline(always)]
fn squares_run_of<V: Lanes>(values: &[f32], mean: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = fma::<V>(chunk[i] - mean, chunk[i] - mean, lanes[i]);
        }
    }
    let rest: f32 = rest.iter().map(|v| (v - mean) * (v - mean)).sum();
    lanes.iter().sum::<f32>() + rest
}
vectorise!(
    /// The sum of `(v − mean)²`.
    squares_run => squares_run_of(values: &[f32], mean: f32) -> f32
);

#[inline(always)]
fn fma<V: Lanes>(a: f32, b: f32, c: f32) -> f32 {
    if V::FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `1/(1 + e^−u)`. The exponential is 2ⁿ times a polynomial on |f| ≤ ln 2 / 2, to 2 units in the last place.
#[inline(always)]
fn sigmoid<V: Lanes>(u: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = (-u).clamp(-87.0, 87.0);
    let shifted = fma::<V>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let f = fma::<V>(n, -1.428_606_8e-6, fma::<V>(n, -0.693_145_75, x));
    let mut p = fma::<V>(1.0 / 720.0, f, 1.0 / 120.0);
    for c in [1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = fma::<V>(p, f, c);
    }
    1.0 / (1.0 + f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23)))
}

/// `y = silu(gain · x + offset)`.
#[inline(always)]
pub(super) fn silu_into<V: Lanes>(x: &[f32], y: &mut [f32], gain: f32, offset: f32) {
    assert_eq!(x.len(), y.len());
    // SAFETY: as long as `x`.
    unsafe { silu_of::<V>(x, y.as_mut_ptr(), gain, offset) }
}

#[inline(always)]
unsafe fn silu_of<V: Lanes>(x: &[f32], y: *mut f32, gain: f32, offset: f32) {
    let (chunks, rest) = x.as_chunks::<LANES>();
    // SAFETY: the caller vouches for as many floats at `y` as `x` has.
    unsafe {
        for (i, chunk) in chunks.iter().enumerate() {
            y.add(LANES * i).cast::<[f32; LANES]>().write_unaligned(silu_chunk::<V>(*chunk, gain, offset));
        }
        if rest.is_empty() {
            return;
        }
        if let Some(last) = x.last_chunk::<LANES>() {
            // The last full vector once more, at its end.
            let to = y.add(x.len() - LANES).cast::<[f32; LANES]>();
            return to.write_unaligned(silu_chunk::<V>(*last, gain, offset));
        }
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let last = silu_chunk::<V>(last, gain, offset);
        y.copy_from_nonoverlapping(last.as_ptr(), rest.len());
    }
}
dispatch!(
    /// `y = silu(gain · x + offset)`.
    ///
    /// # Safety
    /// As many floats may be written at `y` as `x` has.
    silu_plane => silu_of(x: &[f32], y: *mut f32, gain: f32, offset: f32)
);

#[inline(always)]
fn silu_chunk<V: Lanes>(mut x: [f32; LANES], gain: f32, offset: f32) -> [f32; LANES] {
    for x in &mut x {
        let u = fma::<V>(*x, gain, offset);
        *x = u * sigmoid::<V>(u);
    }
    x
}

/// How one channel is normalised and mapped.
#[derive(Clone, Copy)]
struct Line {
    mean: f32,
    inverse: f32,
    scale: f32,
    shift: f32,
}

#[inline(always)]
fn silu_gradient_of<V: Lanes>(x: &[f32], grad: &[f32], out: &mut [f32], line: Line) -> (f32, f32) {
    let (mut plain, mut weighted) = ([0.0f32; LANES], [0.0f32; LANES]);
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (grads, grad_rest) = grad.as_chunks::<LANES>();
    let (outs, out_rest) = out.as_chunks_mut::<LANES>();
    for ((x, grad), out) in xs.iter().zip(grads).zip(outs) {
        for i in 0..LANES {
            let (g, normed) = silu_slope::<V>(x[i], grad[i], line);
            out[i] = g;
            plain[i] += g;
            weighted[i] = fma::<V>(g, normed, weighted[i]);
        }
    }
    for (i, out) in out_rest.iter_mut().enumerate() {
        let (g, normed) = silu_slope::<V>(x_rest[i], grad_rest[i], line);
        *out = g;
        plain[i] += g;
        weighted[i] = fma::<V>(g, normed, weighted[i]);
    }
    (plain.iter().sum(), weighted.iter().sum())
}

/// `grad · silu′(u)`, and `x̂`.
#[inline(always)]
fn silu_slope<V: Lanes>(x: f32, grad: f32, line: Line) -> (f32, f32) {
    let normed = (x - line.mean) * line.inverse;
    let u = fma::<V>(normed, line.scale, line.shift);
    let s = sigmoid::<V>(u);
    (grad * s * fma::<V>(u, 1.0 - s, 1.0), normed)
}
vectorise!(
    /// Writes `g = ∂L/∂u` and returns the sums of `g` and of `g x̂`.
    silu_gradient => silu_gradient_of(x: &[f32], grad: &[f32], out: &mut [f32], line: Line) -> (f32, f32)
);

#[inline(always)]
fn combine_of<V: Lanes>(out: &mut [f32], x: &[f32], coefficients: [f32; 3]) {
    let [gain, tilt, offset] = coefficients;
    for (out, x) in out.iter_mut().zip(x) {
        *out = fma::<V>(*out, gain, fma::<V>(*x, tilt, offset));
    }
}
vectorise!(
    /// `out ← gain · out + tilt · x + offset`.
    combine => combine_of(out: &mut [f32], x: &[f32], coefficients: [f32; 3]) -> ()
);
