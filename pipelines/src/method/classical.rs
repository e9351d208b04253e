//! The classical methods, and which acquisitions they serve.

use super::{Direct, L1Wavelet, LinearInterpolation, Reconstruct, Tv, TvFrom, ZeroFilled};
use crate::Task;
use recon_data::Derivation;
use recon_operators::solvers::{TvSettings, WaveletSettings};
use recon_operators::{Identity, PhasedFourier, PhasedSense, Picture, Problem, Radon, Transform};

/// A method without a network, with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Classical {
    /// Filtered back-projection.
    Fbp,
    /// Magnitude of the inverse Fourier transform, zeros where nothing was measured.
    ZeroFilled,
    /// The mean of repeats, weighted by their precisions.
    Average,
    /// Linear interpolation of the rays through metal.
    Li,
    /// Total variation.
    Tv(TvSettings),
    /// Sparsity in wavelets.
    L1Wavelet(WaveletSettings),
}

impl Classical {
    /// How its images come about.
    pub fn derivation(&self) -> Derivation {
        match self {
            Self::Fbp | Self::Li => Derivation::FilteredBackProjection,
            Self::ZeroFilled | Self::Average => Derivation::Other,
            Self::Tv(_) | Self::L1Wavelet(_) => Derivation::Iterative,
        }
    }
}

/// An operator that the program has methods for.
pub trait Acquisition: Transform<Image: Picture> + Clone + 'static {
    /// A classical method for such measurements; none where it makes no sense.
    fn classical(method: &Classical, task: Task) -> Option<Box<dyn Reconstruct<Self>>>;

    /// The image that learned methods start from, where `tv` is the total variation to use.
    fn start(task: Task, tv: TvSettings) -> Box<dyn Reconstruct<Self> + Send>;

    /// The measurement as one of those that networks were trained for; none for other operators.
    fn known(_problem: &Problem<Self>) -> Option<Known<'_>> {
        None
    }
}

/// A measurement by one of the program's own operators.
pub enum Known<'a> {
    /// k-space of a single coil.
    Fourier(&'a Problem<PhasedFourier>),
    /// Parallel views.
    Radon(&'a Problem<Radon>),
}

impl Acquisition for Radon {
    fn classical(method: &Classical, task: Task) -> Option<Box<dyn Reconstruct<Self>>> {
        match (method, task) {
            (Classical::Fbp, _) => Some(Box::new(Direct)),
            (Classical::Li, Task::Mar) => Some(Box::new(LinearInterpolation)),
            (Classical::Tv(settings), Task::Mar) => {
                Some(Box::new(TvFrom { settings: settings.clone(), start: LinearInterpolation }))
            }
            (Classical::Tv(settings), _) => Some(Box::new(Tv { settings: settings.clone() })),
            (Classical::Li | Classical::ZeroFilled | Classical::Average | Classical::L1Wavelet(_), _) => None,
        }
    }

    fn start(task: Task, tv: TvSettings) -> Box<dyn Reconstruct<Self> + Send> {
        if task == Task::Mar { Box::new(LinearInterpolation) } else { Box::new(Tv { settings: tv }) }
    }

    fn known(problem: &Problem<Self>) -> Option<Known<'_>> {
        Some(Known::Radon(problem))
    }
}

/// Images themselves, with noise: what is measured is the mean of their repeats.
impl Acquisition for Identity {
    fn classical(method: &Classical, _task: Task) -> Option<Box<dyn Reconstruct<Self>>> {
        matches!(method, Classical::Average).then(|| Box::new(Direct) as _)
    }

    fn start(_task: Task, _tv: TvSettings) -> Box<dyn Reconstruct<Self> + Send> {
        Box::new(Direct)
    }
}

impl Acquisition for PhasedFourier {
    fn classical(method: &Classical, _task: Task) -> Option<Box<dyn Reconstruct<Self>>> {
        match method {
            Classical::ZeroFilled => Some(Box::new(ZeroFilled)),
            Classical::Tv(settings) => Some(Box::new(Tv { settings: settings.clone() })),
            Classical::L1Wavelet(settings) => Some(Box::new(L1Wavelet { settings: settings.clone() })),
            Classical::Fbp | Classical::Li | Classical::Average => None,
        }
    }

    fn start(_task: Task, tv: TvSettings) -> Box<dyn Reconstruct<Self> + Send> {
        Box::new(Tv { settings: tv })
    }

    fn known(problem: &Problem<Self>) -> Option<Known<'_>> {
        Some(Known::Fourier(problem))
    }
}

impl Acquisition for PhasedSense {
    fn classical(method: &Classical, _task: Task) -> Option<Box<dyn Reconstruct<Self>>> {
        match method {
            Classical::ZeroFilled => Some(Box::new(ZeroFilled)),
            Classical::Tv(settings) => Some(Box::new(Tv { settings: settings.clone() })),
            Classical::L1Wavelet(settings) => Some(Box::new(L1Wavelet { settings: settings.clone() })),
            Classical::Fbp | Classical::Li | Classical::Average => None,
        }
    }

    fn start(_task: Task, tv: TvSettings) -> Box<dyn Reconstruct<Self> + Send> {
        Box::new(Tv { settings: tv })
    }
}
