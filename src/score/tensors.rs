//! What batches of images need in many places.

use candle_core::{DType, Result, Tensor};

/// The scalar product of every image with its partner, in double precision.
pub(crate) fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    (a.to_dtype(DType::F64)? * b.to_dtype(DType::F64)?)?.flatten_from(1)?.sum(1)
}

/// Multiplies every image of a batch by its own factor.
pub(crate) fn scaled(x: &Tensor, factors: &[f64]) -> Result<Tensor> {
    let factors = Tensor::from_slice(factors, (factors.len(), 1, 1, 1), x.device())?;
    x.broadcast_mul(&factors.to_dtype(x.dtype())?)
}

/// Euclidean norm of every image, summed in double precision.
pub(crate) fn norms(x: &Tensor) -> Result<Vec<f64>> {
    x.to_dtype(DType::F64)?.flatten_from(1)?.sqr()?.sum(1)?.sqrt()?.to_vec1()
}

/// All numbers of a batch.
pub(crate) fn numbers(x: &Tensor) -> Result<Vec<f64>> {
    x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// A batch of these numbers with shape, precision and device of `x`.
pub(crate) fn like(x: &Tensor, numbers: &[f64]) -> Result<Tensor> {
    Tensor::from_slice(numbers, x.shape(), x.device())?.to_dtype(x.dtype())
}
