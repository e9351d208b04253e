//! One case of a page: what was done, how far it came, and a few pictures of it.

use super::PackedImage;
use crate::judge::Comparison;
use crate::report::preview::Window;
use serde::{Deserialize, Serialize};

/// How far a case came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseStatus {
    /// Its result is there.
    Done,
    /// It ended without a result.
    Failed,
    /// It is being reconstructed.
    Running,
    /// It waits for its turn.
    #[default]
    Pending,
}

impl CaseStatus {
    /// Every status, in the order that pages show.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Running, Self::Pending];

    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Pending => "pending",
        }
    }
}

/// How a model takes the result of a case; see [`crate::Typicality`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageTypicality {
    /// The denoising error of the slice that the model knows least.
    pub denoising_error: f64,
    /// The least and the largest denoising error of slices that the model knows.
    pub known: Option<[f64; 2]>,
}

impl PageTypicality {
    /// Whether the error is outside the known range; not when no range is known.
    pub fn is_strange(&self) -> bool {
        self.known.is_some_and(|[low, high]| !(low..=high).contains(&self.denoising_error))
    }
}

/// What the pictures of a layer show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    /// The reference.
    Truth,
    /// A classical reconstruction of the same data.
    Baseline,
    /// The reconstruction.
    Result,
    /// The standard deviation of posterior samples, laid over the others.
    StandardDeviation,
}

impl LayerKind {
    /// Its name in the page.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Truth => "truth",
            Self::Baseline => "baseline",
            Self::Result => "result",
            Self::StandardDeviation => "deviation",
        }
    }
}

/// Pictures of one kind, one for each slice that is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Layer {
    /// What they show.
    pub kind: LayerKind,
    /// What is written beside them: the name of a method, for instance. May be empty.
    pub label: String,
    /// The pictures, in the order of [`PageCase::slice_numbers`].
    pub slices: Vec<PackedImage>,
    /// The unit of their values, such as `HU`; with that one, the page offers the windows of CT.
    pub unit: String,
    /// The window that they are first shown in.
    pub window: Window,
}

/// Pictures of a case, kept for a page that is made later.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Excerpt {
    /// See [`PageCase::slice_numbers`].
    pub slice_numbers: Vec<usize>,
    /// See [`PageCase::pixel_aspect`].
    pub pixel_aspect: Option<f64>,
    /// See [`PageCase::layers`].
    pub layers: Vec<Layer>,
}

/// One case of a batch.
#[derive(Clone, Debug, Default)]
pub struct PageCase {
    /// What it is called.
    pub name: String,
    /// What is measured.
    pub task: String,
    /// Method of reconstruction.
    pub method: String,
    /// Progress of the case.
    pub status: CaseStatus,
    /// Why: of a failure its message, of a case that waits what it waits for.
    pub reason: Option<String>,
    /// Wall time, seconds.
    pub seconds: Option<f64>,
    /// How often networks were called.
    pub network_calls: Option<u64>,
    /// `‖Λ(T x − y)‖ / ‖Λ y‖`; see [`crate::report::data_residual`].
    pub data_residual: Option<f64>,
    /// How the model takes the result.
    pub typicality: Option<PageTypicality>,
    /// Result and baselines against the truth.
    pub metrics: Option<Comparison>,
    /// What to be careful about.
    pub warnings: Vec<String>,
    /// Path of the result, as tables give it.
    pub output: Option<String>,
    /// Files beside the page: a label, and a path relative to the page. Other paths are shown and not linked.
    pub links: Vec<(String, String)>,
    /// The number in its volume of every slice that is shown.
    pub slice_numbers: Vec<usize>,
    /// Height of a pixel in widths of a pixel; none for square ones.
    pub pixel_aspect: Option<f64>,
    /// The pictures.
    pub layers: Vec<Layer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_is_what_lies_out_of_a_known_range() {
        let of = |denoising_error, known| PageTypicality { denoising_error, known }.is_strange();
        assert!(!of(0.2, Some([0.1, 0.2])) && !of(9.0, None));
        assert!(of(0.21, Some([0.1, 0.2])) && of(0.05, Some([0.1, 0.2])) && of(f64::NAN, Some([0.1, 0.2])));
    }
}
