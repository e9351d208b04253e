//! What a derived series takes over from the files that it came from.

use super::attributes::{number, text};
use super::frame::{Frame, modality_of};
use crate::{Geometry, Modality};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject};

/// The attributes of patient, study, frame of reference and acquisition of each slice; no pixels.
///
/// They name the patient, so the `Debug` form shows only how many slices there are.
#[derive(Clone)]
pub struct DicomSource {
    pub(super) slices: Vec<SourceSlice>,
    pub(super) modality: Option<Modality>,
    pub(super) transfer_syntax: String,
    /// Whether what names the patient is gone; then nothing else that could lead to the day may be written.
    pub(super) is_deidentified: bool,
}

impl std::fmt::Debug for DicomSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DicomSource").field("slices", &self.slices.len()).finish_non_exhaustive()
    }
}

/// One slice of the source.
#[derive(Clone)]
pub(super) struct SourceSlice {
    pub(super) attributes: InMemDicomObject,
    pub(super) class: String,
    pub(super) instance: String,
    /// Frame number in a multi-frame file, counted from 1.
    pub(super) frame: Option<u32>,
    pub(super) series: Option<String>,
    /// Place along the normal, mm.
    pub(super) along: f64,
    pub(super) series_number: Option<i64>,
    /// Its number in the series, of a file of one image.
    pub(super) number: Option<i64>,
    /// What the source says of text in its pixels.
    pub(super) burned_in: Option<String>,
}

impl DicomSource {
    /// The transfer syntax of the first file.
    pub(crate) fn stored_as(&self) -> String {
        self.transfer_syntax.clone()
    }

    /// The slice that lies at `along` mm on the normal, and otherwise the nearest one.
    pub(super) fn nearest(&self, along: f64) -> Option<&SourceSlice> {
        self.slices.iter().min_by(|a, b| (a.along - along).abs().total_cmp(&(b.along - along).abs()))
    }
}

impl SourceSlice {
    pub(super) fn new(
        object: &DefaultDicomObject,
        frame: &Frame,
        geometry: &Geometry,
        frames: usize,
    ) -> Self {
        let mut attributes = InMemDicomObject::new_empty();
        for &tag in TAKEN_OVER {
            if let Some(element) = object.get(tag) {
                attributes.put(element.clone());
            }
        }
        let position = frame.position.unwrap_or_default();
        Self {
            attributes,
            class: text(object, tags::SOP_CLASS_UID).unwrap_or_default(),
            instance: text(object, tags::SOP_INSTANCE_UID).unwrap_or_default(),
            frame: (frames > 1).then_some(frame.index + 1),
            series: text(object, tags::SERIES_INSTANCE_UID),
            along: position.iter().zip(geometry.direction[0]).map(|(p, d)| p * d).sum(),
            series_number: number(object, tags::SERIES_NUMBER).map(|number| number as i64),
            number: number(object, tags::INSTANCE_NUMBER).map(|number| number as i64).filter(|_| frames == 1),
            burned_in: text(object, tags::BURNED_IN_ANNOTATION),
        }
    }
}

/// The modality of a source, or `None` where the file does not say it.
pub(super) fn source_modality(object: &DefaultDicomObject) -> Option<Modality> {
    modality_of(object)
}

/// What keeps its meaning in a derived image. Everything else is left behind: private attributes, identifiers of
/// the instance, the reconstruction kernel, overlays, display settings.
const TAKEN_OVER: &[Tag] = &[
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::STUDY_DESCRIPTION,
    tags::STUDY_INSTANCE_UID,
    tags::STUDY_ID,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_AGE,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::BODY_PART_EXAMINED,
    tags::PATIENT_POSITION,
    tags::LATERALITY,
    tags::FRAME_OF_REFERENCE_UID,
    tags::POSITION_REFERENCE_INDICATOR,
    tags::ACQUISITION_NUMBER,
    tags::KVP,
    tags::SLICE_THICKNESS,
    tags::SCANNING_SEQUENCE,
    tags::SEQUENCE_VARIANT,
    tags::SCAN_OPTIONS,
    tags::MR_ACQUISITION_TYPE,
    tags::REPETITION_TIME,
    tags::ECHO_TIME,
    tags::ECHO_TRAIN_LENGTH,
    tags::INVERSION_TIME,
    tags::FLIP_ANGLE,
    tags::MAGNETIC_FIELD_STRENGTH,
    tags::IMAGING_FREQUENCY,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
];
