//! Priors whose scores, densities and posteriors are known in closed form.

pub(in crate::score) mod analytic;
pub(in crate::score) mod cholesky;
mod derived;
pub(in crate::score) mod normal;

pub use analytic::{Gaussian, GaussianMixture, linear_posterior_mean};
pub use normal::NormalMixture;
