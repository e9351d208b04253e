//! The noise levels of a training, as an argument.

/// The noise levels that a denoiser learns from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseChoice {
    /// The median, in model units.
    pub median: f64,
    /// The spread of the logarithm.
    pub spread: f64,
}

/// Reads `MEDIAN:SPREAD`.
///
/// # Errors
/// When it is something else.
pub(super) fn parse_noise(text: &str) -> Result<NoiseChoice, String> {
    let number = |text: &str| text.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    let parts = text.split_once(':').and_then(|(median, spread)| Some((number(median)?, number(spread)?)));
    let (median, spread) = parts.ok_or("write MEDIAN:SPREAD, two positive numbers such as 0.1:1.4")?;
    Ok(NoiseChoice { median, spread })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_two_positive_numbers() {
        assert_eq!(parse_noise("0.4:1.5"), Ok(NoiseChoice { median: 0.4, spread: 1.5 }));
        for bad in ["", "0.4", "0.4:", "0:1", "1:-1", "nan:1", "1:inf", "1:2:3"] {
            assert!(parse_noise(bad).is_err(), "{bad}");
        }
    }
}
