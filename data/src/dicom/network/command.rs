//! Commands: the first part of every message (PS3.7, E.1).

use super::status::Status;
use super::uid::Uid;
use crate::dicom::attributes::{count, text};
use crate::dicom::parse;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// What a command asks for or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    StoreRequest,
    StoreAnswer,
    GetRequest,
    GetAnswer,
    FindRequest,
    FindAnswer,
    MoveRequest,
    MoveAnswer,
    EchoRequest,
    EchoAnswer,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::StoreRequest,
        Self::StoreAnswer,
        Self::GetRequest,
        Self::GetAnswer,
        Self::FindRequest,
        Self::FindAnswer,
        Self::MoveRequest,
        Self::MoveAnswer,
        Self::EchoRequest,
        Self::EchoAnswer,
    ];

    fn field(self) -> u16 {
        match self {
            Self::StoreRequest => 0x0001,
            Self::StoreAnswer => 0x8001,
            Self::GetRequest => 0x0010,
            Self::GetAnswer => 0x8010,
            Self::FindRequest => 0x0020,
            Self::FindAnswer => 0x8020,
            Self::MoveRequest => 0x0021,
            Self::MoveAnswer => 0x8021,
            Self::EchoRequest => 0x0030,
            Self::EchoAnswer => 0x8030,
        }
    }
}

/// Says that no data set follows.
const NO_DATA: u16 = 0x0101;
/// Says that one does; any other number would.
const WITH_DATA: u16 = 0x0001;

/// A command that is sent or was received.
pub(super) struct Command(InMemDicomObject);

impl Command {
    /// A request of a service.
    pub(super) fn request(kind: Kind, class: &str, id: u16, with_data: bool) -> Self {
        let mut command = Self::of(kind, with_data);
        command.put(tags::AFFECTED_SOP_CLASS_UID, VR::UI, class.into());
        command.put(tags::MESSAGE_ID, VR::US, id.into());
        if with_data {
            // Medium.
            command.put(tags::PRIORITY, VR::US, 0u16.into());
        }
        command
    }

    /// The request to store an image.
    pub(super) fn store(class: &str, instance: &str, id: u16) -> Self {
        let mut command = Self::request(Kind::StoreRequest, class, id, true);
        command.put(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, instance.into());
        command
    }

    /// The request to send images to somebody.
    pub(super) fn moving(class: &str, to: &str, id: u16) -> Self {
        let mut command = Self::request(Kind::MoveRequest, class, id, true);
        command.put(tags::MOVE_DESTINATION, VR::AE, to.into());
        command
    }

    /// The answer to an echo.
    pub(super) fn echoed(&self) -> Self {
        self.answered(Kind::EchoAnswer, Status::SUCCESS)
    }

    /// The answer to a request to store.
    pub(super) fn stored(&self, status: Status) -> Self {
        self.answered(Kind::StoreAnswer, status)
    }

    fn answered(&self, kind: Kind, status: Status) -> Self {
        let mut answer = Self::of(kind, false);
        for tag in [tags::AFFECTED_SOP_CLASS_UID, tags::AFFECTED_SOP_INSTANCE_UID] {
            if let Some(uid) = text(&self.0, tag) {
                answer.put(tag, VR::UI, uid.as_str().into());
            }
        }
        let id = self.number(tags::MESSAGE_ID).unwrap_or(0);
        answer.put(tags::MESSAGE_ID_BEING_RESPONDED_TO, VR::US, id.into());
        answer.put(tags::STATUS, VR::US, status.0.into());
        answer
    }

    fn of(kind: Kind, with_data: bool) -> Self {
        let mut command = Self(InMemDicomObject::new_empty());
        let data = if with_data { WITH_DATA } else { NO_DATA };
        command.put(tags::COMMAND_FIELD, VR::US, kind.field().into());
        command.put(tags::COMMAND_DATA_SET_TYPE, VR::US, data.into());
        command
    }

    fn put(&mut self, tag: Tag, vr: VR, value: PrimitiveValue) {
        self.0.put(DataElement::new(tag, vr, value));
    }

    /// Its bytes; `None` if it cannot be encoded.
    pub(super) fn encoded(self) -> Option<Vec<u8>> {
        // This puts the length of the group in front.
        let command = InMemDicomObject::command_from_element_iter(self.0);
        parse::encoded(&command, super::classes::IMPLICIT)
    }

    /// Reads one; `None` if it is damaged.
    pub(super) fn decoded(bytes: &[u8]) -> Option<Self> {
        parse::decoded(bytes, super::classes::IMPLICIT).map(Self)
    }

    /// What it is, if it is known here.
    pub(super) fn kind(&self) -> Option<Kind> {
        let field = self.number(tags::COMMAND_FIELD)?;
        Kind::ALL.into_iter().find(|kind| kind.field() == field)
    }

    /// Whether a data set follows.
    pub(super) fn has_data(&self) -> bool {
        self.number(tags::COMMAND_DATA_SET_TYPE) != Some(NO_DATA)
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> Option<Status> {
        self.number(tags::STATUS).map(Status)
    }

    /// The class that it is about.
    pub(super) fn class(&self) -> Option<Uid> {
        text(&self.0, tags::AFFECTED_SOP_CLASS_UID)?.parse().ok()
    }

    /// The image that it is about.
    pub(super) fn instance(&self) -> Option<Uid> {
        text(&self.0, tags::AFFECTED_SOP_INSTANCE_UID)?.parse().ok()
    }

    /// How many images the peer could not send, of those it was asked for.
    pub(super) fn failed(&self) -> usize {
        count(&self.0, tags::NUMBER_OF_FAILED_SUBOPERATIONS).unwrap_or(0)
    }

    fn number(&self, tag: Tag) -> Option<u16> {
        u16::try_from(count(&self.0, tag)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = Command::store("1.2.3", "1.2.3.4", 7).encoded().unwrap();
        let command = Command::decoded(&bytes).unwrap();
        assert_eq!(command.kind(), Some(Kind::StoreRequest));
        assert!(command.has_data() && command.status().is_none());
        assert_eq!(command.instance().unwrap().as_str(), "1.2.3.4");
        let answer = Command::decoded(&command.stored(Status::SUCCESS).encoded().unwrap()).unwrap();
        assert_eq!((answer.kind(), answer.status()), (Some(Kind::StoreAnswer), Some(Status::SUCCESS)));
        assert!(!answer.has_data());
    }

    #[test]
    fn damaged_commands_are_no_commands() {
        let bytes = Command::request(Kind::EchoRequest, "1.2.3", 1, false).encoded().unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = Command::decoded(&damaged);
            let _ = Command::decoded(&bytes[..at]).and_then(|command| command.kind());
        }
    }
}
