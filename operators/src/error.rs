//! What can be wrong with a geometry, a sampling plan or a comparison.

/// Why an operator, a mask or a metric cannot be made.
///
/// Each message says what is wrong and what would be right, so that it can be shown as it stands.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// An axis has length zero.
    #[error("{rows}x{cols} is empty; both sides must be at least 1")]
    EmptyImage {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        cols: usize,
    },
    /// A matrix across channels is not square, or its rows are not orthonormal.
    #[error(
        "the {rows}x{cols} matrix across channels is not orthonormal; its rows must be, and as many as columns"
    )]
    NotOrthonormal {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// The geometry has no angle.
    #[error("there are no projection angles; at least one view is needed")]
    NoAngles,
    /// An angle is NaN or infinite.
    #[error("projection angle {index} is not a finite number")]
    AngleNotFinite {
        /// Position of the angle in the list, from zero.
        index: usize,
    },
    /// The geometry has no detector bin.
    #[error("there are no detector bins; at least one is needed")]
    NoDetectors,
    /// The axis of rotation falls beside the detector.
    #[error(
        "the axis of rotation lies {offset} bins off the middle of a detector of {detectors}; it must fall on it"
    )]
    AxisOutside {
        /// Bins from the middle.
        offset: f64,
        /// Bins of the detector.
        detectors: usize,
    },
    /// A spacing is zero, negative, NaN or infinite.
    #[error("the {what} is {value}; it must be a positive length in mm")]
    Spacing {
        /// Which spacing.
        what: &'static str,
        /// Its value in mm.
        value: f32,
    },
    /// Angles that cover half a turn or more cannot be refined.
    #[error("the angles span {degrees:.3} degrees; views can only be refined when they span less than 180")]
    AnglesSpanTooMuch {
        /// The span.
        degrees: f64,
    },
    /// A factor that must be at least one is zero.
    #[error("the refinement factor is 0; it must be at least 1")]
    RefinementFactor,
    /// The acceleration is below one or not finite.
    #[error("the acceleration is {0}; it must be a finite number of at least 1")]
    Acceleration(f64),
    /// The fraction of centre lines is outside [0, 1].
    #[error("the centre fraction is {0}; it must lie between 0 and 1")]
    CenterFraction(f64),
    /// The centre alone has more than `size / acceleration` entries.
    #[error(
        "the fully sampled centre takes {center} of {size}, but an acceleration of {acceleration} leaves only \
         {budget}; lower the centre fraction or the acceleration"
    )]
    CenterTooLarge {
        /// Entries in the centre.
        center: usize,
        /// All entries.
        size: usize,
        /// The acceleration asked for.
        acceleration: f64,
        /// Entries that the acceleration allows.
        budget: usize,
    },
    /// The first line lies outside the array.
    #[error("the mask offset is {offset}, but there are only {size} lines")]
    Offset {
        /// The offset asked for.
        offset: usize,
        /// The number of lines.
        size: usize,
    },
    /// Two arrays that must agree in shape do not.
    #[error("the reference has shape {reference:?} and the result {result:?}; they must be equal")]
    ShapeMismatch {
        /// Axis lengths of the first array.
        reference: Vec<usize>,
        /// Axis lengths of the second array.
        result: Vec<usize>,
    },
    /// An array holds NaN or infinite values.
    #[error("the {0} holds values that are not finite numbers")]
    NotFinite(&'static str),
    /// SSIM needs at least one whole window.
    #[error("slices of {rows}x{cols} are smaller than the {window}x{window} window of SSIM")]
    SmallerThanWindow {
        /// Rows of a slice.
        rows: usize,
        /// Columns of a slice.
        cols: usize,
        /// Side of the window.
        window: usize,
    },
    /// The data are not those of the transform.
    #[error("the data have shape {found:?}, but the transform makes {expected:?}; they must be equal")]
    DataShape {
        /// Axis lengths of what the transform makes.
        expected: Vec<usize>,
        /// Axis lengths of the data.
        found: Vec<usize>,
    },
    /// The mask has not one flag for every entry of the data.
    #[error("the mask has {flags} flags for {entries} entries of data; it must have one for each")]
    MaskLength {
        /// Flags of the mask.
        flags: usize,
        /// Entries of the data.
        entries: usize,
    },
    /// There are no coils.
    #[error("there are no coils; at least one is needed")]
    NoCoils,
    /// The fully sampled centre of k-space does not hold a kernel.
    #[error(
        "the fully sampled centre of k-space has {rows}x{cols} samples; the coils can be calibrated from {needed} or more"
    )]
    CalibrationTooSmall {
        /// Rows of the centre.
        rows: usize,
        /// Columns of the centre.
        cols: usize,
        /// What is needed, as rows x columns.
        needed: String,
    },
    /// The calibration data are zero.
    #[error("the centre of k-space holds nothing but zeros; the coils cannot be calibrated from it")]
    NoSignal,
    /// There are fewer noise samples than a covariance needs.
    #[error(
        "there are {samples} noise samples for {coils} coils; at least twice as many as coils are needed"
    )]
    TooFewNoiseSamples {
        /// Samples of each coil.
        samples: usize,
        /// Number of coils.
        coils: usize,
    },
    /// A noise covariance cannot be inverted.
    #[error("the noise covariance of the coils is singular: a coil is silent, or two are the same; drop one")]
    SingularNoise,
    /// More or fewer virtual coils than there can be.
    #[error("{asked} virtual coils cannot be made of {coils} coils; ask for 1 to {coils}")]
    VirtualCoils {
        /// Number asked for.
        asked: usize,
        /// Number of coils.
        coils: usize,
    },
    /// Two arrays have another number of coils.
    #[error("there are {found} coils where {expected} are expected; they must be equal")]
    CoilCount {
        /// Number of coils of the first.
        expected: usize,
        /// Number of coils of the second.
        found: usize,
    },
    /// No two lines beside one another were measured.
    #[error(
        "no two lines of k-space beside one another were measured; GRAPPA learns from at least two in the middle"
    )]
    TooFewLines,
    /// The noise has not one standard deviation for every entry of the data.
    #[error(
        "the noise has {stds} standard deviations for {entries} entries of data; it must have one for each"
    )]
    NoiseLength {
        /// Standard deviations of the noise.
        stds: usize,
        /// Entries of the data.
        entries: usize,
    },
    /// Lines cannot be folded a whole number of times.
    #[error(
        "{lines} lines cannot be left out evenly at {acceleration}x; the acceleration must divide their number"
    )]
    UnevenFolding {
        /// Number of lines.
        lines: usize,
        /// The acceleration.
        acceleration: usize,
    },
}
