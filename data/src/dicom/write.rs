//! A volume to DICOM files.

use super::derived::Derived;
use super::identity::{Identity, uid};
use super::stored::StoredScale;
use crate::error::whole_chain;
use crate::units::attenuation_to_hounsfield;
use crate::{DataError, Modality, Overwrite, Provenance, Source, Unit, Volume, atomic};
use dicom_dictionary_std::uids;
use dicom_object::FileMetaTableBuilder;
use std::path::{Path, PathBuf};

/// Writes a derived series: one file under a `.dcm` name for one slice, else a folder of `IM0001.dcm`, ….
///
/// Several slices under a `.dcm` name go to the folder of that name without the extension.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], or [`DataError::Output`] for images that DICOM cannot hold.
pub(crate) fn write(
    path: &Path,
    volume: &Volume,
    source: &Source,
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<Vec<PathBuf>, DataError> {
    let (slices, rows, columns) = volume.voxels.dim();
    if [slices, rows, columns].iter().any(|&length| length == 0 || length > usize::from(u16::MAX)) {
        let what = format!("DICOM cannot hold the shape {:?}", volume.voxels.shape());
        return Err(DataError::output(path, what, "write .npy instead"));
    }
    let volume = &in_scanner_units(volume);
    let source = if let Source::Dicom(source) = source { Some(source) } else { None };
    let modality = match (source.and_then(|source| source.modality), volume.unit) {
        (Some(modality), _) => modality,
        (None, Unit::Hounsfield) => Modality::Ct,
        (None, _) => Modality::Mr,
    };
    let now = jiff::Zoned::now();
    let derived = Derived {
        volume,
        source,
        modality,
        scale: StoredScale::of(volume, modality),
        identity: Identity::of(volume, source, provenance),
        provenance,
        now: (now.strftime("%Y%m%d").to_string(), now.strftime("%H%M%S").to_string()),
    };
    let target = crate::output::resolve_output(path, slices);
    if target.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dcm")) && !target.is_dir() {
        atomic::write_with(&target, overwrite, |temporary| write_image(&derived, 0, &target, temporary))?;
        return Ok(vec![target]);
    }
    let names: Vec<String> = (1..=slices).map(|number| format!("IM{number:04}.dcm")).collect();
    atomic::write_folder_with(&target, overwrite, |folder| {
        let write_one =
            |(index, name): (usize, &String)| write_image(&derived, index, &target, &folder.join(name));
        names.iter().enumerate().try_for_each(write_one)
    })?;
    Ok(names.iter().map(|name| target.join(name)).collect())
}

/// DICOM has no attenuation; Hounsfield units are the CT scale.
fn in_scanner_units(volume: &Volume) -> Volume {
    let mut volume = volume.clone();
    if volume.unit == Unit::Attenuation {
        volume.voxels.mapv_inplace(attenuation_to_hounsfield);
        volume.unit = Unit::Hounsfield;
    }
    volume
}

fn write_image(derived: &Derived<'_>, index: usize, target: &Path, file: &Path) -> Result<(), DataError> {
    let failed = |cause: String| DataError::io(target, std::io::Error::other(cause));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(derived.class())
        .media_storage_sop_instance_uid(derived.identity.instance(index))
        .implementation_class_uid(uid(&["implementation"]))
        .implementation_version_name("RECON");
    let object = derived.image(index).with_meta(meta).map_err(|error| failed(whole_chain(&error)))?;
    object.write_to_file(file).map_err(|error| failed(whole_chain(&error)))
}
