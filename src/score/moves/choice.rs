//! Predictors and correctors by name, for programs that let their users choose.

use super::{
    Ancestral, AnnealedLangevin, EulerMaruyama, Hamiltonian, Langevin, NoUpdate, ProbabilityFlowEuler,
    ReverseDiffusion, UnderdampedLangevin, Update,
};

/// How a predictor-corrector sampler goes to the next time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Predictor {
    /// Not at all.
    None,
    /// [`EulerMaruyama`]
    EulerMaruyama,
    /// [`ReverseDiffusion`]
    #[default]
    ReverseDiffusion,
    /// [`Ancestral`]; VE and VP only.
    Ancestral,
    /// [`ProbabilityFlowEuler`]
    ProbabilityFlow,
}

impl Predictor {
    /// The move itself.
    pub fn update(self) -> Box<dyn Update> {
        match self {
            Self::None => Box::new(NoUpdate),
            Self::EulerMaruyama => Box::new(EulerMaruyama),
            Self::ReverseDiffusion => Box::new(ReverseDiffusion),
            Self::Ancestral => Box::new(Ancestral),
            Self::ProbabilityFlow => Box::new(ProbabilityFlowEuler),
        }
    }
}

/// How a predictor-corrector sampler mixes at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Corrector {
    /// Not at all.
    None,
    /// [`Langevin`]
    Langevin(Langevin),
    /// [`AnnealedLangevin`]
    Annealed(AnnealedLangevin),
    /// [`UnderdampedLangevin`]
    Underdamped(UnderdampedLangevin),
    /// [`Hamiltonian`]
    Hamiltonian(Hamiltonian),
}

impl Corrector {
    /// The move itself.
    pub fn update(self) -> Box<dyn Update> {
        match self {
            Self::None => Box::new(NoUpdate),
            Self::Langevin(langevin) => Box::new(langevin),
            Self::Annealed(langevin) => Box::new(langevin),
            Self::Underdamped(langevin) => Box::new(langevin),
            Self::Hamiltonian(hamiltonian) => Box::new(hamiltonian),
        }
    }
}
