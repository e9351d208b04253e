//! NIfTI voxels to a volume.

use super::NiftiSource;
use super::affine::{geometry_of, is_degenerate};
use super::header::{NiftiFile, Voxel, open};
use crate::{DataError, Geometry, Scan, Source, Unit, Volume};
use ndarray::{Array2, Array3};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Reads the one volume of a file, be its values finite or not; the unit is [`Unit::Arbitrary`], because NIfTI does not say it.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for what is damaged or not a single real volume.
pub(crate) fn read(path: &Path) -> Result<Scan, DataError> {
    let file = NiftiFile::open(path)?;
    let values = voxels(path, &file)?;
    let shape = shape_of(&file);
    // The first axis of the file runs fastest, as the last one of the volume does: no value moves.
    let voxels = Array3::from_shape_vec(shape, values)
        .map_err(|error| DataError::input(path, error.to_string(), "copy the file again"))?;
    let (source, geometry) = source_of(&file);
    let volume = Volume { voxels, geometry, unit: Unit::Arbitrary };
    Ok(Scan { volume, source, modality: None, warnings: warnings_of(&file) })
}

/// Axis lengths (slice, row, col).
pub(super) fn shape_of(file: &NiftiFile) -> [usize; 3] {
    let [columns, rows, slices] = file.size;
    [slices, rows, columns]
}

pub(super) fn source_of(file: &NiftiFile) -> (Source, Geometry) {
    let geometry = geometry_of(&file.header);
    let header = Box::new(file.header.clone());
    let source = NiftiSource { header, geometry: geometry.clone(), shape: shape_of(file) };
    (Source::Nifti(source), geometry)
}

/// What a user should know of where the voxels lie.
fn warnings_of(file: &NiftiFile) -> Vec<String> {
    let warning =
        "the affine in the file is invalid; the position of the voxels is taken from another of its fields";
    if is_degenerate(&file.header) { vec![warning.to_owned()] } else { Vec::new() }
}

/// The images of a file, read forward, one at a time.
pub(crate) struct SlicesOfNifti {
    path: PathBuf,
    file: NiftiFile,
    cursor: Mutex<Option<Cursor>>,
}

/// A reader that stands before image `next`.
struct Cursor {
    reader: Box<dyn Read + Send>,
    next: usize,
    /// The image before it: a slice and its reference are often the same one, and what is packed cannot be read backwards.
    last: Array2<f32>,
}

impl SlicesOfNifti {
    /// # Errors
    /// As [`read`] where the header is at fault.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        Ok(Self { path: path.to_owned(), file: NiftiFile::open(path)?, cursor: Mutex::default() })
    }

    /// Axis lengths (slice, row, col).
    pub(crate) fn shape(&self) -> [usize; 3] {
        shape_of(&self.file)
    }

    /// What is needed to write the same kind of file, and where the voxels lie.
    pub(crate) fn source(&self) -> (Source, Geometry) {
        source_of(&self.file)
    }

    /// What a user should know, one sentence each.
    pub(crate) fn warnings(&self) -> Vec<String> {
        warnings_of(&self.file)
    }

    /// Image `k`; going back by more than one begins the file anew.
    ///
    /// # Errors
    /// As [`read`] where this image is at fault.
    pub(crate) fn slice(&self, k: usize) -> Result<Array2<f32>, DataError> {
        let mut place = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cursor = match place.take() {
            Some(cursor) if cursor.next <= k + 1 => cursor,
            _ => self.begun()?,
        };
        if cursor.next <= k {
            cursor.last = self.image_after(&mut cursor.reader, cursor.next, k)?;
            cursor.next = k + 1;
        }
        Ok(place.insert(cursor).last.clone())
    }

    fn begun(&self) -> Result<Cursor, DataError> {
        let mut reader = open(&self.file.data_path)?;
        skip(&mut reader, self.file.data_offset).map_err(|_| self.cut(0))?;
        Ok(Cursor { reader, next: 0, last: Array2::zeros((0, 0)) })
    }

    /// Image `k` from a reader that stands before image `next`.
    fn image_after(&self, reader: &mut impl Read, next: usize, k: usize) -> Result<Array2<f32>, DataError> {
        let length = self.file.image_bytes();
        skip(reader, ((k - next) * length) as u64).map_err(|_| self.cut(0))?;
        let mut raw = Vec::new();
        let outcome = reader.take(length as u64).read_to_end(&mut raw);
        if outcome.is_err() || raw.len() != length {
            return Err(self.cut((k * length + raw.len()) as u64));
        }
        let mut values = Vec::with_capacity(length / self.file.voxel.size());
        decode(&raw, &self.file, &mut values);
        let [_, rows, cols] = self.shape();
        Array2::from_shape_vec((rows, cols), values)
            .map_err(|error| DataError::input(&self.path, error.to_string(), "copy the file again"))
    }

    fn cut(&self, got: u64) -> DataError {
        cut_short(&self.path, got, (self.file.image_bytes() * self.file.size[2]) as u64)
    }
}

pub(super) fn skip(reader: &mut impl Read, bytes: u64) -> std::io::Result<()> {
    std::io::copy(&mut reader.by_ref().take(bytes), &mut std::io::sink()).map(|_| ())
}

pub(super) fn cut_short(path: &Path, got: u64, needed: u64) -> DataError {
    let what = format!("is cut short: {got} of {needed} bytes of voxels");
    DataError::input(path, what, "copy or download it again")
}

/// All values, scaled, image by image, so that memory grows only with what the file really holds.
fn voxels(path: &Path, file: &NiftiFile) -> Result<Vec<f32>, DataError> {
    let [columns, rows, slices] = file.size;
    let image = file.image_bytes();
    let needed = (image * slices) as u64;
    let cut = |got: u64, needed: u64| cut_short(path, got, needed);
    let mut reader = open(&file.data_path)?;
    skip(&mut reader, file.data_offset).map_err(|_| cut(0, needed))?;
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

pub(super) fn decode(raw: &[u8], file: &NiftiFile, values: &mut Vec<f32>) {
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
        // Both parts, one after another; only those who ask for complex numbers get here.
        Voxel::Complex64 => numbers!(f32),
        Voxel::Complex128 => numbers!(f64),
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
