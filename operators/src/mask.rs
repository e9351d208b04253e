//! Λ, the selection of the measured entries.

use crate::Field;
use std::sync::Arc;

/// Λ: which entries of the full measurement exist, in row-major order.
///
/// Cloning is cheap: the selection is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(Arc<[bool]>);

impl Mask {
    /// A mask from one flag an entry.
    pub fn new(kept: Vec<bool>) -> Self {
        Self(kept.into())
    }
    /// Everything was measured.
    pub fn full(len: usize) -> Self {
        Self::new(vec![true; len])
    }
    /// Whole columns of a `rows` × `columns.len()` array, as in Cartesian MRI.
    pub fn columns(rows: usize, columns: &[bool]) -> Self {
        Self::new(columns.repeat(rows))
    }
    /// Whole rows of a `rows.len()` × `cols` array: measured angles of a sinogram, or lines along the
    /// other phase axis.
    pub fn rows(rows: &[bool], cols: usize) -> Self {
        Self::new(rows.iter().flat_map(|&kept| std::iter::repeat_n(kept, cols)).collect())
    }
    /// The same mask for each of so many coils, whose k-space has the axes (coil, row, col).
    #[must_use]
    pub fn over_coils(&self, coils: usize) -> Self {
        Self::new(self.0.repeat(coils))
    }
    /// The flags in row-major order.
    pub fn kept(&self) -> &[bool] {
        &self.0
    }
    /// How many entries were measured.
    pub fn count(&self) -> usize {
        self.0.iter().filter(|&&kept| kept).count()
    }
    /// Whether every entry was measured.
    pub fn is_full(&self) -> bool {
        self.0.iter().all(|&kept| kept)
    }
    /// `Λ y`
    #[must_use]
    pub fn select<F: Field>(&self, mut data: F) -> F {
        data.keep(&self.0);
        data
    }
    /// `λ Λ measured + (1 − λ) Λ current + (I − Λ) current`
    #[must_use]
    pub fn blend<F: Field>(&self, lambda: f32, measured: &F, mut current: F) -> F {
        current.blend(&self.0, lambda, measured);
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn every_coil_has_the_same_entries() {
        let mask = Mask::columns(2, &[true, false, true]).over_coils(3);
        let kept = mask.select(Array3::<f32>::ones((3, 2, 3)));
        let expected = Array3::from_shape_fn((3, 2, 3), |(_, _, j)| if j == 1 { 0.0 } else { 1.0 });
        assert_eq!((kept, mask.count()), (expected, 12));
    }
}
