//! Acquisitions: what is measured of a scan, and what becomes of results.

pub mod arrays;
mod body;
mod check;
pub mod ct;
pub mod denoise;
mod frame;
mod grid;
mod images;
mod input;
mod levels;
pub mod mar;
pub mod mri;
mod noise;
mod range;
mod remarks;
mod sampling;
mod size;
mod spec;
mod study;
mod truth;

pub use body::Body;
pub use ct::{ImageCt, SinogramCt};
pub use denoise::ImageDenoise;
pub use frame::{Frame, Values};
pub use images::{Images, has_slice_axis};
pub use input::{ImageInput, Input, KspaceInput, SinogramInput};
pub use mar::{Correction, ImageMar, Metal};
pub use mri::{ImageMri, KspaceMri};
pub use range::SliceRange;
pub use remarks::Remarks;
pub use sampling::{MaskChoice, SamplingSpec, center_fraction};
pub use size::{ImageSize, MAX_SIDE};
pub use spec::{CtSpec, DenoiseSpec, MarSpec, MriSpec, Task, TaskSpec, VIEWS};
pub use study::{CaseSeed, ImageOf, Slice, Study};
pub use truth::Truth;
