//! Looks at data before they are believed: each warning names what is probably wrong and what would mend it.
//!
//! Nothing is changed here. What cannot be right at all is refused where the data are opened.

pub(super) mod image;
pub(super) mod kspace;
pub(super) mod sinogram;

/// Mean and standard deviation of numbers.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Standard deviation in units of the mean's modulus; infinite about 0.
fn variation(values: &[f64]) -> f64 {
    let (mean, deviation) = moments(values);
    if mean == 0.0 { f64::INFINITY } else { deviation / mean.abs() }
}

/// The middle of numbers.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
