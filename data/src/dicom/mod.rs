//! DICOM images in, and derived series out.
//!
//! Read: one file, or a folder with one series; slices are sorted along the normal of the images, each with its
//! own rescale slope and intercept. Written: a derived series of CT or MR images that refers to its source.

mod attributes;
mod builder;
mod charset;
mod codestream;
mod deidentify;
mod derived;
mod file;
mod folder;
mod frame;
mod guard;
mod identity;
pub mod network;
mod parse;
mod patient;
mod pixels;
mod repair;
mod series;
mod source;
mod stack;
mod stored;
mod write;

pub use deidentify::Deidentifier;
pub(crate) use file::looks_like;
pub(crate) use folder::{SlicesOfSeries, read_file, read_folder};
pub use series::{Series, series, sha256_series};
pub use source::DicomSource;
pub use stored::StoredScale;
pub(crate) use write::{check_place, write};
