//! Which part of k-space is measured.

mod draw;
mod ladder;
mod lines;
mod points;
mod poisson;
mod spokes;

pub use ladder::{filled_lines, line_distances, mirror_line, mirrored_lines, nested_lines};

use crate::{Mask, OperatorError};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A pattern of measured k-space entries.
///
/// The first five measure whole lines and follow fastMRI's `subsample.py` where it has them; the others
/// choose single points of a plane, as in 3-D encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// Lines at equal distances and a fully sampled centre; the distance is corrected so that both together
    /// meet the acceleration (`EquispacedMaskFractionFunc`).
    #[default]
    Equispaced,
    /// Every R-th line (R rounded) and a fully sampled centre, which together are more than one in R
    /// (`EquiSpacedMaskFunc`).
    EquispacedUncorrected,
    /// A fully sampled centre, and every other line with equal probability (`RandomMaskFunc`), so that the
    /// acceleration is met on average.
    Random,
    /// Equispaced lines that are offset between the two halves of k-space, so that conjugate symmetry fills
    /// the gaps (`MagicMaskFractionFunc`).
    Magic,
    /// Lines drawn with a Gaussian density around the centre.
    Gaussian1d,
    /// Points drawn with a Gaussian density around the centre.
    Gaussian2d,
    /// Points no closer to one another than a distance that grows from the centre outwards.
    PoissonDisc,
    /// Straight spokes through the centre, in golden-angle order, on the nearest grid points.
    Radial,
}

/// The axis along which lines are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PhaseAxis {
    /// Whole columns are measured or not.
    #[default]
    Columns,
    /// Whole rows are measured or not.
    Rows,
}

/// All that decides a mask, so that the same plan always makes the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingPlan {
    /// The pattern.
    pub sampling: Sampling,
    /// R: one entry in R is measured, centre included. At 1 everything is.
    pub acceleration: f64,
    /// Share of k-space in the fully sampled centre: lines of the line patterns, area of the others.
    ///
    /// `None` means 0.08 up to R = 4, 0.04 up to R = 8 and 0.32/R beyond, a third of what is measured; no
    /// centre for [`Sampling::Radial`], where the spokes overlap anyway.
    pub center_fraction: Option<f64>,
    /// First line of the equispaced and magic patterns; `None` draws it from the seed.
    pub offset: Option<usize>,
    /// Seed of whatever is random.
    pub seed: u64,
    /// The axis that the line patterns undersample.
    pub phase_axis: PhaseAxis,
}

impl SamplingPlan {
    /// Equispaced lines along columns with the default centre, seed 0.
    pub fn equispaced(acceleration: f64) -> Self {
        Self {
            sampling: Sampling::Equispaced,
            acceleration,
            center_fraction: None,
            offset: None,
            seed: 0,
            phase_axis: PhaseAxis::Columns,
        }
    }

    /// The Cartesian masks of Song et al. (Solving Inverse Problems in Medical Imaging with Score-Based
    /// Generative Models, 2022): `kept` of `lines` lines, a centre of `kept`/1000 and the first line at half
    /// of the corrected distance.
    ///
    /// # Errors
    /// When `kept` is not between 1 and `lines`, or the centre exceeds it.
    pub fn score_inverse_problems(lines: usize, kept: usize) -> Result<Self, OperatorError> {
        let mut plan = Self::equispaced(lines as f64 / kept as f64);
        plan.center_fraction = Some(kept as f64 / 1000.0);
        plan.validate(1, lines)?;
        let center = lines::center_lines(lines, kept as f64 / 1000.0);
        let distance = lines::corrected_distance(lines, center, plan.acceleration)?;
        plan.offset = Some(distance.round_ties_even() as usize / 2);
        Ok(plan)
    }

    /// The mask of a `rows` × `cols` k-space, centre at index n/2 of either axis.
    ///
    /// # Errors
    /// When an axis is empty, the acceleration is below 1, the centre fraction is outside [0, 1] or leaves
    /// nothing for the rest, or the offset lies outside the array.
    pub fn mask(&self, rows: usize, cols: usize) -> Result<Mask, OperatorError> {
        self.validate(rows, cols)?;
        if self.acceleration == 1.0 {
            return Ok(Mask::full(rows * cols));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let center = self.center_fraction.unwrap_or_else(|| self.default_center());
        let kept = match self.sampling {
            Sampling::Equispaced
            | Sampling::EquispacedUncorrected
            | Sampling::Random
            | Sampling::Magic
            | Sampling::Gaussian1d => {
                return self.line_mask(rows, cols, center, &mut rng);
            }
            Sampling::Gaussian2d => points::gaussian(rows, cols, self.acceleration, center, &mut rng)?,
            Sampling::PoissonDisc => poisson::disc(rows, cols, self.acceleration, center, &mut rng)?,
            Sampling::Radial => spokes::radial(rows, cols, self.acceleration, center, &mut rng)?,
        };
        Ok(Mask::new(kept))
    }

    fn line_mask(
        &self,
        rows: usize,
        cols: usize,
        center: f64,
        rng: &mut ChaCha8Rng,
    ) -> Result<Mask, OperatorError> {
        let count = match self.phase_axis {
            PhaseAxis::Columns => cols,
            PhaseAxis::Rows => rows,
        };
        if let Some(offset) = self.offset.filter(|&offset| offset >= count) {
            return Err(OperatorError::Offset { offset, size: count });
        }
        let lines = lines::Lines {
            count,
            center: lines::center_lines(count, center),
            acceleration: self.acceleration,
        };
        let kept = match self.sampling {
            Sampling::Magic => lines.magic(self.offset, rng)?,
            Sampling::EquispacedUncorrected => lines.every_nth(self.offset, rng),
            Sampling::Random => lines.random(rng)?,
            Sampling::Gaussian1d => lines.gaussian(rng)?,
            _ => lines.equispaced(self.offset, rng)?,
        };
        Ok(match self.phase_axis {
            PhaseAxis::Columns => Mask::columns(rows, &kept),
            PhaseAxis::Rows => Mask::rows(&kept, cols),
        })
    }

    fn default_center(&self) -> f64 {
        match self.acceleration {
            _ if self.sampling == Sampling::Radial => 0.0,
            r if r <= 4.0 => 0.08,
            r if r <= 8.0 => 0.04,
            r => 0.32 / r,
        }
    }

    fn validate(&self, rows: usize, cols: usize) -> Result<(), OperatorError> {
        if rows == 0 || cols == 0 {
            return Err(OperatorError::EmptyImage { rows, cols });
        }
        if !(self.acceleration.is_finite() && self.acceleration >= 1.0) {
            return Err(OperatorError::Acceleration(self.acceleration));
        }
        match self.center_fraction {
            Some(fraction) if !(0.0..=1.0).contains(&fraction) => {
                Err(OperatorError::CenterFraction(fraction))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Sampling; 8] = [
        Sampling::EquispacedUncorrected,
        Sampling::Equispaced,
        Sampling::Random,
        Sampling::Magic,
        Sampling::Gaussian1d,
        Sampling::Gaussian2d,
        Sampling::PoissonDisc,
        Sampling::Radial,
    ];

    fn plan(sampling: Sampling, acceleration: f64) -> SamplingPlan {
        SamplingPlan { sampling, ..SamplingPlan::equispaced(acceleration) }
    }

    #[test]
    fn every_pattern_meets_its_acceleration() {
        for sampling in ALL.into_iter().skip(1) {
            for acceleration in [2.0, 4.0, 8.0, 24.0] {
                let mask = plan(sampling, acceleration).mask(96, 240).unwrap();
                let reached = mask.kept().len() as f64 / mask.count() as f64;
                let tolerance = match sampling {
                    // met on average only
                    Sampling::Random => 0.5,
                    // the distance of lines is a whole number
                    Sampling::Magic => 0.15,
                    // the last spoke is a whole one
                    Sampling::Radial => 0.25,
                    _ => 0.09,
                };
                assert!(
                    (reached / acceleration - 1.0).abs() < tolerance,
                    "{sampling:?} {acceleration}: {reached}"
                );
            }
        }
    }

    #[test]
    fn a_seed_names_one_mask() {
        for sampling in [Sampling::Random, Sampling::Gaussian1d, Sampling::Gaussian2d, Sampling::PoissonDisc]
        {
            let seeded = |seed| SamplingPlan { seed, ..plan(sampling, 4.0) }.mask(40, 64).unwrap();
            assert_eq!(seeded(7), seeded(7));
            assert_ne!(seeded(7), seeded(8));
        }
    }

    #[test]
    fn the_phase_axis_can_be_turned() {
        let columns = plan(Sampling::Equispaced, 4.0).mask(30, 50).unwrap();
        let rows = SamplingPlan { phase_axis: PhaseAxis::Rows, ..plan(Sampling::Equispaced, 4.0) };
        let rows = rows.mask(50, 30).unwrap();
        for (index, &kept) in columns.kept().iter().enumerate() {
            assert_eq!(kept, rows.kept()[(index % 50) * 30 + index / 50]);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let good = SamplingPlan::equispaced(4.0);
        assert!(good.mask(0, 8).is_err());
        assert!(SamplingPlan::equispaced(0.5).mask(8, 8).is_err());
        assert!(SamplingPlan::equispaced(f64::NAN).mask(8, 8).is_err());
        assert!(SamplingPlan { offset: Some(8), ..good.clone() }.mask(8, 8).is_err());
        for (sampling, fraction) in ALL.into_iter().skip(1).flat_map(|s| [(s, 0.9), (s, -0.1), (s, 2.0)]) {
            let plan = SamplingPlan { center_fraction: Some(fraction), ..plan(sampling, 4.0) };
            assert!(plan.mask(64, 64).is_err(), "{sampling:?} {fraction}");
        }
        assert!(SamplingPlan::score_inverse_problems(8, 0).is_err());
        assert!(SamplingPlan::score_inverse_problems(8, 9).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_shape_has_a_mask_with_its_centre(
            rows in 1_usize..40, cols in 1_usize..40, acceleration in 1.0_f64..12.0, pattern in 0_usize..8, seed: u64,
        ) {
            let plan = SamplingPlan { seed, ..plan(ALL[pattern], acceleration) };
            // A few lines may not hold the centre and the acceleration at once.
            if let Ok(mask) = plan.mask(rows, cols) {
                prop_assert_eq!(mask.kept().len(), rows * cols);
            } else {
                prop_assert!(rows.min(cols) < 40);
            }
        }
    }
}
