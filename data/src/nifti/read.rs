//! NIfTI voxels to a volume.

use super::NiftiSource;
use super::affine::geometry_of;
use super::header::{NiftiFile, Voxel, open};
use crate::error::check_finite;
use crate::{DataError, Scan, Source, Unit, Volume};
use ndarray::Array3;
use std::io::Read;
use std::path::Path;

/// Reads the one volume of a file; the unit is [`Unit::Arbitrary`], because NIfTI does not say it.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for what is damaged or not a single real volume.
pub(crate) fn read(path: &Path) -> Result<Scan, DataError> {
    let file = NiftiFile::open(path)?;
    let values = voxels(path, &file)?;
    check_finite(path, &values)?;
    let [columns, rows, slices] = file.size;
    let shape = [slices, rows, columns];
    // The first axis of the file runs fastest, as the last one of the volume does: no value moves.
    let voxels = Array3::from_shape_vec(shape, values)
        .map_err(|error| DataError::input(path, error.to_string(), "copy the file again"))?;
    let geometry = geometry_of(&file.header);
    let source = NiftiSource { header: Box::new(file.header), geometry: geometry.clone(), shape };
    let volume = Volume { voxels, geometry, unit: Unit::Arbitrary };
    Ok(Scan { volume, source: Source::Nifti(source), modality: None, warnings: Vec::new() })
}

/// All values, scaled, image by image, so that memory grows only with what the file really holds.
fn voxels(path: &Path, file: &NiftiFile) -> Result<Vec<f32>, DataError> {
    let cut = |got: u64, needed: u64| {
        let what = format!("is cut short: {got} of {needed} bytes of voxels");
        DataError::input(path, what, "copy or download it again")
    };
    let [columns, rows, slices] = file.size;
    let image = columns * rows * file.voxel.size();
    let needed = (image * slices) as u64;
    let mut reader = open(&file.data_path)?;
    std::io::copy(&mut reader.by_ref().take(file.data_offset), &mut std::io::sink())
        .map_err(|_| cut(0, needed))?;
    let mut values = Vec::new();
    let mut raw = Vec::new();
    for slice in 0..slices {
        raw.clear();
        let outcome = reader.by_ref().take(image as u64).read_to_end(&mut raw);
        if outcome.is_err() || raw.len() != image {
            return Err(cut((slice * image + raw.len()) as u64, needed));
        }
        values.try_reserve(columns * rows).map_err(|_| too_large(path))?;
        decode(&raw, file, &mut values);
    }
    Ok(values)
}

fn too_large(path: &Path) -> DataError {
    DataError::input(path, "does not fit into memory", "crop it, or use a machine with more memory")
}

fn decode(raw: &[u8], file: &NiftiFile, values: &mut Vec<f32>) {
    macro_rules! numbers {
        ($number:ty) => {
            each(raw, file, values, |bytes| <$number>::from_le_bytes(bytes) as f64)
        };
    }
    match file.voxel {
        Voxel::UInt8 => numbers!(u8),
        Voxel::Int8 => numbers!(i8),
        Voxel::Int16 => numbers!(i16),
        Voxel::UInt16 => numbers!(u16),
        Voxel::Int32 => numbers!(i32),
        Voxel::UInt32 => numbers!(u32),
        Voxel::Int64 => numbers!(i64),
        Voxel::UInt64 => numbers!(u64),
        Voxel::Float32 => numbers!(f32),
        Voxel::Float64 => numbers!(f64),
    }
}

fn each<const N: usize>(
    raw: &[u8],
    file: &NiftiFile,
    values: &mut Vec<f32>,
    number: impl Fn([u8; N]) -> f64,
) {
    let (slope, intercept) = file.scale;
    let (groups, _) = raw.as_chunks::<N>();
    values.extend(groups.iter().map(|&bytes| {
        let mut bytes = bytes;
        if file.big_endian {
            bytes.reverse();
        }
        (number(bytes) * slope + intercept) as f32
    }));
}
