//! Images to NIfTI-1 with 32-bit floats.

use super::NiftiSource;
use super::affine::put_geometry;
use crate::error::whole_chain;
use crate::{DataError, ImageStack, Overwrite, Provenance, atomic};
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
    source: Option<&NiftiSource>,
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    if stack.shape.iter().any(|&length| length == 0 || length > 32767) {
        let what = format!("NIfTI cannot hold the shape {:?}", stack.shape);
        return Err(DataError::output(path, what, "write .npy instead"));
    }
    let header = header_bytes(path, &header_for(stack, source, provenance), stack.shape)?;
    let failed = |error| DataError::io(path, error);
    atomic::write_with(path, overwrite, |temporary| {
        let file = BufWriter::new(File::create(temporary).map_err(failed)?);
        if temporary.extension().is_some_and(|extension| extension == "gz") {
            let mut packed = GzEncoder::new(file, Compression::fast());
            fill(path, &mut packed, &header, stack)?;
            packed.finish().and_then(|mut file| file.flush()).map_err(failed)
        } else {
            let mut file = file;
            fill(path, &mut file, &header, stack)?;
            file.flush().map_err(failed)
        }
    })
}

/// Header and voxels; the first axis of the file runs fastest, as the last one of the stack does.
fn fill(path: &Path, file: &mut impl Write, header: &[u8], stack: &ImageStack<'_>) -> Result<(), DataError> {
    let failed = |error| DataError::io(path, error);
    file.write_all(header).map_err(failed)?;
    for k in 0..stack.shape[0] {
        let bytes: Vec<u8> = (stack.slice)(k)?.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.write_all(&bytes).map_err(failed)?;
    }
    Ok(())
}

/// Where the header has the lengths of the axes, 16 bits each, the number of axes first.
const DIM_OFFSET: usize = 40;

/// What stands before the voxels: the crate writes it for a single voxel, and the lengths are put in.
fn header_bytes(path: &Path, header: &NiftiHeader, shape: [usize; 3]) -> Result<Vec<u8>, DataError> {
    let failed = |error| DataError::io(path, error);
    let folder = tempfile::tempdir().map_err(failed)?;
    let file = folder.path().join("header.nii");
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

fn header_for(stack: &ImageStack<'_>, source: Option<&NiftiSource>, provenance: &Provenance) -> NiftiHeader {
    let kept = source.filter(|s| s.geometry == *stack.geometry && s.shape == stack.shape);
    let mut header = match kept {
        Some(source) => source.header.as_ref().clone(),
        None => {
            let mut header = NiftiHeader::default();
            put_geometry(&mut header, stack.geometry);
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
