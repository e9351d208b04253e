//! Files to a scan: one file, or the one series of a folder.

use super::attributes::{count, number, text};
use super::file::{looks_like, open_header, open_whole};
use super::frame::{Frame, frames_of};
use super::pixels::{syntax_name, values};
use super::source::{DicomSource, SourceSlice, source_modality};
use super::stack::{Stack, stack};
use crate::{DataError, Geometry, Modality, Scan, Source, Unit, Volume, digest};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::DefaultDicomObject;
use ndarray::{Array2, Array3};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Reads one file, of one image or of a stack of them.
pub(crate) fn read_file(path: &Path) -> Result<Scan, DataError> {
    SlicesOfSeries::file(path)?.read(path)
}

/// Reads the one series of a folder, or the one that is named; files that are not DICOM images are passed over.
pub(crate) fn read_folder(path: &Path, series: Option<&str>) -> Result<Scan, DataError> {
    SlicesOfSeries::folder(path, series)?.read(path)
}

/// The images of a series, of which headers have been read and pixels are when asked for.
pub(crate) struct SlicesOfSeries {
    frames: Vec<Frame>,
    order: Vec<usize>,
    pub(crate) geometry: Geometry,
    pub(crate) unit: Unit,
    pub(crate) source: Source,
    pub(crate) modality: Option<Modality>,
    pub(crate) warnings: Vec<String>,
    /// The file that was read last: it may hold the next image as well.
    open: Mutex<Option<(PathBuf, DefaultDicomObject)>>,
}

impl SlicesOfSeries {
    /// Those of one file.
    pub(crate) fn file(path: &Path) -> Result<Self, DataError> {
        let object = open_header(path)?;
        Self::new(path, &[(path.to_owned(), object)])
    }

    /// Those of the one series of a folder, or of the one with this [name](name_of).
    pub(crate) fn folder(path: &Path, name: Option<&str>) -> Result<Self, DataError> {
        let mut series = series_in(path)?;
        if let Some(name) = name {
            let uid = series.keys().find(|uid| name_of(uid) == name).cloned();
            return match uid.and_then(|uid| series.remove(&uid)) {
                Some(files) => Self::new(path, &files),
                None => Err(several_series(path, &series, &format!("holds no series {name}, but"))),
            };
        }
        if series.len() > 1 {
            return Err(several_series(path, &series, &format!("holds {} series:", series.len())));
        }
        match series.into_values().next() {
            Some(files) => Self::new(path, &files),
            None => Err(DataError::input(
                path,
                "holds no DICOM image",
                "give the folder that directly holds the files",
            )),
        }
    }

    fn new(path: &Path, files: &[(PathBuf, DefaultDicomObject)]) -> Result<Self, DataError> {
        check_one_patient(path, files)?;
        let mut frames: Vec<Frame> = Vec::new();
        let mut owners: Vec<usize> = Vec::new();
        for (owner, (file, object)) in files.iter().enumerate() {
            let found = frames_of(file, object)?;
            owners.extend(std::iter::repeat_n(owner, found.len()));
            frames.extend(found);
        }
        let Stack { order, geometry, mut warnings } = stack(path, &frames)?;
        let modality = files.first().and_then(|(_, object)| source_modality(object));
        warnings.extend(value_warnings(modality, &frames, files));
        let slices = order.iter().map(|&index| {
            let count = owners.iter().filter(|&&owner| owner == owners[index]).count();
            SourceSlice::new(&files[owners[index]].1, &frames[index], &geometry, count)
        });
        let syntax = files.first().map(|(_, object)| syntax_name(object.meta().transfer_syntax()));
        let source = DicomSource {
            slices: slices.collect(),
            modality,
            transfer_syntax: syntax.unwrap_or_default(),
            is_deidentified: false,
        };
        let unit = if modality == Some(Modality::Ct) { Unit::Hounsfield } else { Unit::Arbitrary };
        let (source, open) = (Source::Dicom(source), Mutex::default());
        Ok(Self { frames, order, geometry, unit, source, modality, warnings, open })
    }

    /// Axis lengths (slice, row, col).
    pub(crate) fn shape(&self) -> [usize; 3] {
        let first = &self.frames[self.order[0]];
        [self.order.len(), first.rows, first.columns]
    }

    /// Image `k` in the order of the stack; each file is opened once per run of its images.
    pub(crate) fn slice(&self, k: usize) -> Result<Array2<f32>, DataError> {
        let frame = &self.frames[self.order[k]];
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let object = match open.take() {
            Some((opened, object)) if opened == frame.path => object,
            _ => open_whole(&frame.path)?,
        };
        let image = values(&object, frame)?;
        *open = Some((frame.path.clone(), object));
        Array2::from_shape_vec((frame.rows, frame.columns), image)
            .map_err(|error| DataError::input(&frame.path, error.to_string(), "copy or export it again"))
    }

    /// All images.
    fn read(self, path: &Path) -> Result<Scan, DataError> {
        let mut all = Vec::new();
        for k in 0..self.order.len() {
            let image = self.slice(k)?;
            all.try_reserve(image.len()).map_err(|_| {
                DataError::input(
                    path,
                    "does not fit into memory",
                    "give fewer slices, or use a larger machine",
                )
            })?;
            all.extend(image);
        }
        let voxels = Array3::from_shape_vec(self.shape(), all)
            .map_err(|error| DataError::input(path, error.to_string(), "copy or export it again"))?;
        let volume = Volume { voxels, geometry: self.geometry, unit: self.unit };
        Ok(Scan { volume, source: self.source, modality: self.modality, warnings: self.warnings })
    }
}

fn dicom_files(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |source| DataError::unreadable(path, source);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && file.is_file() {
            let mut start = Vec::new();
            let opened = crate::open_regular(&file).map_err(|source| DataError::unreadable(&file, source))?;
            opened
                .take(144)
                .read_to_end(&mut start)
                .map_err(|source| DataError::unreadable(&file, source))?;
            if looks_like(&start) {
                files.push(file);
            } else if start.is_empty() || has_dicom_name(&file) {
                let what =
                    if start.is_empty() { "is empty" } else { "is not a DICOM file, as its name says" };
                return Err(DataError::input(&file, what, "copy it again, or remove it from the folder"));
            }
        }
    }
    // The order of a folder differs between machines; ties in position must not.
    files.sort();
    Ok(files)
}

/// Whether the name says that it is an image of a series.
fn has_dicom_name(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default();
    ["dcm", "ima"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Files with their headers.
pub(super) type Headers = Vec<(PathBuf, DefaultDicomObject)>;

/// The images directly in a folder, by the UID of their series.
pub(super) fn series_in(path: &Path) -> Result<BTreeMap<String, Headers>, DataError> {
    let mut series: BTreeMap<String, Headers> = BTreeMap::new();
    for file in dicom_files(path)? {
        let object = open_header(&file)?;
        if count(&object, tags::ROWS).is_some() {
            let uid = text(&object, tags::SERIES_INSTANCE_UID).unwrap_or_default();
            series.entry(uid).or_default().push((file, object));
        }
    }
    Ok(series)
}

/// What a series is called by: the first digits of the SHA-256 of its UID, as the UID itself may lead to a person.
pub(super) fn name_of(uid: &str) -> String {
    digest::sha256_bytes(uid.as_bytes())[..12].to_owned()
}

/// Series that are named in a message; a folder may hold hundreds.
const NAMED: usize = 4;

fn several_series(path: &Path, series: &BTreeMap<String, Headers>, start: &str) -> DataError {
    // No free text of the files: it may name a person.
    let describe = |(uid, files): (&String, &Headers)| {
        let (file, object) = &files[0];
        let number = number(object, tags::SERIES_NUMBER).map_or("?".to_owned(), |number| number.to_string());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("{} (number {number}, {} files, such as {name})", name_of(uid), files.len())
    };
    let mut list: Vec<String> = series.iter().take(NAMED).map(describe).collect();
    if series.len() > NAMED {
        list.push(format!("and {} more", series.len() - NAMED));
    }
    let what = format!("{start} {}", list.join(", "));
    DataError::input(path, what, "choose one with --series, or put its files into a folder of their own")
}

/// Refuses a series that two patients share, or two positions of one, whose images would be mixed in one volume.
fn check_one_patient(path: &Path, files: &[(PathBuf, DefaultDicomObject)]) -> Result<(), DataError> {
    let different = |tags: &[Tag]| {
        let of = |object: &DefaultDicomObject| tags.iter().map(|&tag| text(object, tag)).collect::<Vec<_>>();
        files.iter().any(|(_, object)| of(object) != of(&files[0].1))
    };
    let what = match () {
        () if different(&[tags::PATIENT_ID, tags::PATIENT_NAME]) => {
            "holds images of two patients in one series"
        }
        () if different(&[tags::STUDY_INSTANCE_UID]) => "holds images of two studies in one series",
        () if different(&[tags::FRAME_OF_REFERENCE_UID]) => "holds two frames of reference in one series",
        () => return Ok(()),
    };
    Err(DataError::input(path, what, "put the files of one scan into a folder of their own"))
}

fn value_warnings(
    modality: Option<Modality>,
    frames: &[Frame],
    files: &[(PathBuf, DefaultDicomObject)],
) -> Vec<String> {
    let mut warnings = Vec::new();
    if modality == Some(Modality::Ct) && !frames.iter().all(|frame| frame.has_rescale) {
        warnings.push("no rescale slope in the CT file: stored numbers taken as Hounsfield units".to_owned());
    }
    if modality.is_none() {
        warnings.push("the file does not say whether it is CT or MR".to_owned());
    }
    if modality == Some(Modality::Ct) && files.iter().any(|(_, object)| is_windowed(object)) {
        warnings.push("8 bits cannot hold Hounsfield units (a windowed export?)".to_owned());
    }
    if modality == Some(Modality::Ct) && files.iter().any(|(_, object)| has_other_scale(object)) {
        warnings.push("the rescale type of the CT file is not HU: its values are something else".to_owned());
    }
    let lossy =
        |object: &DefaultDicomObject| text(object, tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01");
    if files.iter().any(|(_, object)| lossy(object)) {
        warnings.push("the source was compressed with loss".to_owned());
    }
    let inverted = |object: &DefaultDicomObject| {
        text(object, tags::PHOTOMETRIC_INTERPRETATION).as_deref() == Some("MONOCHROME1")
    };
    if files.iter().any(|(_, object)| inverted(object)) {
        warnings.push("the source shows large numbers dark (MONOCHROME1); the numbers are kept".to_owned());
    }
    warnings
}

/// Whether the numbers are grey levels of a picture.
fn is_windowed(object: &DefaultDicomObject) -> bool {
    count(object, tags::BITS_ALLOCATED) == Some(8) || count(object, tags::BITS_STORED) == Some(8)
}

/// Whether the file says that its numbers are not Hounsfield units.
fn has_other_scale(object: &DefaultDicomObject) -> bool {
    text(object, tags::RESCALE_TYPE).is_some_and(|unit| !["HU", "US", "UNSPECIFIED"].contains(&unit.as_str()))
}
