//! What can be done with latents: interpolation and temperature (dissertation, appendix B.5.4 and figure B.40).

use crate::score::tensors::{dot, norms, scaled};
use candle_core::{Result, Tensor};

/// Below this sine two latents count as parallel, and the straight line as the arc.
const PARALLEL: f64 = 1e-6;

/// `sin((1−w)φ)/sin φ · a + sin(wφ)/sin φ · b` for every image, `φ` being the angle between its two latents: the
/// arc between them, `a` at `w = 0` and `b` at `w = 1`. A mean of Gaussian latents would be too short to be one.
///
/// # Errors
/// When the shapes differ or the tensor arithmetic fails.
pub fn spherical_interpolation(a: &Tensor, b: &Tensor, weight: f64) -> Result<Tensor> {
    let lengths = norms(a)?.into_iter().zip(norms(b)?);
    let cosines: Vec<f64> =
        dot(a, b)?.to_vec1::<f64>()?.into_iter().zip(lengths).map(|(dot, (a, b))| dot / (a * b)).collect();
    let (of_a, of_b): (Vec<f64>, Vec<f64>) = cosines.into_iter().map(|c| arc(c, weight)).unzip();
    scaled(a, &of_a)? + scaled(b, &of_b)?
}

fn arc(cosine: f64, weight: f64) -> (f64, f64) {
    let angle = cosine.clamp(-1.0, 1.0).acos();
    // A latent without length has no angle: its cosine is not a number.
    if angle.is_nan() || angle.sin() < PARALLEL {
        return (1.0 - weight, weight);
    }
    (((1.0 - weight) * angle).sin() / angle.sin(), (weight * angle).sin() / angle.sin())
}

/// `√temperature · z`: latents of a prior with its variance multiplied by `temperature`. Below 1 images come
/// nearer to the middle of their distribution.
///
/// # Errors
/// When the tensor arithmetic fails.
pub fn tempered(z: &Tensor, temperature: f64) -> Result<Tensor> {
    z * temperature.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn latent(values: [f64; 4]) -> Tensor {
        Tensor::from_slice(&values, (1, 1, 2, 2), &Device::Cpu).unwrap()
    }

    fn numbers(x: &Tensor) -> Vec<f64> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn the_arc_keeps_the_length_and_meets_its_ends() {
        let (a, b) = (latent([3.0, 0.0, 0.0, 4.0]), latent([0.0, 5.0, 0.0, 0.0]));
        let middle = spherical_interpolation(&a, &b, 0.5).unwrap();
        let half = 0.5f64.sqrt();
        for (value, expected) in numbers(&middle).iter().zip([3.0 * half, 5.0 * half, 0.0, 4.0 * half]) {
            assert!((value - expected).abs() < 1e-12);
        }
        assert!((norms(&middle).unwrap()[0] - 5.0).abs() < 1e-12);
        for (value, expected) in
            numbers(&spherical_interpolation(&a, &b, 1.0).unwrap()).iter().zip(numbers(&b))
        {
            assert!((value - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn parallel_and_empty_latents_are_mixed_straight() {
        let (a, none) = (latent([1.0, 2.0, 0.0, 0.0]), latent([0.0; 4]));
        assert_eq!(numbers(&spherical_interpolation(&a, &a, 0.3).unwrap())[1], 2.0);
        assert_eq!(numbers(&spherical_interpolation(&a, &none, 0.5).unwrap())[1], 1.0);
    }

    #[test]
    fn temperature_is_a_factor_on_the_variance() {
        assert_eq!(numbers(&tempered(&latent([2.0, 0.0, -4.0, 0.0]), 0.25).unwrap()), [1.0, 0.0, -2.0, 0.0]);
    }
}
