//! Images between arrays and tensors.

use candle_core::{Device, Result, Tensor, bail};
use ndarray::Array2;
use recon_operators::Picture;

/// Stacks images of equal shape into `[b, channel, row, col]`.
///
/// # Errors
/// When there is no image, when shapes differ, or when the device refuses the memory.
pub fn to_tensor<P: Picture>(images: &[P], device: &Device) -> Result<Tensor> {
    let stacks: Vec<Vec<Array2<f32>>> = images.iter().map(Picture::channels).collect();
    let Some(first) = stacks.first().and_then(|channels| channels.first()) else {
        bail!("no image to make a tensor of")
    };
    let ((rows, cols), channels) = (first.dim(), stacks[0].len());
    if let Some(other) = stacks.iter().flatten().find(|channel| channel.dim() != (rows, cols)) {
        bail!("images of shape {:?} and {:?} cannot share a batch", first.dim(), other.dim());
    }
    if stacks.iter().any(|stack| stack.len() != channels) {
        bail!("images of different numbers of channels cannot share a batch");
    }
    let values: Vec<f32> = stacks.iter().flatten().flat_map(|channel| channel.iter().copied()).collect();
    Tensor::from_vec(values, (images.len(), channels, rows, cols), device)
}

/// The images of a batch `[b, channel, row, col]`.
///
/// # Errors
/// When the tensor has another number of axes, or of channels than such images, or cannot be copied to the host.
pub fn to_pictures<P: Picture>(batch: &Tensor) -> Result<Vec<P>> {
    let (count, channels, rows, cols) = batch.dims4()?;
    let picture = |i: usize| {
        let image = batch.get(i)?;
        let channel = |c: usize| to_image(&image.get(c)?, rows, cols);
        let picture = P::of_channels((0..channels).map(channel).collect::<Result<_>>()?);
        if picture.channels().len() != channels {
            bail!("such images have another number of channels than {channels}");
        }
        Ok(picture)
    };
    (0..count).map(picture).collect()
}

/// The images of a batch `[b, 1, row, col]`.
///
/// # Errors
/// As [`to_pictures`].
pub fn to_images(batch: &Tensor) -> Result<Vec<Array2<f32>>> {
    to_pictures(batch)
}

fn to_image(tensor: &Tensor, rows: usize, cols: usize) -> Result<Array2<f32>> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    Array2::from_shape_vec((rows, cols), values).map_err(candle_core::Error::wrap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use num_complex::Complex32;

    #[test]
    fn images_survive_the_way_to_a_tensor_and_back_in_any_memory_order() {
        let image = Array2::from_shape_fn((3, 5), |(i, j)| (10 * i + j) as f32);
        let turned = Array2::from_shape_fn((5, 3), |(i, j)| (10 * j + i) as f32).reversed_axes();
        let batch = to_tensor(&[image.clone(), turned.clone()], &Device::Cpu).unwrap();
        assert_eq!(batch.dims(), [2, 1, 3, 5]);
        assert_eq!(to_images(&batch).unwrap(), [image, turned]);
    }

    #[test]
    fn complex_images_and_slabs_are_channels() {
        let complex = Array2::from_shape_fn((3, 5), |(i, j)| Complex32::new(i as f32, j as f32));
        let batch = to_tensor(std::slice::from_ref(&complex), &Device::Cpu).unwrap();
        assert_eq!(batch.dims(), [1, 2, 3, 5]);
        assert_eq!(to_pictures::<Array2<Complex32>>(&batch).unwrap(), [complex]);
        let slab = Array3::from_shape_fn((4, 3, 5), |(k, i, j)| (100 * k + 10 * i + j) as f32);
        let batch = to_tensor(std::slice::from_ref(&slab), &Device::Cpu).unwrap();
        assert_eq!(batch.dims(), [1, 4, 3, 5]);
        assert_eq!(to_pictures::<Array3<f32>>(&batch).unwrap(), [slab]);
        assert!(to_images(&batch).is_err(), "four channels are not one image");
    }

    #[test]
    fn images_of_different_shapes_are_refused() {
        let images = [Array2::<f32>::zeros((2, 3)), Array2::zeros((3, 2))];
        assert!(to_tensor(&images, &Device::Cpu).is_err());
        assert!(to_tensor::<Array2<f32>>(&[], &Device::Cpu).is_err());
    }
}
