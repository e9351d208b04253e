//! The only place where ndarray and candle meet.

use candle_core::{Device, Result, Tensor, bail};
use ndarray::Array2;

/// Stacks images of equal shape into `[b, 1, row, col]`.
///
/// # Errors
/// When there is no image, when shapes differ, or when the device refuses the memory.
pub fn to_tensor(images: &[Array2<f32>], device: &Device) -> Result<Tensor> {
    let Some(first) = images.first() else { bail!("no image to make a tensor of") };
    let (rows, cols) = first.dim();
    if let Some(other) = images.iter().find(|image| image.dim() != (rows, cols)) {
        bail!("images of shape {:?} and {:?} cannot share a batch", first.dim(), other.dim());
    }
    let values: Vec<f32> = images.iter().flat_map(|image| image.iter().copied()).collect();
    Tensor::from_vec(values, (images.len(), 1, rows, cols), device)
}

/// The images of a batch `[b, 1, row, col]`.
///
/// # Errors
/// When the tensor has another number of axes or channels, or cannot be copied to the host.
pub fn to_images(batch: &Tensor) -> Result<Vec<Array2<f32>>> {
    let (count, channels, rows, cols) = batch.dims4()?;
    if channels != 1 {
        bail!("images have one channel, this batch has {channels}");
    }
    (0..count).map(|i| to_image(&batch.get(i)?, rows, cols)).collect()
}

fn to_image(tensor: &Tensor, rows: usize, cols: usize) -> Result<Array2<f32>> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    Array2::from_shape_vec((rows, cols), values).map_err(candle_core::Error::wrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_survive_the_way_to_a_tensor_and_back_in_any_memory_order() {
        let image = Array2::from_shape_fn((3, 5), |(i, j)| (10 * i + j) as f32);
        let turned = Array2::from_shape_fn((5, 3), |(i, j)| (10 * j + i) as f32).reversed_axes();
        let batch = to_tensor(&[image.clone(), turned.clone()], &Device::Cpu).unwrap();
        assert_eq!(batch.dims(), [2, 1, 3, 5]);
        assert_eq!(to_images(&batch).unwrap(), [image, turned]);
    }

    #[test]
    fn images_of_different_shapes_are_refused() {
        let images = [Array2::zeros((2, 3)), Array2::zeros((3, 2))];
        assert!(to_tensor(&images, &Device::Cpu).is_err());
        assert!(to_tensor(&[], &Device::Cpu).is_err());
    }
}
