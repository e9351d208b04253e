//! C-FIND: what does an archive have (PS3.4, C.4.1, in the study root model)?

use super::Node;
use super::classes::{PLAIN, STUDY_FIND};
use super::command::{Command, Kind};
use super::error::NetworkError;
use super::filter::{DateRange, Filter, ModalityCode, Text};
use super::found::{Instance, Series, Study};
use super::link::Link;
use super::negotiate::{Offer, connect};
use super::status::{Outcome, Status};
use super::uid::Uid;
use crate::dicom::builder::Builder;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// More answers than this are a mistake: of the filter, or of the peer.
const MOST_ANSWERS: usize = 1 << 17;

/// An association that asks an archive what it has, level by level.
pub struct Finder<'a> {
    link: Link<'a>,
    context: (u8, &'static str),
}

impl<'a> Finder<'a> {
    /// Opens the association.
    ///
    /// # Errors
    /// [`NetworkError::Peer`], also when the archive has no C-FIND.
    pub fn open(node: &'a Node) -> Result<Self, NetworkError> {
        let link = connect(node, &[Offer::using(STUDY_FIND, &PLAIN)])?;
        let context = link.context(STUDY_FIND, "queries by study (C-FIND)")?;
        Ok(Self { link, context })
    }

    /// The studies that match.
    ///
    /// # Errors
    /// [`NetworkError::Peer`].
    pub fn studies(&mut self, filter: &Filter) -> Result<Vec<Study>, NetworkError> {
        let Filter { patient_id, patient_name, study, accession, modality, date } = filter;
        let mut keys = level("STUDY");
        for (tag, vr, value) in [
            (tags::STUDY_INSTANCE_UID, VR::UI, study.as_ref().map(Uid::as_str)),
            (tags::PATIENT_ID, VR::LO, patient_id.as_ref().map(Text::as_str)),
            (tags::PATIENT_NAME, VR::PN, patient_name.as_ref().map(Text::as_str)),
            (tags::ACCESSION_NUMBER, VR::SH, accession.as_ref().map(Text::as_str)),
            (tags::MODALITIES_IN_STUDY, VR::CS, modality.as_ref().map(ModalityCode::as_str)),
            (tags::STUDY_DATE, VR::DA, date.as_ref().map(DateRange::as_str)),
            (tags::STUDY_DESCRIPTION, VR::LO, None),
            (tags::NUMBER_OF_STUDY_RELATED_SERIES, VR::IS, None),
            (tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, None),
        ] {
            keys.text(tag, vr, value.unwrap_or_default());
        }
        self.ask(&keys.0, Study::of)
    }

    /// The series of a study; those of `filter`'s modality where it has one.
    ///
    /// # Errors
    /// [`NetworkError::Peer`].
    pub fn series(&mut self, study: &Uid, filter: &Filter) -> Result<Vec<Series>, NetworkError> {
        let mut keys = level("SERIES");
        keys.text(tags::STUDY_INSTANCE_UID, VR::UI, study.as_str());
        let modality = filter.modality.as_ref().map(ModalityCode::as_str);
        keys.text(tags::MODALITY, VR::CS, modality.unwrap_or_default());
        empty(
            &mut keys,
            &[
                (tags::SERIES_INSTANCE_UID, VR::UI),
                (tags::SERIES_NUMBER, VR::IS),
                (tags::SERIES_DESCRIPTION, VR::LO),
                (tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS),
            ],
        );
        self.ask(&keys.0, Series::of)
    }

    /// The images of a series.
    pub(super) fn instances(&mut self, study: &Uid, series: &Uid) -> Result<Vec<Instance>, NetworkError> {
        let mut keys = level("IMAGE");
        keys.text(tags::STUDY_INSTANCE_UID, VR::UI, study.as_str());
        keys.text(tags::SERIES_INSTANCE_UID, VR::UI, series.as_str());
        empty(&mut keys, &[(tags::SOP_INSTANCE_UID, VR::UI), (tags::SOP_CLASS_UID, VR::UI)]);
        self.ask(&keys.0, Instance::of)
    }

    fn ask<T>(
        &mut self,
        keys: &InMemDicomObject,
        of: impl Fn(&InMemDicomObject) -> Option<T>,
    ) -> Result<Vec<T>, NetworkError> {
        let node = self.link.node;
        let id = self.link.next_id();
        self.link.send(self.context.0, Command::request(Kind::FindRequest, STUDY_FIND, id, true))?;
        self.link.send_object(self.context, keys)?;
        let mut found = Vec::new();
        loop {
            let answer = self.link.answer(Kind::FindAnswer)?;
            let status = answer.status().unwrap_or(Status::NOT_UNDERSTOOD);
            let object = if answer.has_data() { Some(self.link.object(self.context)?) } else { None };
            match status.outcome() {
                Outcome::Pending => found.extend(object.as_ref().and_then(&of)),
                Outcome::Success | Outcome::Warning => return Ok(found),
                Outcome::Failure => return Err(NetworkError::refused(node, "the query", status)),
            }
            if found.len() > MOST_ANSWERS {
                let what = format!("has more than {MOST_ANSWERS} answers");
                return Err(NetworkError::new(node, what, "narrow the filter"));
            }
        }
    }

    /// Ends the association.
    pub fn close(self) {
        self.link.close();
    }
}

fn level(name: &str) -> Builder {
    let mut keys = Builder(InMemDicomObject::new_empty());
    keys.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    keys.text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, name);
    keys
}

/// Keys that the peer is asked to fill in.
fn empty(keys: &mut Builder, wanted: &[(Tag, VR)]) {
    wanted.iter().for_each(|&(tag, vr)| keys.text(tag, vr, ""));
}
