//! What a raw file holds, and what would be done with it.

use ndarray::Array2;
use num_complex::Complex32;
use serde::Serialize;

/// The axis of a slice (coil, row, col) along which lines were skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseAxis {
    /// Rows are phase-encoding steps, columns the readout: whole rows are sampled or not.
    Rows,
    /// Columns are phase-encoding steps, rows the readout, as fastMRI stores it.
    Cols,
    /// Both axes are phase-encoding steps: single samples are there or not.
    Both,
}

/// Which measurement a slice of a raw file is. Files without such counters count in `slice` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Frame {
    /// Time or repetition.
    pub repetition: usize,
    /// Echo or contrast.
    pub contrast: usize,
    /// Phase of the heart or of breathing.
    pub phase: usize,
    /// Set, such as a velocity encoding.
    pub set: usize,
    /// Place of the slice; position along the readout where k-space is three-dimensional.
    pub slice: usize,
}

/// Samples of receivers that heard nothing but noise.
#[derive(Clone, Debug)]
pub struct NoiseScan {
    /// Axes (coil, sample).
    pub samples: Array2<Complex32>,
    /// Dwell time of the noise samples over that of the measurement. Noise of the measurement has the variance of `samples`
    /// times this number, as the variance of a sample grows with the bandwidth; 1 where the file does not say.
    pub variance_scale: f32,
}

/// What a raw file holds, without anything that names a patient. What [`FileInfo`](crate::FileInfo) has as well is not
/// serialised again.
#[derive(Clone, Debug, Serialize)]
pub struct RawInfo {
    /// `fastMRI HDF5`, `ISMRMRD HDF5`, `BART cfl` or `NumPy`.
    #[serde(skip)]
    pub format: String,
    /// Receive coils.
    pub coils: usize,
    /// Samples of a slice along (row, col) as they are stored.
    pub matrix: [usize; 2],
    /// Lengths of an image along (row, col) that the scanner would show: the middle of what is reconstructed.
    pub recon_matrix: [usize; 2],
    /// How many times more samples along the readout than the field of view needs.
    pub oversampling: f32,
    /// Along which axis lines were skipped.
    pub phase_axis: PhaseAxis,
    /// What the file says about which samples were taken.
    pub mask: Option<String>,
    /// Samples of the noise scan, for each coil.
    pub noise: Option<usize>,
    /// The reconstruction in the file, by the name of its data set.
    pub reference: Option<String>,
    /// Images: all slices, echoes, phases, repetitions and sets.
    #[serde(skip)]
    pub slices: usize,
    /// Repetitions over time.
    pub repetitions: usize,
    /// Averages, which are summed.
    pub averages: usize,
    /// Whether k-space has three dimensions, so that slices are positions along the readout.
    pub three_dimensional: bool,
    /// What is done to the samples before an image is made, one sentence each.
    pub plan: Vec<String>,
    /// What a user should know, one sentence each.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl RawInfo {
    /// A slice of these axes, with nothing done to it.
    pub(super) fn plain(format: &str, [slices, coils, rows, cols]: [usize; 4]) -> Self {
        Self {
            format: format.to_owned(),
            coils,
            matrix: [rows, cols],
            recon_matrix: [rows, cols],
            oversampling: 1.0,
            phase_axis: PhaseAxis::Cols,
            mask: None,
            noise: None,
            reference: None,
            slices,
            repetitions: 1,
            averages: 1,
            three_dimensional: false,
            plan: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
