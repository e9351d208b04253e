//! The rungs of Cartesian measurements: nested masks, filled from the last estimate.

use super::climb::{Climb, Filling, Question, Rungs};
use super::family::CartesianFamily;
use crate::score::measure::{Bridged, Measured, UnitRule, Weighting, bridge};
use anyhow::Result;
use candle_core::{Device, Tensor};
use ndarray::Array2;
use recon_operators::{
    DataNoise, Field, LineFilter, LinearOperator, PhasedFourier, Problem, VariationSettings, least_variation,
    mirror_line, mirrored_lines, nested_lines,
};

/// A measurement of a [`CartesianFamily`] and its masks `M_T ⊂ … ⊂ M_t ⊂ … ⊂ I`, all with their mirror images.
///
/// ```text
/// z₀   = the image of least total variation that explains the measured lines M_T
/// x̂ₜ   = D(zₜ) projected onto the images that have the measured lines and, by turns, those without negative values
/// zₜ₊₁ = z₀ + F⁻¹ M_t+1 F (x̂ₜ − z₀)
/// ```
///
/// With [`Filling::Full`] all masks but the first are `I`. The network is told `zₜ`, the zero-filled image of M_T, and
/// M_T and M_t along the columns, as 0 and 1. Where the noise n of the data is known, lines are not put back but
/// fitted: `argmin_x ‖x − D‖² + (τ σₑ/n)² ‖A x − y‖²`.
pub struct CartesianRungs<'a> {
    family: &'a CartesianFamily,
    filter: LineFilter,
    unit: f32,
    /// `M_T`, then the masks of the rungs.
    masks: Vec<Vec<bool>>,
    direct: Array2<f32>,
    start: Array2<f32>,
    /// The data, and τ, where their noise is known.
    noisy: Option<(Bridged<'a, PhasedFourier>, f64)>,
    device: Device,
}

/// Conjugate-gradient steps of a fit to noisy lines; the operator has three eigenvalues.
const FIT_ITERATIONS: usize = 6;
/// Rounds of the projections onto the images that explain the data and those without negative values; more change nothing.
const PROJECTIONS: usize = 30;
/// What a transform leaves of zeros, as a share of the largest value.
const ROUNDING: f32 = 2e-6;

impl<'a> CartesianRungs<'a> {
    /// The rungs of a measurement whose `lines` (one flag a column) are of the family. `unit` is that of the zero-filled
    /// image.
    ///
    /// # Errors
    /// When the unit is not a positive number.
    pub fn new(
        family: &'a CartesianFamily,
        (problem, lines): (&'a Problem<PhasedFourier>, &[bool]),
        unit: UnitRule,
        climb: &Climb,
        device: &Device,
    ) -> Result<Self> {
        let mut masks = nested_lines(&mirrored_lines(lines), climb.steps);
        if climb.filling == Filling::Full {
            masks.iter_mut().skip(1).for_each(|mask| mask.fill(true));
        }
        let filter = LineFilter::new(lines.len());
        let mut direct = zero_filled(problem, lines, &filter);
        let unit = unit.of(&direct)?;
        direct.scale(1.0 / unit);
        let settings =
            VariationSettings { iterations: family.start.iterations, step: family.start.step as f32 };
        let start = least_variation(&direct, &masks[0], &filter, settings);
        let noisy =
            (problem.noise != DataNoise::None).then(|| (Bridged::new(problem, unit), climb.noise_trust));
        Ok(Self { family, filter, unit, masks, direct, start, noisy, device: device.clone() })
    }

    /// What is 1 in model units.
    pub fn unit(&self) -> f32 {
        self.unit
    }

    /// `σₑ` of a rung.
    pub fn sigma(&self, rung: usize) -> f64 {
        self.family.sigma(self.mask(0), self.mask(rung))
    }

    /// `M_t`
    fn mask(&self, rung: usize) -> &[bool] {
        self.masks.get(rung).or(self.masks.last()).map_or(&[], Vec::as_slice)
    }

    fn tensor(&self, image: &Array2<f32>) -> candle_core::Result<Tensor> {
        bridge::to_tensor(std::slice::from_ref(image), &self.device)
    }

    /// A mask along the columns of an image.
    fn plane(&self, rung: usize) -> candle_core::Result<Tensor> {
        let (rows, cols) = self.direct.dim();
        let flags: Vec<f32> = self.mask(rung).iter().map(|&kept| f32::from(u8::from(kept))).collect();
        Tensor::from_vec(flags, (1, 1, 1, cols), &self.device)?.broadcast_as((1, 1, rows, cols))?.contiguous()
    }

    /// The image with these measured `lines`, without negative values as far as they leave it open.
    ///
    /// Magnitude images have no negative values. What the measured lines change where there is air is mostly that: taken
    /// to zero, and the lines put back, again and again, it goes.
    fn explained(&self, image: &Array2<f32>, lines: &Array2<f32>) -> Array2<f32> {
        let put_back = |x: &Array2<f32>| x + lines - self.filter.keep(x, self.mask(0));
        (0..PROJECTIONS).fold(put_back(image), |x, _| put_back(&x.mapv(|value| value.max(0.0))))
    }

    /// What `map` makes of an image on the host.
    fn mapped(&self, x: &Tensor, map: impl Fn(&Array2<f32>) -> Array2<f32>) -> candle_core::Result<Tensor> {
        let images: Vec<_> = bridge::to_images(x)?.iter().map(map).collect();
        bridge::to_tensor(&images, &self.device)
    }
}

impl Rungs for CartesianRungs<'_> {
    fn start(&self) -> candle_core::Result<Tensor> {
        self.tensor(&self.start)
    }

    fn question(&self, image: Tensor, rung: usize) -> candle_core::Result<Question> {
        let planes = vec![self.plane(0)?, self.plane(rung)?];
        Ok(Question { image, direct: self.tensor(&self.direct)?, planes, sigma: self.sigma(rung) })
    }

    fn restored(&self, estimate: &Tensor, rung: usize) -> candle_core::Result<Tensor> {
        if let Some((measured, trust)) = &self.noisy {
            let weighting = Weighting::ByNoise { level: trust * self.sigma(rung), limit: f64::INFINITY };
            let fitted = measured.fit(estimate, 1.0, weighting, FIT_ITERATIONS)?;
            return self.mapped(&fitted, |x| self.explained(x, &self.filter.keep(x, self.mask(0))));
        }
        self.mapped(estimate, |x| self.explained(x, &self.direct))
    }

    fn image(&self, estimate: &Tensor, rung: usize) -> candle_core::Result<Tensor> {
        self.mapped(estimate, |x| &self.start + &self.filter.keep(&(x - &self.start), self.mask(rung)))
    }
}

/// The real image of least norm that explains the measured lines: that of the lines and their mirror images.
///
/// `Re F⁻¹ Λ y` has half of a line whose mirror image was not measured. Rows without signal are exactly 0: they count for nothing
/// in the percentile that is the unit.
fn zero_filled(problem: &Problem<PhasedFourier>, lines: &[bool], filter: &LineFilter) -> Array2<f32> {
    let count = lines.len();
    let gain = |line: usize| match (lines[line], lines[mirror_line(line, count)]) {
        (true, true) => 1.0,
        (false, false) => 0.0,
        _ => 2.0,
    };
    let gains: Vec<f32> = (0..count).map(gain).collect();
    let mut image = filter.weighted(&problem.adjoint(&problem.measured), &gains);
    let floor = ROUNDING * image.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    image.mapv_inplace(|value| if value.abs() < floor { 0.0 } else { value });
    image
}
