//! What is made of several samples of one posterior, voxel by voxel.

use crate::settings::PointEstimate;
use anyhow::Result;
use ndarray::{Array2, Axis, stack};
use recon_operators::{Picture, Rank, quantile};
use recon_pipelines::Map;

/// The image that stands for several.
pub(super) fn point_estimate<P: Picture>(images: &[P], estimate: PointEstimate) -> Result<P> {
    match estimate {
        PointEstimate::Sample => Ok(images[0].clone()),
        PointEstimate::Mean => per_voxel(images, |values| mean(values) as f32),
        PointEstimate::Median => per_voxel(images, |values| of(values, 0.5)),
    }
}

/// The spread of several images, so many times as wide about their mean.
pub(super) fn maps<P: Picture>(images: &[P], widening: f64) -> Result<Vec<(Map, P)>> {
    let widened = |share: f64| {
        per_voxel(images, |values| {
            let centre = mean(values);
            (centre + widening * (f64::from(of(values, share)) - centre)) as f32
        })
    };
    let mut std = deviation(images)?;
    std.scale(widening as f32);
    Ok(vec![(Map::Std, std), (Map::Low, widened(0.05)?), (Map::High, widened(0.95)?)])
}

/// Standard deviation with `K − 1` in the denominator.
fn deviation<P: Picture>(images: &[P]) -> Result<P> {
    per_voxel(images, |values| {
        let centre = mean(values);
        let squares: f64 = values.iter().map(|&v| (f64::from(v) - centre).powi(2)).sum();
        (squares / (values.len() - 1) as f64).sqrt() as f32
    })
}

fn per_voxel<P: Picture>(images: &[P], reduce: impl Fn(&mut [f32]) -> f32) -> Result<P> {
    let stacks: Vec<Vec<Array2<f32>>> = images.iter().map(Picture::channels).collect();
    let channel = |c: usize| {
        let views: Vec<_> = stacks.iter().map(|channels| channels[c].view()).collect();
        let together = stack(Axis(2), &views)?;
        Ok(together.map_axis(Axis(2), |values| reduce(&mut values.to_vec())))
    };
    let count = stacks.first().map_or(0, Vec::len);
    Ok(P::of_channels((0..count).map(channel).collect::<Result<_>>()?))
}

/// The quantile at this `share`; there is always a value.
fn of(values: &mut [f32], share: f64) -> f32 {
    quantile(values, share, Rank::Linear).unwrap_or(f32::NAN)
}

fn mean(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn point_estimates_and_deviation_of_known_numbers() {
        let images: Vec<_> = [1.0, 9.0, 2.0, 4.0].map(|v: f32| array![[v, -v]]).to_vec();
        assert_eq!(point_estimate(&images, PointEstimate::Mean).unwrap(), array![[4.0, -4.0]]);
        assert_eq!(point_estimate(&images, PointEstimate::Median).unwrap(), array![[3.0, -3.0]]);
        assert_eq!(point_estimate(&images[..3], PointEstimate::Median).unwrap(), array![[2.0, -2.0]]);
        assert_eq!(point_estimate(&images, PointEstimate::Sample).unwrap(), images[0]);
        let found =
            |kind| maps(&images, 1.0).unwrap().into_iter().find(|(map, _)| *map == kind).unwrap().1[[0, 0]];
        // Of 1, 2, 4, 9: 15 % of the way from the first to the second, 85 % from the third to the last.
        assert!((found(Map::Low) - 1.15).abs() < 1e-5 && (found(Map::High) - 8.25).abs() < 1e-5);
        let expected = (38.0f32 / 3.0).sqrt();
        assert!((deviation(&images).unwrap()[[0, 1]] - expected).abs() < 1e-6);
        // Twice as far from 4.
        let wide: Vec<f32> = maps(&images, 2.0).unwrap().iter().map(|(_, image)| image[[0, 0]]).collect();
        for (wide, expected) in wide.iter().zip([2.0 * expected, -1.7, 12.5]) {
            assert!((wide - expected).abs() < 1e-5, "{wide} is not {expected}");
        }
    }
}
