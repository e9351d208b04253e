//! Maps of single planes: resampling, filters, pooling, and the patches of strided convolutions.

pub(super) mod dilated;
pub(super) mod fir;
pub(super) mod linear;
pub(super) mod pool;
pub(super) mod resample;
pub(super) mod resize;
pub(super) mod strided;
