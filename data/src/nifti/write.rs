//! Images to NIfTI-1 with 32-bit floats, real or complex.

use super::NiftiSource;
use super::affine::{move_origin, put_geometry};
use crate::error::whole_chain;
use crate::{DataError, Geometry, ImageStack, Overwrite, Provenance, atomic};
use ::nifti::writer::WriterOptions;
use ::nifti::{Endianness, NiftiHeader};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Bytes before the voxels of a file without extensions.
const DATA_OFFSET: usize = 352;
const LONGEST_DESCRIPTION: usize = 79;

/// Writes `path` (`.nii` or `.nii.gz`).
///
/// The header of a NIfTI source is kept (qform, sform, codes, voxel size, units) as long as the stack still
/// lies on its voxels; else one is made from the geometry.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], or [`DataError::Output`] for what NIfTI-1 cannot hold.
pub(crate) fn write(
    path: &Path,
    stack: &ImageStack<'_>,
    (source, known_place): (Option<&NiftiSource>, bool),
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    let place = (stack.shape, stack.geometry);
    let header = header_for(place, source, known_place, provenance);
    let image = |k: usize| Ok((stack.slice)(k)?.iter().flat_map(|value| value.to_le_bytes()).collect());
    write_images(path, stack.shape, (&header, Stored::Float32), &image, overwrite)
}

/// How voxels are written: the code of the type and the bits of a voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Float32,
    Complex64,
}

/// The bytes of image `k`.
pub(super) type BytesOf<'a> = &'a dyn Fn(usize) -> Result<Vec<u8>, DataError>;

/// Writes a header and images that are bytes already.
pub(super) fn write_images(
    path: &Path,
    shape: [usize; 3],
    (header, stored): (&NiftiHeader, Stored),
    image: BytesOf<'_>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    if shape.iter().any(|&length| length == 0 || length > 32767) {
        let what = format!("NIfTI cannot hold the shape {shape:?}");
        return Err(DataError::output(path, what, "write .npy instead"));
    }
    let failed = |error| DataError::io(path, error);
    atomic::write_with(path, overwrite, |temporary| {
        let mut header = header_bytes((path, temporary), header, shape)?;
        if stored == Stored::Complex64 {
            header[TYPE_OFFSET..TYPE_OFFSET + 4].copy_from_slice(&[32, 0, 64, 0]);
        }
        let file = BufWriter::new(File::create(temporary).map_err(failed)?);
        if temporary.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) {
            let mut packed = GzEncoder::new(file, Compression::fast());
            fill(path, &mut packed, &header, shape[0], image)?;
            packed.finish().and_then(|mut file| file.flush()).map_err(failed)
        } else {
            let mut file = file;
            fill(path, &mut file, &header, shape[0], image)?;
            file.flush().map_err(failed)
        }
    })
}

/// Header and voxels; the first axis of the file runs fastest, as the last one of the stack does.
fn fill(
    path: &Path,
    file: &mut impl Write,
    header: &[u8],
    slices: usize,
    image: BytesOf<'_>,
) -> Result<(), DataError> {
    let failed = |error| DataError::io(path, error);
    file.write_all(header).map_err(failed)?;
    (0..slices).try_for_each(|k| file.write_all(&image(k)?).map_err(failed))
}

/// Where the header has the lengths of the axes, 16 bits each, the number of axes first.
const DIM_OFFSET: usize = 40;
/// Where the header has the type of the voxels and the bits of one, 16 bits each.
const TYPE_OFFSET: usize = 70;

/// What stands before the voxels: the crate writes it for a single voxel, and the lengths are put in.
fn header_bytes(
    (path, temporary): (&Path, &Path),
    header: &NiftiHeader,
    shape: [usize; 3],
) -> Result<Vec<u8>, DataError> {
    let failed = |error| DataError::io(path, error);
    let file = temporary.with_file_name("header.nii");
    let voxel = ndarray::Array3::<f32>::zeros((1, 1, 1));
    WriterOptions::new(&file)
        .reference_header(header)
        .write_nifti(&voxel)
        .map_err(|error| DataError::output(path, whole_chain(&error), "write .npy instead"))?;
    let mut bytes = std::fs::read(&file).map_err(failed)?;
    bytes.truncate(DATA_OFFSET);
    let [slices, rows, cols] = shape;
    for (axis, length) in [cols, rows, slices].into_iter().enumerate() {
        let at = DIM_OFFSET + 2 * (axis + 1);
        bytes[at..at + 2].copy_from_slice(&(length as u16).to_le_bytes());
    }
    Ok(bytes)
}

/// The header of the source where the stack lies on its voxels, with another origin if it is a part of it; else one that is
/// made from the geometry, which claims a place only if that is known.
pub(super) fn header_for(
    (shape, geometry): ([usize; 3], &Geometry),
    source: Option<&NiftiSource>,
    known_place: bool,
    provenance: &Provenance,
) -> NiftiHeader {
    let alike = |s: &&NiftiSource| {
        let (a, b) = (&s.geometry, geometry);
        a.spacing_mm == b.spacing_mm && a.direction == b.direction && s.shape[1..] == shape[1..]
    };
    let mut header = match source.filter(alike) {
        Some(source) => {
            let mut header = source.header.as_ref().clone();
            if source.geometry.origin_mm != geometry.origin_mm {
                move_origin(&mut header, &source.geometry, geometry);
            }
            header
        }
        None => {
            let mut header = NiftiHeader::default();
            put_geometry(&mut header, geometry);
            if !known_place {
                (header.sform_code, header.qform_code) = (0, 0);
            }
            header
        }
    };
    // The file of another program may carry names in its free text, and its display range no longer holds.
    header.descrip = description(provenance);
    header.aux_file = [0; 24];
    header.db_name = [0; 18];
    (header.cal_min, header.cal_max) = (0.0, 0.0);
    (header.glmin, header.glmax) = (0, 0);
    header.endianness = Endianness::Little;
    header.fix();
    header
}

fn description(provenance: &Provenance) -> Vec<u8> {
    let text =
        format!("recon {}; not for diagnostic use; {}", provenance.version, provenance.series_description);
    let ascii = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'?' });
    let mut bytes: Vec<u8> = ascii.take(LONGEST_DESCRIPTION).collect();
    bytes.resize(80, 0);
    bytes
}
