//! Score models: counted, turned, stacked, combined and differentiated.

pub(in crate::score) mod combined;
pub(in crate::score) mod counted;
pub(in crate::score) mod orientation;
pub(in crate::score) mod slope;
pub(in crate::score) mod stacked;
pub(in crate::score) mod subspace;
pub(in crate::score) mod trace;

pub use combined::Combined;
pub use counted::Counted;
pub use orientation::Orientations;
pub use slope::{Autograd, Differentiable, Linearised};
pub use stacked::Stacked;
pub use subspace::{Subspace, square_of};
pub use trace::{Probe, Trace};
