//! Covariances of images, with and without a measurement.

pub(in crate::score) mod conditional;
pub(in crate::score) mod covariance;
pub(in crate::score) mod low_rank;
pub(in crate::score) mod variances;

pub use conditional::Conditional;
pub use covariance::{Covariance, Probing, TweedieCovariance};
pub use low_rank::{LowRank, LowRankCovariance};
pub use variances::Variances;
