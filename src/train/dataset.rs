//! Training images: volumes in model units, and random parts of their slices.

use super::augmentation::Augmentation;
use super::crop::Extent;
use super::resample::resize;
use crate::models::ValueMapping;
use crate::score::bridge::to_tensor;
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use rand::{Rng, RngExt};
use recon_data::Format;
use std::path::{Path, PathBuf};

/// Slices that count at most for the weight of a volume: long series should not outvote the others.
const COUNTED_SLICES: usize = 8;
/// A slice shows something where it is brighter than this, in model units: −800 HU, a tenth of MR's bright tissue.
const BRIGHT: f32 = 0.1;
/// Share of a CT slice that shows something at least.
const CT_FILLED: f64 = 0.005;
/// The same for MR, where most of a volume's first and last slices is air and noise.
const MR_FILLED: f64 = 0.05;

/// The slices of each volume, in model units.
pub struct Dataset {
    volumes: Vec<Vec<Array2<f32>>>,
    /// Running sums of the volumes' weights.
    cumulative: Vec<f64>,
}

impl Dataset {
    /// Reads files, series folders, and folders of such files. `on_file` is told each path before it is read.
    ///
    /// # Errors
    /// When a file cannot be read or nothing usable is left.
    pub fn read(paths: &[PathBuf], mapping: ValueMapping, on_file: &mut dyn FnMut(&Path)) -> Result<Self> {
        let mut volumes = Vec::new();
        for path in paths {
            for file in files_of(path)? {
                on_file(&file);
                // Mapped at once, so that only what is kept stays in memory.
                volumes.push(slices(recon_data::read(&file)?.volume.voxels, &mapping));
            }
        }
        Self::of_slices(volumes)
    }

    /// From volumes (slice, row, col) in physical units.
    ///
    /// # Errors
    /// When no slice is usable.
    pub fn new(volumes: Vec<Array3<f32>>, mapping: ValueMapping) -> Result<Self> {
        Self::of_slices(volumes.into_iter().map(|volume| slices(volume, &mapping)).collect())
    }

    fn of_slices(mut volumes: Vec<Vec<Array2<f32>>>) -> Result<Self> {
        volumes.retain(|slices| !slices.is_empty());
        if volumes.is_empty() {
            bail!("no usable slice in the training data; give files or folders of CT or MR volumes");
        }
        let weight = |slices: &Vec<Array2<f32>>| (slices.len().min(COUNTED_SLICES) as f64).sqrt();
        let cumulative = volumes.iter().scan(0.0, |sum, v| {
            *sum += weight(v);
            Some(*sum)
        });
        Ok(Self { cumulative: cumulative.collect(), volumes })
    }

    /// Whole slices, made smaller or larger until their longer side has `side` pixels, in the middle of squares
    /// of air.
    #[must_use]
    pub fn shrunk(mut self, side: usize) -> Self {
        for slice in self.volumes.iter_mut().flatten() {
            let factor = side as f64 / slice.nrows().max(slice.ncols()) as f64;
            *slice = cut(&resize(&slice.view(), factor).view(), [side, side], &mut |most| most / 2);
        }
        self
    }

    /// The slices of each volume.
    pub fn volumes(&self) -> &[Vec<Array2<f32>>] {
        &self.volumes
    }

    /// How many slices.
    pub fn slices(&self) -> usize {
        self.volumes.iter().map(Vec::len).sum()
    }

    /// `count` random images `[count, 1, row, col]`, varied as `augmentation` says.
    ///
    /// A volume is taken with a chance `∝ √min(slices, 8)`, so that single slices of many people are not drowned
    /// by one long series, and each of its slices with the same chance. A slice that is smaller than a square
    /// lies at a random place in it, on air; so do whole slices in the largest of the batch, whose sides are
    /// rounded up to `multiple`.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn draw(
        &self,
        (extent, count): (Extent, usize),
        multiple: usize,
        augmentation: &Augmentation,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Tensor> {
        let warped: Vec<_> = (0..count).map(|_| augmentation.warp(&self.slice(rng), rng)).collect();
        let (rows, cols) = match extent {
            Extent::Square(side) => (side, side),
            Extent::Whole => {
                let largest = |axis| warped.iter().map(|slice| slice.len_of(Axis(axis))).max().unwrap_or(0);
                (largest(0).next_multiple_of(multiple), largest(1).next_multiple_of(multiple))
            }
        };
        let images = warped.iter().map(|slice| {
            let part = cut(&slice.view(), [rows, cols], &mut |most| rng.random_range(0..=most));
            augmentation.turn(&part, rows == cols, rng)
        });
        Ok(to_tensor(&images.collect::<Vec<_>>(), device)?)
    }

    /// A random slice.
    fn slice(&self, rng: &mut impl Rng) -> ArrayView2<'_, f32> {
        let at = rng.random_range(0.0..self.cumulative[self.cumulative.len() - 1]);
        let number = self.cumulative.partition_point(|sum| *sum <= at).min(self.volumes.len() - 1);
        let volume = &self.volumes[number];
        volume[rng.random_range(0..volume.len())].view()
    }
}

/// The path itself, or the volume files in a folder of such.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let read = || format!("{}: cannot list the folder", path.display());
    let mut files = Vec::new();
    for entry in path.read_dir().with_context(read)? {
        let file = entry.with_context(read)?.path();
        if file.is_file() && matches!(Format::of_path(&file), Some(Format::Nifti | Format::Npy)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(if files.is_empty() { vec![path.to_owned()] } else { files })
}

/// The usable slices of a volume in model units: those that show more than air.
fn slices(voxels: Array3<f32>, mapping: &ValueMapping) -> Vec<Array2<f32>> {
    let Some(voxels) = mapping.model_values(voxels) else { return Vec::new() };
    let filled = match mapping {
        ValueMapping::Hounsfield { .. } => CT_FILLED,
        ValueMapping::Percentile { .. } => MR_FILLED,
    };
    let usable = |slice: &ArrayView2<'_, f32>| {
        let bright = slice.iter().filter(|v| **v > BRIGHT).count();
        bright > 0 && bright as f64 >= filled * slice.len() as f64
    };
    voxels.axis_iter(Axis(0)).filter(usable).map(|slice| slice.to_owned()).collect()
}

/// A rectangle of the slice, which lies somewhere in it, on air, if it is smaller. `begin` chooses from 0 to a
/// number where the rectangle begins in the slice, or the slice in the rectangle: rows first, then columns.
pub(super) fn cut(
    slice: &ArrayView2<'_, f32>,
    shape: [usize; 2],
    begin: &mut dyn FnMut(usize) -> usize,
) -> Array2<f32> {
    let mut place = |n: usize, side: usize| {
        let spare = begin(n.abs_diff(side));
        if n >= side { (spare, 0, side) } else { (0, spare, n) }
    };
    let ((y, top, rows), (x, left, cols)) = (place(slice.nrows(), shape[0]), place(slice.ncols(), shape[1]));
    let mut out = Array2::zeros(shape);
    out.slice_mut(s![top..top + rows, left..left + cols]).assign(&slice.slice(s![y..y + rows, x..x + cols]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const CT: ValueMapping =
        ValueMapping::Hounsfield { offset_hu: 1000.0, scale_hu: 2000.0, unit_attenuation: 0.0384 };
    const MR: ValueMapping = ValueMapping::Percentile { percentile: 99.5 };

    fn draw(data: &Dataset, kind: (Extent, usize), augmentation: &Augmentation, seed: u64) -> Tensor {
        data.draw(kind, 8, augmentation, &mut ChaCha8Rng::seed_from_u64(seed), &Device::Cpu).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn water_is_a_half_and_air_is_zero() {
        let volume = Array3::from_shape_fn((1, 4, 4), |(_, i, _)| if i < 2 { -1024.0 } else { 0.0 });
        let data = Dataset::new(vec![volume], CT).unwrap();
        assert_eq!(data.volumes[0][0].iter().sum::<f32>(), 4.0);
    }

    #[test]
    fn slices_of_air_are_left_out() {
        let volume =
            Array3::from_shape_fn((3, 20, 20), |(k, i, _)| if k == 1 && i < 2 { 40.0 } else { -990.0 });
        assert_eq!(Dataset::new(vec![volume], CT).unwrap().slices(), 1);
    }

    #[test]
    fn small_slices_are_padded_and_draws_repeat() {
        let data = Dataset::new(vec![Array3::from_elem((2, 5, 40), 100.0)], MR).unwrap();
        let augmentation =
            Augmentation { flip: 0.5, flop: 0.5, transpose: 0.5, gain: 0.2, ..Augmentation::NONE };
        let draw = |seed| values(&draw(&data, (Extent::Square(16), 3), &augmentation, seed));
        assert_eq!(draw(1).iter().filter(|v| **v > 0.0).count(), 3 * 5 * 16);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn whole_slices_share_the_largest_shape() {
        let data = Dataset::new(vec![Array3::ones((1, 9, 20)), Array3::ones((1, 12, 11))], MR).unwrap();
        let x = draw(&data, (Extent::Whole, 12), &Augmentation::of(recon_data::Modality::Mr), 1);
        assert_eq!(x.dims()[..2], [12, 1]);
        assert!(x.dims()[2..].iter().all(|n| n.is_multiple_of(8)), "{:?}", x.dims());
        let whole = draw(&data, (Extent::Whole, 1), &Augmentation::NONE, 1);
        let filled = values(&whole).iter().filter(|v| **v > 0.0).count();
        assert!(filled == 9 * 20 || filled == 12 * 11, "{filled}");
    }

    #[test]
    fn long_volumes_do_not_drown_single_slices() {
        // 100 slices with value 1 and one with a hole: 1 in 1 + √8 draws.
        let single = Array3::from_shape_fn((1, 4, 4), |(_, i, j)| if i + j == 0 { 0.0 } else { 1.0 });
        let data = Dataset::new(vec![Array3::ones((100, 4, 4)), single], MR).unwrap();
        let x = draw(&data, (Extent::Square(4), 2000), &Augmentation::NONE, 1);
        let holes = values(&x).iter().filter(|v| **v == 0.0).count();
        // 522 expected, with a standard deviation of 20.
        assert!((holes as f64 - 2000.0 / (1.0 + 8f64.sqrt())).abs() < 70.0, "{holes}");
    }

    #[test]
    fn shrunken_slices_lie_whole_in_the_middle() {
        // A square of 8 pixels in the middle of 40 rows and 20 columns.
        let inside = |n: usize, side: usize| n.abs_diff(side / 2) < 4 || n + 4 == side / 2;
        let volume = Array3::from_shape_fn((1, 40, 20), |(_, i, j)| {
            f32::from(u8::from(inside(i, 40) && inside(j, 20)))
        });
        let data = Dataset::new(vec![volume], MR).unwrap().shrunk(20);
        let slice = &data.volumes[0][0];
        assert_eq!(slice.dim(), (20, 20));
        let (sum, first) = slice.indexed_iter().fold((0.0, 0.0), |(sum, first), ((i, j), v)| {
            (sum + v, first + v * (i as f32 - 9.5).hypot(j as f32 - 9.5))
        });
        // A quarter of the 64 pixels; half the mean distance from the middle of a square of 8, 3.06.
        assert!((sum - 16.0).abs() < 1.0, "{sum}");
        assert!((first / sum - 1.53).abs() < 0.2, "{}", first / sum);
    }

    #[test]
    fn empty_volumes_are_refused() {
        assert!(Dataset::new(vec![Array3::zeros((2, 8, 8))], MR).is_err());
    }
}
