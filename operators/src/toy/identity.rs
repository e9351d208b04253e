//! Operators for which pixels themselves are measured.

use crate::{LinearOperator, Transform};
use ndarray::Array2;

/// `T = I`: with a mask of pixels, `A = P(Λ)` is inpainting. Axes (row, col) of images and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub cols: usize,
}

impl LinearOperator for Identity {
    type Image = Array2<f32>;
    type Data = Array2<f32>;

    fn image_shape(&self) -> Vec<usize> {
        vec![self.rows, self.cols]
    }
    fn data_shape(&self) -> Vec<usize> {
        self.image_shape()
    }
    fn forward(&self, image: &Array2<f32>) -> Array2<f32> {
        image.clone()
    }
    fn adjoint(&self, data: &Array2<f32>) -> Array2<f32> {
        data.clone()
    }
}

impl Transform for Identity {
    fn inverse(&self, data: &Array2<f32>) -> Array2<f32> {
        data.clone()
    }
}
