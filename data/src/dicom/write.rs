//! A volume to DICOM files.

use super::derived::Derived;
use super::identity::{Content, Identity, uid};
use super::source::DicomSource;
use super::stored::StoredScale;
use crate::error::whole_chain;
use crate::format::resolve_output;
use crate::units::attenuation_to_hounsfield;
use crate::{DataError, Geometry, ImageStack, Modality, Overwrite, Provenance, Source, Unit, atomic};
use dicom_dictionary_std::uids;
use dicom_object::FileMetaTableBuilder;
use ndarray::Array2;
use std::path::{Path, PathBuf};

/// Writes a derived series: one file under a `.dcm` name for one slice, else a folder of `IM0001.dcm`, ….
///
/// Several slices under a `.dcm` name go to the folder of that name without the extension. Every slice is asked for twice:
/// scale and identifiers are those of the whole stack.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], or [`DataError::Output`] for images that DICOM cannot hold.
pub(crate) fn write(
    path: &Path,
    stack: &ImageStack<'_>,
    source: &Source,
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<Vec<PathBuf>, DataError> {
    let slices = stack.shape[0];
    if stack.shape.iter().any(|&length| length == 0 || length > usize::from(u16::MAX)) {
        let what = format!("DICOM cannot hold the shape {:?}", stack.shape);
        return Err(DataError::output(path, what, "write .npy instead"));
    }
    check_place(path, stack.geometry)?;
    let slice = |k: usize| in_scanner_units(stack, k);
    let stack = ImageStack { slice: &slice, unit: scanner_unit(stack.unit), ..*stack };
    let source = if let Source::Dicom(source) = source { Some(source) } else { None };
    let modality = match (source.and_then(|source| source.modality), stack.unit) {
        (Some(modality), _) => modality,
        (None, Unit::Hounsfield) => Modality::Ct,
        (None, _) => Modality::Mr,
    };
    let derived = derived(&stack, source, modality, provenance)?;
    let target = resolve_output(path, slices);
    if target.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dcm")) && !target.is_dir() {
        atomic::write_with(&target, overwrite, |temporary| {
            write_image(&derived, 0, &(stack.slice)(0)?, &target, temporary)
        })?;
        return Ok(vec![target]);
    }
    let names: Vec<String> = (1..=slices).map(|number| format!("IM{number:04}.dcm")).collect();
    atomic::write_folder_with(&target, overwrite, |folder| {
        let write_one = |(index, name): (usize, &String)| {
            write_image(&derived, index, &(stack.slice)(index)?, &target, &folder.join(name))
        };
        names.iter().enumerate().try_for_each(write_one)
    })?;
    Ok(names.iter().map(|name| target.join(name)).collect())
}

/// Refuses images whose axes are further from right angles than a reader accepts.
pub(crate) fn check_place(path: &Path, geometry: &Geometry) -> Result<(), DataError> {
    let [slice, row, column] = geometry.direction;
    let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    if [dot(slice, row), dot(slice, column), dot(row, column)].iter().all(|cosine| cosine.abs() <= 1e-3) {
        return Ok(());
    }
    let what = "DICOM cannot hold axes that are not at right angles";
    Err(DataError::output(path, what, "write .nii instead"))
}

/// What all images of the series share, from one pass over them.
fn derived<'a>(
    stack: &ImageStack<'a>,
    source: Option<&'a DicomSource>,
    modality: Modality,
    provenance: &'a Provenance,
) -> Result<Derived<'a>, DataError> {
    let mut content = Content::new(stack.geometry, stack.shape);
    let (mut low, mut high) = (0.0f32, 0.0f32);
    for k in 0..stack.shape[0] {
        let slice = (stack.slice)(k)?;
        (low, high) = slice.iter().fold((low, high), |(low, high), &v| (low.min(v), high.max(v)));
        content.add(&slice);
    }
    let now = jiff::Zoned::now();
    let is_deidentified = source.is_some_and(|source| source.is_deidentified);
    Ok(Derived {
        geometry: stack.geometry,
        high,
        source,
        modality,
        scale: StoredScale::of_range((low, high), modality),
        identity: Identity::of(content, source, provenance),
        provenance,
        now: (!is_deidentified)
            .then(|| (now.strftime("%Y%m%d").to_string(), now.strftime("%H%M%S").to_string())),
    })
}

/// DICOM has no attenuation; Hounsfield units are the CT scale.
fn scanner_unit(unit: Unit) -> Unit {
    if unit == Unit::Attenuation { Unit::Hounsfield } else { unit }
}

fn in_scanner_units(stack: &ImageStack<'_>, k: usize) -> Result<Array2<f32>, DataError> {
    let slice = (stack.slice)(k)?;
    Ok(if stack.unit == Unit::Attenuation { slice.mapv_into(attenuation_to_hounsfield) } else { slice })
}

fn write_image(
    derived: &Derived<'_>,
    index: usize,
    values: &Array2<f32>,
    target: &Path,
    file: &Path,
) -> Result<(), DataError> {
    let failed = |cause: String| DataError::io(target, std::io::Error::other(cause));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(derived.class())
        .media_storage_sop_instance_uid(derived.identity.instance(index))
        .implementation_class_uid(uid(&["implementation"]))
        .implementation_version_name("RECON");
    let object =
        derived.image(index, &values.view()).with_meta(meta).map_err(|error| failed(whole_chain(&error)))?;
    object.write_to_file(file).map_err(|error| failed(whole_chain(&error)))
}
