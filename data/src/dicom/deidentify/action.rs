//! What is done with an attribute.

use super::table::{DATES, DUMMY, EMPTY, REMOVED, UIDS};
use dicom_core::dictionary::DataDictionary;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// The actions of table E.1-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// D: a value that says nothing takes the place.
    Dummy,
    /// Z: the value is emptied.
    Empty,
    /// X: the attribute goes.
    Remove,
    /// K: it is kept; the items of a sequence are looked at.
    Keep,
    /// C: dates are moved.
    Clean,
    /// U: identifiers are replaced.
    Replace,
}

impl Action {
    /// What is done with an attribute of this tag and representation.
    ///
    /// Beyond the table goes what nobody can vouch for: private attributes, those that the dictionary does not know, and
    /// values of unknown representation. Names of persons and whole sentences are emptied, and identifiers replaced, wherever
    /// they stand.
    pub(super) fn of(tag: Tag, vr: VR) -> Self {
        let number = u32::from(tag.group()) << 16 | u32::from(tag.element());
        let listed = |table: &[u32]| table.binary_search(&number).is_ok();
        match () {
            () if is_private(tag) || is_repeating(tag) || listed(&REMOVED) => Self::Remove,
            () if listed(&DUMMY) => Self::Dummy,
            () if listed(&EMPTY) => Self::Empty,
            () if listed(&DATES) => Self::Clean,
            () if listed(&UIDS) => Self::Replace,
            () if tag.element() == 0 || vr == VR::UN => Self::Remove,
            () if StandardDataDictionary.by_tag(tag).is_none() => Self::Remove,
            () if matches!(vr, VR::PN | VR::ST | VR::LT | VR::UT) => Self::Empty,
            () if vr == VR::UI => Self::Replace,
            () => Self::Keep,
        }
    }
}

fn is_private(tag: Tag) -> bool {
    tag.group() % 2 == 1
}

/// Curves (50xx,xxxx), overlay data (60xx,3000) and overlay comments (60xx,4000).
fn is_repeating(tag: Tag) -> bool {
    match tag.group() & 0xff00 {
        0x5000 => true,
        0x6000 => matches!(tag.element(), 0x3000 | 0x4000),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::tags;

    #[test]
    fn tables_are_sorted_and_list_a_tag_once() {
        let tables: [&[u32]; 5] = [&DUMMY, &EMPTY, &REMOVED, &DATES, &UIDS];
        assert!(tables.iter().all(|table| table.is_sorted()));
        let mut all = tables.concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), tables.iter().map(|table| table.len()).sum::<usize>());
        assert_eq!(all.len(), 652);
    }

    #[test]
    fn attributes_have_the_actions_of_the_standard() {
        for (tag, vr, action) in [
            (tags::PATIENT_NAME, VR::PN, Action::Empty),
            (tags::PATIENT_AGE, VR::AS, Action::Remove),
            (tags::STUDY_DATE, VR::DA, Action::Clean),
            (tags::PATIENT_BIRTH_DATE, VR::DA, Action::Empty),
            (tags::STUDY_INSTANCE_UID, VR::UI, Action::Replace),
            (tags::SOURCE_IMAGE_SEQUENCE, VR::SQ, Action::Replace),
            (tags::CLINICAL_TRIAL_SUBJECT_ID, VR::LO, Action::Dummy),
            (tags::ROWS, VR::US, Action::Keep),
            (tags::PIXEL_DATA, VR::OW, Action::Keep),
            (Tag(0x0009, 0x0010), VR::LO, Action::Remove),
            (Tag(0x6002, 0x3000), VR::OW, Action::Remove),
            (Tag(0x5004, 0x0010), VR::US, Action::Remove),
            (Tag(0x0008, 0xfff0), VR::LO, Action::Remove),
            (Tag(0x0008, 0x0000), VR::UL, Action::Remove),
        ] {
            assert_eq!(Action::of(tag, vr), action, "{tag}");
        }
    }
}
