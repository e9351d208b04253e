//! What happens to a case: measure, reconstruct, compare, write. Knows no network and no tensor.
//!
//! A [`CaseSpec`] is a value that says everything about a result: the [`Input`], the [`TaskSpec`] (what is measured), the
//! method, the seed and the [`Outputs`]. [`run`] opens the input as a [`Study`], gives each slice's
//! [`recon_operators::Problem`] to a method that implements [`Reconstruct`], keeps finished slices on disk and writes the
//! result. The classical methods live here; learned ones implement the same trait elsewhere and come in by [`Methods`].
//! Methods see problems only, never the image that a retrospective case was simulated from.

pub mod batch;
mod case;
pub mod judge;
mod method;
mod names;
mod paths;
mod refused;
pub mod report;
pub mod task;

pub use case::{
    CaseSpec, Estimate as CaseEstimate, Method, Methods, Options, Outcome, Outputs, Pace, SCHEMA, Schema,
    SliceRecord, Solved, Solver, Target, Watch, check_folder, check_npy, check_path, estimate, overwrite,
    run, sibling, target,
};
pub use method::{
    Acquisition, Classical, Direct, Estimate, Known, L1Wavelet, LinearInterpolation, Map, Progress, Quiet,
    Reconstruct, Silent, SliceSeed, Spread, Tv, TvFrom, Typicality, ZeroFilled,
};
pub use names::{FilterName, ModalityName, Named, PhaseAxisName, SamplingName, UnitName};
pub use refused::{Cancelled, Refused, one_line};
pub use task::{
    Body, CaseSeed, Correction, CtSpec, DenoiseSpec, Frame, ImageCt, ImageDenoise, ImageInput, ImageMar,
    ImageMri, ImageOf, ImageSize, Images, Input, KspaceInput, KspaceMri, MarSpec, MaskChoice, Metal, MriSpec,
    RawMri, Remarks, SamplingSpec, SinogramCt, SinogramInput, Slice, SliceRange, Study, Task, TaskSpec,
    Truth, VIEWS, Values, raw_kspace,
};
