//! What a peer has, as it says.

use super::uid::Uid;
use crate::dicom::attributes::{count, text};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::fmt;

/// The longest text of an answer that is kept, in characters.
const LONGEST: usize = 128;

/// A study.
#[derive(Clone, Debug)]
pub struct Study {
    /// Its identifier.
    pub uid: Uid,
    /// The kinds of its series, such as CT.
    pub modalities: Vec<String>,
    /// How many series it has, if the peer says so.
    pub series: Option<usize>,
    /// How many images it has, if the peer says so.
    pub images: Option<usize>,
    /// Whose it is.
    pub identity: Identity,
}

/// What names a patient. The `Debug` form is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The number of the patient.
    pub patient_id: Option<String>,
    /// The name of the patient.
    pub patient_name: Option<String>,
    /// The number of the order.
    pub accession: Option<String>,
    /// When the study was made, YYYYMMDD.
    pub date: Option<String>,
    /// What somebody wrote about it.
    pub description: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A series.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its identifier.
    pub uid: Uid,
    /// What kind it is, such as CT.
    pub modality: Option<String>,
    /// Its number in the study.
    pub number: Option<String>,
    /// How many images it has, if the peer says so.
    pub images: Option<usize>,
    /// What somebody wrote about it, which may name the patient.
    pub description: Option<String>,
}

/// An image.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// Its kind, if the peer says so.
    pub(super) class: Option<Uid>,
}

impl Study {
    /// From an answer; `None` if it has no identifier.
    pub(super) fn of(answer: &InMemDicomObject) -> Option<Self> {
        let modalities = words(answer, tags::MODALITIES_IN_STUDY).unwrap_or_default();
        Some(Self {
            uid: uid(answer, tags::STUDY_INSTANCE_UID)?,
            modalities: modalities.split('\\').filter(|m| !m.is_empty()).map(str::to_owned).collect(),
            series: count(answer, tags::NUMBER_OF_STUDY_RELATED_SERIES),
            images: count(answer, tags::NUMBER_OF_STUDY_RELATED_INSTANCES),
            identity: Identity {
                patient_id: words(answer, tags::PATIENT_ID),
                patient_name: words(answer, tags::PATIENT_NAME),
                accession: words(answer, tags::ACCESSION_NUMBER),
                date: words(answer, tags::STUDY_DATE),
                description: words(answer, tags::STUDY_DESCRIPTION),
            },
        })
    }
}

impl Series {
    /// From an answer; `None` if it has no identifier.
    pub(super) fn of(answer: &InMemDicomObject) -> Option<Self> {
        Some(Self {
            uid: uid(answer, tags::SERIES_INSTANCE_UID)?,
            modality: words(answer, tags::MODALITY),
            number: words(answer, tags::SERIES_NUMBER),
            images: count(answer, tags::NUMBER_OF_SERIES_RELATED_INSTANCES),
            description: words(answer, tags::SERIES_DESCRIPTION),
        })
    }
}

impl Instance {
    /// From an answer; `None` if it has no identifier.
    pub(super) fn of(answer: &InMemDicomObject) -> Option<Self> {
        uid(answer, tags::SOP_INSTANCE_UID)?;
        Some(Self { class: uid(answer, tags::SOP_CLASS_UID) })
    }
}

fn uid(answer: &InMemDicomObject, tag: Tag) -> Option<Uid> {
    text(answer, tag)?.parse().ok()
}

fn words(answer: &InMemDicomObject, tag: Tag) -> Option<String> {
    Some(text(answer, tag)?.chars().take(LONGEST).collect())
}
