//! Training images: volumes in model units, and random crops of their slices.

use crate::models::ValueMapping;
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use rand::{Rng, RngExt};
use recon_data::Format;
use std::path::{Path, PathBuf};

/// Slices that count at most for the weight of a volume: long series should not outvote the others.
const COUNTED_SLICES: usize = 8;
/// A slice of an MR volume is kept when this share of it is brighter than [`MR_BRIGHT`].
const MR_FILLED: f64 = 0.05;
const MR_BRIGHT: f32 = 0.1;
/// Hounsfield range that is kept.
const HU_RANGE: [f32; 2] = [-1000.0, 3071.0];

/// The slices of each volume, in model units.
pub struct Dataset {
    volumes: Vec<Vec<Array2<f32>>>,
    /// Running sums of the volumes' weights.
    cumulative: Vec<f64>,
    mapping: ValueMapping,
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
                volumes.push(recon_data::read(&file)?.volume.voxels);
            }
        }
        Self::new(volumes, mapping)
    }

    /// From volumes (slice, row, col) in physical units.
    ///
    /// # Errors
    /// When no slice is usable.
    pub fn new(volumes: Vec<Array3<f32>>, mapping: ValueMapping) -> Result<Self> {
        let mapped = volumes.into_iter().map(|v| slices(v, &mapping));
        let volumes: Vec<Vec<Array2<f32>>> = mapped.filter(|slices| !slices.is_empty()).collect();
        if volumes.is_empty() {
            bail!("no usable slice in the training data; give files or folders of CT or MR volumes");
        }
        let weight = |slices: &Vec<Array2<f32>>| (slices.len().min(COUNTED_SLICES) as f64).sqrt();
        let cumulative = volumes.iter().scan(0.0, |sum, v| {
            *sum += weight(v);
            Some(*sum)
        });
        Ok(Self { cumulative: cumulative.collect(), volumes, mapping })
    }

    /// How many volumes.
    pub fn volumes(&self) -> usize {
        self.volumes.len()
    }

    /// How many slices.
    pub fn slices(&self) -> usize {
        self.volumes.iter().map(Vec::len).sum()
    }

    /// `count` random square crops with `side` pixels, `[count, 1, side, side]`, flipped and turned at random;
    /// MR crops also vary in brightness, by 20 %. Slices that are too small are padded with the background.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn draw(&self, count: usize, side: usize, rng: &mut impl Rng, device: &Device) -> Result<Tensor> {
        let mut values = Vec::with_capacity(count * side * side);
        for _ in 0..count {
            let at = rng.random_range(0.0..self.cumulative[self.cumulative.len() - 1]);
            let volume =
                &self.volumes[self.cumulative.partition_point(|c| *c <= at).min(self.volumes.len() - 1)];
            let slice = &volume[rng.random_range(0..volume.len())];
            let gain = match self.mapping {
                ValueMapping::Hounsfield { .. } => 1.0,
                ValueMapping::Percentile { .. } => {
                    let z: f32 = rng.sample(rand_distr::StandardNormal);
                    (0.2 * z).exp()
                }
            };
            let crop = crop(&slice.view(), side, rng);
            values.extend(turn(crop.view(), self.turns(), rng).iter().map(|v| gain * v));
        }
        Ok(Tensor::from_vec(values, (count, 1, side, side), device)?)
    }

    /// Chances of a left-right flip, an up-down flip and a transpose: CT tables lie below the patient.
    fn turns(&self) -> [f64; 3] {
        match self.mapping {
            ValueMapping::Hounsfield { .. } => [0.5, 0.2, 0.1],
            ValueMapping::Percentile { .. } => [0.5, 0.5, 0.5],
        }
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

/// The usable slices of a volume in model units.
fn slices(mut voxels: Array3<f32>, mapping: &ValueMapping) -> Vec<Array2<f32>> {
    // Most of an MR volume's first and last slices is air; a CT slice always shows something.
    let filled: f64 = match *mapping {
        ValueMapping::Hounsfield { offset_hu, scale_hu, .. } => {
            let [low, high] = HU_RANGE;
            voxels.mapv_inplace(|v| (v.clamp(low, high) + offset_hu as f32) / scale_hu as f32);
            0.0
        }
        ValueMapping::Percentile { percentile } => {
            let Some(scale) = positive_percentile(&voxels, percentile) else { return Vec::new() };
            voxels.mapv_inplace(|v| v.max(0.0) / scale);
            MR_FILLED
        }
    };
    let usable = |slice: &ArrayView2<'_, f32>| {
        let bright = slice.iter().filter(|v| **v > MR_BRIGHT).count();
        !slice.is_empty() && bright as f64 >= filled * slice.len() as f64
    };
    voxels.axis_iter(Axis(0)).filter(usable).map(|slice| slice.to_owned()).collect()
}

/// The percentile of the positive voxels, if there are any.
fn positive_percentile(voxels: &Array3<f32>, percentile: f64) -> Option<f32> {
    let mut positive: Vec<f32> = voxels.iter().copied().filter(|v| *v > 0.0).collect();
    let rank = ((positive.len() as f64 - 1.0).max(0.0) * percentile / 100.0).round() as usize;
    (!positive.is_empty()).then(|| *positive.select_nth_unstable_by(rank, f32::total_cmp).1)
}

/// A random square of the slice, which lies at a random place in a larger black square if it is smaller.
fn crop(slice: &ArrayView2<'_, f32>, side: usize, rng: &mut impl Rng) -> Array2<f32> {
    let mut place = |n: usize| {
        let spare = rng.random_range(0..=n.abs_diff(side));
        if n >= side { (spare, 0, side) } else { (0, spare, n) }
    };
    let ((y, top, rows), (x, left, cols)) = (place(slice.nrows()), place(slice.ncols()));
    let mut out = Array2::zeros((side, side));
    out.slice_mut(s![top..top + rows, left..left + cols]).assign(&slice.slice(s![y..y + rows, x..x + cols]));
    out
}

fn turn<'a>(mut crop: ArrayView2<'a, f32>, chances: [f64; 3], rng: &mut impl Rng) -> ArrayView2<'a, f32> {
    let [flip, flop, transpose] = chances.map(|p| rng.random_bool(p));
    if flip {
        crop.invert_axis(Axis(1));
    }
    if flop {
        crop.invert_axis(Axis(0));
    }
    if transpose { crop.reversed_axes() } else { crop }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const CT: ValueMapping =
        ValueMapping::Hounsfield { offset_hu: 1000.0, scale_hu: 2000.0, unit_attenuation: 0.0384 };

    #[test]
    fn water_is_a_half_and_air_is_zero() {
        let volume = Array3::from_shape_fn((1, 4, 4), |(_, i, _)| if i < 2 { -1024.0 } else { 0.0 });
        let data = Dataset::new(vec![volume], CT).unwrap();
        assert_eq!(data.volumes[0][0].iter().sum::<f32>(), 4.0);
    }

    #[test]
    fn small_slices_are_padded_and_draws_repeat() {
        let volume = Array3::from_elem((2, 5, 40), 100.0);
        let data = Dataset::new(vec![volume], ValueMapping::Percentile { percentile: 99.5 }).unwrap();
        let draw = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let x = data.draw(3, 16, &mut rng, &Device::Cpu).unwrap();
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let values = draw(1);
        assert_eq!(values.iter().filter(|v| **v > 0.0).count(), 3 * 5 * 16);
        assert_eq!(values, draw(1));
        assert_ne!(values, draw(2));
    }

    #[test]
    fn empty_volumes_are_refused() {
        assert!(
            Dataset::new(vec![Array3::zeros((2, 8, 8))], ValueMapping::Percentile { percentile: 99.5 })
                .is_err()
        );
    }
}
