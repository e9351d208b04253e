//! Convolutions: 3x3 by Winograd tiles, 1x1 as a product of matrices, and their gradients.

pub(super) mod conv1x1;
pub(super) mod conv3x3;
pub(super) mod conv3x3_grad;
pub(super) mod filters;
mod gemm;
mod patches;
mod winograd;
