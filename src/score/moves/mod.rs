//! The moves that samplers are made of, and the loops over them.

pub(in crate::score) mod choice;
pub(in crate::score) mod consistency;
pub(in crate::score) mod corrector;
pub(in crate::score) mod descent;
pub(in crate::score) mod dpm;
pub(in crate::score) mod hamiltonian;
pub(in crate::score) mod heun;
pub(in crate::score) mod predictor;
pub(in crate::score) mod reverse_process;
pub(in crate::score) mod underdamped;
pub(in crate::score) mod update;

pub use choice::{Corrector, Predictor};
pub use consistency::{Consistency, Unconditional};
pub use corrector::{AnnealedLangevin, Coupling, Langevin};
pub use descent::{Churn, Descent, LevelMethod, LevelSolver};
pub(in crate::score) use dpm::DpmPlusPlus;
pub use hamiltonian::{Acceptance, Hamiltonian};
pub(in crate::score) use heun::Heun;
pub use predictor::{Ancestral, EulerMaruyama, ProbabilityFlowEuler, ReverseDiffusion};
pub use reverse_process::ReverseProcess;
pub use underdamped::UnderdampedLangevin;
pub use update::{NoUpdate, Update};
