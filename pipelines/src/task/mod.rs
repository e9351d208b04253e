//! Acquisitions: what is measured of a scan, and what becomes of results.

pub mod arrays;
mod body;
mod check;
pub mod ct;
mod frame;
mod images;
mod input;
pub mod mar;
pub mod mri;
mod phase;
mod range;
pub mod raw;
mod remarks;
mod size;
mod spec;
mod study;
mod truth;

pub use body::Body;
pub use ct::{ImageCt, SinogramCt};
pub use frame::{Frame, Values};
pub use images::{Images, has_slice_axis};
pub use input::{ImageInput, Input, KspaceInput, SinogramInput};
pub use mar::{Correction, ImageMar, Metal};
pub use mri::{ImageMri, KspaceMri};
pub use range::SliceRange;
pub use raw::{RawMri, raw_kspace};
pub use remarks::Remarks;
pub use size::{ImageSize, MAX_SIDE};
pub use spec::{CtSpec, MarSpec, MaskChoice, MriSpec, SamplingSpec, Task, TaskSpec, VIEWS, center_fraction};
pub use study::{CaseSeed, ImageOf, Slice, Study};
pub use truth::Truth;
