//! A batch of reconstructions as one page for a browser: a single HTML file that asks nothing of a network.
//!
//! A [`Page`] says what is shown. Whoever runs the batch packs a few slices of every case into [`PackedImage`]s, as
//! many and as large as [`Embedding::for_batch`] says, and may write the page again whenever a case is done: packing
//! happens once. Style, program and pixels stand inside the file, and its content security policy forbids every
//! request, so a page can be mailed, archived and opened from a disk. It has no clock and no randomness: equal pages
//! are equal bytes.
//!
//! Names, reasons and warnings come from outside, and are made harmless in one place. Nothing about a patient is added:
//! a page says what it is handed.

mod card;
mod case;
mod document;
mod embedding;
mod escape;
mod header;
mod numbers;
mod overview;
mod packed;
mod summary;

pub use case::{CaseStatus, Excerpt, Layer, LayerKind, PageCase, PageTypicality};
pub use document::Page;
pub use embedding::{Embedding, evenly_spaced, shrink};
pub use packed::{Depth, PackedImage};
pub use summary::Summary;
pub(super) use summary::times;
