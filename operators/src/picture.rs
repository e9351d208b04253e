//! Images as stacks of real channels, the form in which networks take them.

use crate::Field;
use ndarray::{Array2, Array3, Axis, Zip};
use num_complex::Complex32;

/// An image made of real channels of one shape.
pub trait Picture: Field {
    /// The channels, (row, col) each.
    fn channels(&self) -> Vec<Array2<f32>>;

    /// The image of these channels; as many as [`Picture::channels`] makes.
    fn of_channels(channels: Vec<Array2<f32>>) -> Self;

    /// The numbers that tell how bright the image is.
    fn intensities(&self) -> Vec<f32>;
}

/// One channel: the image itself.
impl Picture for Array2<f32> {
    fn channels(&self) -> Vec<Array2<f32>> {
        vec![self.clone()]
    }
    fn of_channels(channels: Vec<Array2<f32>>) -> Self {
        channels.into_iter().next().unwrap_or_default()
    }
    fn intensities(&self) -> Vec<f32> {
        self.iter().copied().collect()
    }
}

/// Two channels: the real and the imaginary part.
impl Picture for Array2<Complex32> {
    fn channels(&self) -> Vec<Array2<f32>> {
        vec![self.mapv(|value| value.re), self.mapv(|value| value.im)]
    }
    fn of_channels(channels: Vec<Array2<f32>>) -> Self {
        let [real, imaginary] = &channels[..] else { return <Self as Default>::default() };
        Zip::from(real).and(imaginary).map_collect(|&re, &im| Complex32::new(re, im))
    }
    fn intensities(&self) -> Vec<f32> {
        self.iter().map(|value| value.norm()).collect()
    }
}

/// A slab: its slices are the channels.
impl Picture for Array3<f32> {
    fn channels(&self) -> Vec<Array2<f32>> {
        self.outer_iter().map(|slice| slice.to_owned()).collect()
    }
    fn of_channels(channels: Vec<Array2<f32>>) -> Self {
        let views: Vec<_> = channels.iter().map(|channel| channel.view()).collect();
        ndarray::stack(Axis(0), &views).unwrap_or_default()
    }
    fn intensities(&self) -> Vec<f32> {
        self.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn survives<P: Picture + PartialEq + std::fmt::Debug>(picture: &P, channels: usize) {
        let parts = picture.channels();
        assert_eq!(parts.len(), channels);
        assert_eq!(P::of_channels(parts), *picture);
    }

    #[test]
    fn pictures_survive_as_channels() {
        survives(&array![[1.0f32, -2.0], [3.0, 4.0]], 1);
        survives(&array![[Complex32::new(3.0, -4.0), Complex32::new(0.5, 0.25)]], 2);
        survives(&Array3::from_shape_fn((3, 2, 2), |(k, i, j)| (4 * k + 2 * i + j) as f32), 3);
        assert_eq!(array![[Complex32::new(3.0, -4.0)]].intensities(), [5.0]);
    }
}
