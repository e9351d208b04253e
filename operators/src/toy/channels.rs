//! Linear mixtures of the channels of an image.

use crate::{LinearOperator, Mask, OperatorError, Transform};
use ndarray::{Array2, ArrayView2, array, s};

/// An orthonormal matrix `Q` across the channels of an image, the same for every pixel:
/// `(T x)[c, i, j] = Σ_d Q[c, d] x[d, i, j]`.
///
/// Images and data have their channels stacked along rows: axes (channel · row, col). With a mask that keeps the
/// grey channel alone `A = P(Λ)T` is colourisation (dissertation, appendix B.5.9). `T` is orthonormal: the adjoint
/// is the inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMix {
    matrix: Array2<f32>,
    rows: usize,
    cols: usize,
}

/// How far `Q Qᵀ` may be from the identity, entry by entry.
const ORTHONORMAL: f32 = 1e-5;

impl ChannelMix {
    /// `matrix` is `Q`, one row a mixture; every channel has `rows` × `cols` pixels.
    ///
    /// # Errors
    /// When the matrix is not orthonormal, or there is no pixel.
    pub fn new(matrix: Array2<f32>, rows: usize, cols: usize) -> Result<Self, OperatorError> {
        if rows == 0 || cols == 0 {
            return Err(OperatorError::EmptyImage { rows, cols });
        }
        let (height, width) = matrix.dim();
        let gram = matrix.dot(&matrix.t()) - Array2::<f32>::eye(height);
        if height == 0 || height != width || !gram.iter().all(|entry| entry.abs() <= ORTHONORMAL) {
            return Err(OperatorError::NotOrthonormal { rows: height, cols: width });
        }
        Ok(Self { matrix, rows, cols })
    }

    /// Red, green and blue to grey and two colour differences: the dissertation's matrix, with the grey value
    /// `(r + g + b)/√3` first.
    ///
    /// # Errors
    /// When there is no pixel.
    pub fn grey(rows: usize, cols: usize) -> Result<Self, OperatorError> {
        let (third, sixth, half) = (1.0 / 3f32.sqrt(), 1.0 / 6f32.sqrt(), 0.5f32.sqrt());
        let matrix = array![[third, third, third], [-2.0 * sixth, sixth, sixth], [0.0, half, -half]];
        Self::new(matrix, rows, cols)
    }

    /// The mask that keeps the first mixture alone, at every pixel.
    pub fn first_channel(&self) -> Mask {
        let kept: Vec<bool> = (0..self.matrix.nrows() * self.rows).map(|row| row < self.rows).collect();
        Mask::rows(&kept, self.cols)
    }

    fn mixed(&self, matrix: &ArrayView2<f32>, image: &Array2<f32>) -> Array2<f32> {
        let channels = matrix.nrows();
        assert_eq!(
            image.dim(),
            (channels * self.rows, self.cols),
            "the image does not have the planned shape"
        );
        let mut out = Array2::zeros(image.dim());
        for (to, mut part) in out.exact_chunks_mut((self.rows, self.cols)).into_iter().enumerate() {
            for from in 0..channels {
                let channel = image.slice(s![from * self.rows..(from + 1) * self.rows, ..]);
                part.scaled_add(matrix[[to, from]], &channel);
            }
        }
        out
    }
}

impl LinearOperator for ChannelMix {
    type Image = Array2<f32>;
    type Data = Array2<f32>;

    fn image_shape(&self) -> Vec<usize> {
        vec![self.matrix.nrows() * self.rows, self.cols]
    }
    fn data_shape(&self) -> Vec<usize> {
        self.image_shape()
    }
    fn forward(&self, image: &Array2<f32>) -> Array2<f32> {
        self.mixed(&self.matrix.view(), image)
    }
    fn adjoint(&self, data: &Array2<f32>) -> Array2<f32> {
        self.mixed(&self.matrix.t(), data)
    }
    fn normal(&self, image: &Array2<f32>) -> Array2<f32> {
        image.clone()
    }
}

impl Transform for ChannelMix {
    fn inverse(&self, data: &Array2<f32>) -> Array2<f32> {
        self.adjoint(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dot_test, inverse_test, linearity_test, normal_test};
    use crate::{Field, Identity};
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn random(rows: usize, cols: usize, seed: u64) -> Array2<f32> {
        Field::randn(&[rows, cols], &mut ChaCha8Rng::seed_from_u64(seed))
    }

    /// The definition, value by value in double precision.
    fn naive(matrix: &Array2<f32>, rows: usize, x: &Array2<f32>) -> Array2<f32> {
        Array2::from_shape_fn(x.dim(), |(row, j)| {
            let (channel, i) = (row / rows, row % rows);
            let term = |d: usize| f64::from(matrix[[channel, d]]) * f64::from(x[[d * rows + i, j]]);
            (0..matrix.nrows()).map(term).sum::<f64>() as f32
        })
    }

    /// `I − 2 v vᵀ/‖v‖²`, turned by a cyclic shift of its rows so that it is not symmetric.
    fn orthonormal(channels: usize) -> Array2<f32> {
        let v = random(channels, 1, 7);
        let scale = (2.0 / v.norm().powi(2)) as f32;
        Array2::from_shape_fn((channels, channels), |(row, j)| {
            let i = (row + 1) % channels;
            f32::from(u8::from(i == j)) - scale * v[[i, 0]] * v[[j, 0]]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_shape_agrees_with_the_definition(
            channels in 1_usize..6, rows in 1_usize..8, cols in 1_usize..8,
        ) {
            let matrix = orthonormal(channels);
            let mix = ChannelMix::new(matrix.clone(), rows, cols).unwrap();
            let x = random(channels * rows, cols, 3);
            let difference = (mix.forward(&x) - naive(&matrix, rows, &x)).norm();
            prop_assert!(difference < 1e-6 * x.norm());
            prop_assert!(dot_test(&mix) < 1e-6);
            prop_assert!(linearity_test(&mix) < 1e-6);
            prop_assert!(inverse_test(&mix) < 1e-6);
            prop_assert!(normal_test(&mix) < 1e-6);
        }
    }

    #[test]
    fn pixels_are_their_own_measurement() {
        let (identity, x) = (Identity { rows: 3, cols: 4 }, random(3, 4, 1));
        let mask = Mask::new((0..12).map(|i| i % 3 == 0).collect());
        let kept = mask.select(identity.forward(&x));
        for (i, (kept, x)) in kept.iter().zip(&x).enumerate() {
            assert_eq!(*kept, if i % 3 == 0 { *x } else { 0.0 });
        }
        assert!(dot_test(&identity) < 1e-6 && inverse_test(&identity) == 0.0);
        assert!(linearity_test(&identity) < 1e-6 && normal_test(&identity) == 0.0);
    }

    #[test]
    fn the_first_channel_of_a_colour_image_is_its_grey_value() {
        let mix = ChannelMix::grey(2, 2).unwrap();
        let x = random(6, 2, 5);
        let grey = mix.first_channel().select(mix.forward(&x));
        for ((row, j), &value) in grey.indexed_iter() {
            let sum: f32 = (0..3).map(|channel| x[[2 * channel + row % 2, j]]).sum();
            let expected = if row < 2 { sum / 3f32.sqrt() } else { 0.0 };
            assert!((value - expected).abs() < 1e-6);
        }
        let plain = Array2::from_elem((6, 2), 0.7);
        let mixed = mix.forward(&plain);
        assert!(mixed.slice(s![2.., ..]).iter().all(|v| v.abs() < 1e-6), "grey images have no colour");
    }

    #[test]
    fn what_is_not_orthonormal_is_refused() {
        for matrix in [
            Array2::zeros((0, 0)),
            Array2::eye(3).slice(s![..2, ..]).to_owned(),
            Array2::eye(2) * 1.001,
            Array2::from_elem((2, 2), f32::NAN),
        ] {
            let (rows, cols) = matrix.dim();
            let refused = ChannelMix::new(matrix, 2, 2);
            assert_eq!(refused, Err(OperatorError::NotOrthonormal { rows, cols }));
        }
        let empty = ChannelMix::grey(0, 3);
        assert_eq!(empty, Err(OperatorError::EmptyImage { rows: 0, cols: 3 }));
    }
}
