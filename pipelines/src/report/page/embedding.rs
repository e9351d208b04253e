//! How many slices of a case a page shows, and how large.

use super::Depth;
use ndarray::{Array2, ArrayView2, Axis, Slice};

/// Letters that the pictures of a page may take together; browsers open such a page in a few seconds.
const MOST_LETTERS: f64 = 60e6;
/// The largest side of a picture that is shown.
const SIDE: usize = 256;

/// What of each case is put into a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// How many slices of a volume, at most.
    pub slices: usize,
    /// Rows and columns of a picture, at most.
    pub side: usize,
    /// How finely values are kept.
    pub depth: Depth,
}

impl Embedding {
    /// What fits for so many cases with so many layers each: fewer slices first, then coarser values, then smaller
    /// pictures.
    pub fn for_batch(cases: usize, layers: usize) -> Self {
        let fine = [9, 5, 3, 1].map(|slices| Self { slices, side: SIDE, depth: Depth::Fine });
        let coarse = [SIDE, 192, 128, 96, 64].map(|side| Self { slices: 1, side, depth: Depth::Coarse });
        let pictures = cases.saturating_mul(layers) as f64;
        let fits = |choice: &Self| pictures * choice.letters() <= MOST_LETTERS;
        let smallest = Self { slices: 1, side: 32, depth: Depth::Coarse };
        fine.into_iter().chain(coarse).find(fits).unwrap_or(smallest)
    }

    /// About how many letters the pictures of one layer take.
    fn letters(&self) -> f64 {
        // Measured on slices of patients, filtered back-projections of them and posterior means; base64 included.
        let each = match self.depth {
            Depth::Fine => 2.1,
            Depth::Coarse => 0.75,
        };
        each * (self.slices * self.side * self.side) as f64
    }
}

/// At most `most` of `total` things, evenly spaced, in the middles of as many equal parts.
pub fn evenly_spaced(total: usize, most: usize) -> Vec<usize> {
    let count = most.min(total);
    // (2 k + 1) / (2 count) of the way
    (0..count).map(|k| ((2 * k + 1) as u128 * total as u128 / (2 * count) as u128) as usize).collect()
}

/// An image with at most `side` rows and columns: means over square blocks of pixels, those at the far edges smaller.
pub fn shrink(image: &ArrayView2<'_, f32>, side: usize) -> Array2<f32> {
    let (rows, cols) = image.dim();
    let block = rows.max(cols).div_ceil(side.max(1));
    if block <= 1 {
        return image.to_owned();
    }
    let part = |at: usize| Slice::from(at * block..(at + 1) * block);
    Array2::from_shape_fn((rows.div_ceil(block), cols.div_ceil(block)), |(i, j)| {
        let clip = |slice: Slice, length: usize| {
            Slice::from(slice.start..slice.end.map_or(length as isize, |end| end.min(length as isize)))
        };
        let cut = image.slice_axis(Axis(0), clip(part(i), rows));
        cut.slice_axis(Axis(1), clip(part(j), cols)).mean().unwrap_or(f32::NAN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_picked_evenly() {
        assert_eq!(evenly_spaced(100, 5), [10, 30, 50, 70, 90]);
        assert_eq!(evenly_spaced(3, 9), [0, 1, 2]);
        assert_eq!(evenly_spaced(120, 1), [60]);
        assert_eq!((evenly_spaced(0, 4), evenly_spaced(4, 0)), (vec![], vec![]));
        assert_eq!(evenly_spaced(usize::MAX, 1), [usize::MAX / 2]);
    }

    #[test]
    fn images_shrink_to_the_means_of_blocks() {
        let image = Array2::from_shape_fn((5, 4), |(i, j)| (i * 4 + j) as f32);
        let small = shrink(&image.view(), 3);
        assert_eq!(small, ndarray::array![[2.5, 4.5], [10.5, 12.5], [16.5, 18.5]]);
        assert_eq!(shrink(&image.view(), 5), image);
        assert_eq!(shrink(&image.view(), 0).dim(), (1, 1));
        assert_eq!(shrink(&Array2::zeros((0, 9)).view(), 4).dim(), (0, 3));
    }

    #[test]
    fn large_batches_show_less_of_each_case() {
        let side = |cases| Embedding::for_batch(cases, 3);
        assert_eq!(side(4), Embedding { slices: 9, side: 256, depth: Depth::Fine });
        assert_eq!(side(400), Embedding { slices: 1, side: 256, depth: Depth::Coarse });
        assert!(side(1000).side < 256 && side(usize::MAX).side == 32);
    }
}
