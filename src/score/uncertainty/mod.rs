//! Covariances of images, with and without a measurement.

mod bayes;
pub(in crate::score) mod conditional;
pub(in crate::score) mod covariance;
mod differenced;
pub(in crate::score) mod low_rank;
pub(in crate::score) mod variances;

pub use bayes::{Bayes, Posterior};
pub use conditional::Conditional;
pub use covariance::{Covariance, Probing, TweedieCovariance};
pub use differenced::DifferencedCovariance;
pub use low_rank::{LowRank, LowRankCovariance};
pub use variances::Variances;
