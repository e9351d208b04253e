//! The data set of one derived CT or MR image (PS3.3, A.3 and A.4).
//!
//! Patient, study, frame of reference and acquisition come from the source; everything about the image itself is
//! new, says how it was derived, and refers to the source.

use super::attributes;
use super::builder::Builder;
use super::identity::Identity;
use super::patient::{laterality, patient_and_study};
use super::source::{DicomSource, SourceSlice};
use super::stored::{StoredScale, decimal_string};
use crate::{Derivation, Geometry, Modality, Provenance};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use ndarray::ArrayView2;

const MAKER: &str = "recon";
const WARNING: &str = "NOT FOR DIAGNOSTIC USE";

/// What all images of a derived series share.
pub(super) struct Derived<'a> {
    pub(super) geometry: &'a Geometry,
    /// The largest value of the series, at least 0.
    pub(super) high: f32,
    pub(super) source: Option<&'a DicomSource>,
    pub(super) modality: Modality,
    pub(super) scale: StoredScale,
    pub(super) identity: Identity,
    pub(super) provenance: &'a Provenance,
    /// Date (YYYYMMDD) and time (HHMMSS) of writing; none where the day of the scan must not be guessed from it.
    pub(super) now: Option<(String, String)>,
}

/// One item of a code sequence.
pub(super) fn code(value: &str, meaning: &str) -> InMemDicomObject {
    let mut item = Builder(InMemDicomObject::new_empty());
    item.text(tags::CODE_VALUE, VR::SH, value);
    item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM");
    item.text(tags::CODE_MEANING, VR::LO, meaning);
    item.0
}

/// `text` without control characters and backslashes (which separate values), cut to `longest` characters.
fn limited(text: &str, longest: usize) -> String {
    let clean = text.chars().map(|c| {
        if c.is_control() {
            ' '
        } else if c == '\\' {
            '/'
        } else {
            c
        }
    });
    clean.take(longest).collect::<String>().trim().to_owned()
}

impl Derived<'_> {
    /// The class of the images: classic CT or MR, also for an enhanced source.
    pub(super) fn class(&self) -> &'static str {
        match self.modality {
            Modality::Ct => uids::CT_IMAGE_STORAGE,
            Modality::Mr => uids::MR_IMAGE_STORAGE,
        }
    }

    /// The data set of slice `index`, whose values these are.
    pub(super) fn image(&self, index: usize, values: &ArrayView2<'_, f32>) -> InMemDicomObject {
        let geometry = self.geometry;
        let position: [f64; 3] = std::array::from_fn(|axis| {
            geometry.origin_mm[axis] + index as f64 * geometry.spacing_mm[0] * geometry.direction[0][axis]
        });
        let along: f64 = position.iter().zip(geometry.direction[0]).map(|(p, d)| p * d).sum();
        let source = self.source.and_then(|source| source.nearest(along));
        let taken = source.map_or_else(InMemDicomObject::new_empty, |slice| slice.attributes.clone());
        let mut image = Builder(taken);
        patient_and_study(&mut image, &self.identity.study);
        self.series(&mut image, source);
        self.derivation(&mut image, index, source);
        self.plane(&mut image, position, along);
        match self.modality {
            Modality::Ct => acquisition_ct(&mut image),
            Modality::Mr => acquisition_mr(&mut image),
        }
        self.pixels(&mut image, values);
        image.0
    }

    fn series(&self, image: &mut Builder, source: Option<&SourceSlice>) {
        let number = source.and_then(|slice| slice.series_number).unwrap_or(0);
        // Any number unlike the source's; 9000 is above what scanners count to.
        let number =
            if (0..1000).contains(&number) { 9000 + number } else { 9000 + i64::from(number == 9000) };
        let name = match self.modality {
            Modality::Ct => "CT",
            Modality::Mr => "MR",
        };
        image.text(tags::MODALITY, VR::CS, name);
        image.text(tags::SERIES_INSTANCE_UID, VR::UI, &self.identity.series);
        image.text(tags::SERIES_NUMBER, VR::IS, &number.to_string());
        image.text(tags::SERIES_DESCRIPTION, VR::LO, &self.series_description());
        self.stamp(image, &[(tags::SERIES_DATE, tags::SERIES_TIME)]);
        image.text(tags::MANUFACTURER, VR::LO, MAKER);
        image.text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MAKER);
        image.text(tags::SOFTWARE_VERSIONS, VR::LO, &limited(&self.provenance.version, 64));
        image.default(tags::FRAME_OF_REFERENCE_UID, VR::UI, &self.identity.frame_of_reference);
        image.default(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
        image.default(tags::PATIENT_POSITION, VR::CS, "");
        laterality(image);
    }

    /// Says when it was written.
    fn stamp(&self, image: &mut Builder, attributes: &[(Tag, Tag)]) {
        let Some((date, time)) = &self.now else { return };
        for &(date_tag, time_tag) in attributes {
            image.text(date_tag, VR::DA, date);
            image.text(time_tag, VR::TM, time);
        }
    }

    /// The given name with the warning, which is never cut off.
    fn series_description(&self) -> String {
        let name = limited(&self.provenance.series_description, 64);
        if name.to_uppercase().contains(WARNING) {
            return name;
        }
        let name = limited(&name, 64 - WARNING.len() - 3);
        if name.is_empty() { WARNING.to_owned() } else { format!("{name} - {WARNING}") }
    }

    fn derivation(&self, image: &mut Builder, index: usize, source: Option<&SourceSlice>) {
        let last = if self.modality == Modality::Ct { "AXIAL" } else { "OTHER" };
        image.text(tags::SOP_CLASS_UID, VR::UI, self.class());
        image.text(tags::SOP_INSTANCE_UID, VR::UI, &self.identity.instance(index));
        image.list(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY", last].map(str::to_owned));
        let number = source.and_then(|source| source.number).unwrap_or(index as i64 + 1);
        image.text(tags::INSTANCE_NUMBER, VR::IS, &number.to_string());
        self.stamp(
            image,
            &[
                (tags::INSTANCE_CREATION_DATE, tags::INSTANCE_CREATION_TIME),
                (tags::CONTENT_DATE, tags::CONTENT_TIME),
            ],
        );
        image.text(tags::DERIVATION_DESCRIPTION, VR::ST, &self.derivation_description());
        let comments = format!("{} Not for diagnostic use.", limited(&self.provenance.comments, 10_000));
        image.text(tags::IMAGE_COMMENTS, VR::LT, comments.trim());
        // Text in the pixels is reconstructed with the rest, so this is for the source to say.
        match source.map(|source| source.burned_in.as_deref()) {
            None | Some(Some("NO")) => image.text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
            Some(Some(_)) => image.text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES"),
            Some(None) => {}
        }
        image.default(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
        if let Some(source) = source.filter(|source| !source.instance.is_empty()) {
            image.sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![reference(source)]);
            let derivation = match self.provenance.derivation {
                Derivation::Iterative => Some(code("113963", "Iterative Reconstruction")),
                Derivation::FilteredBackProjection => Some(code("113962", "Filtered Back Projection")),
                Derivation::Other => None,
            };
            derivation
                .into_iter()
                .for_each(|code| image.sequence(tags::DERIVATION_CODE_SEQUENCE, vec![code]));
        }
        image.sequence(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![self.equipment()]);
    }

    fn derivation_description(&self) -> String {
        let scale = if self.scale.slope == 1.0 || self.modality == Modality::Ct {
            String::new()
        } else {
            format!(" (value = {} x stored)", decimal_string(self.scale.slope))
        };
        limited(&self.provenance.description, 1024 - scale.len()) + &scale
    }

    fn equipment(&self) -> InMemDicomObject {
        let mut item = Builder(InMemDicomObject::new_empty());
        let purpose = code("109103", "Modifying Equipment");
        item.sequence(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![purpose]);
        item.text(tags::MANUFACTURER, VR::LO, MAKER);
        item.text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MAKER);
        item.text(tags::SOFTWARE_VERSIONS, VR::LO, &limited(&self.provenance.version, 64));
        if let Some((date, time)) = &self.now {
            item.text(tags::CONTRIBUTION_DATE_TIME, VR::DT, &format!("{date}{time}"));
        }
        item.text(tags::CONTRIBUTION_DESCRIPTION, VR::ST, &limited(&self.provenance.description, 1024));
        item.0
    }

    fn plane(&self, image: &mut Builder, position: [f64; 3], along: f64) {
        let geometry = self.geometry;
        let [gap, row_gap, column_gap] = geometry.spacing_mm;
        image.decimals(tags::IMAGE_POSITION_PATIENT, &position);
        image.decimals(
            tags::IMAGE_ORIENTATION_PATIENT,
            &[geometry.direction[2], geometry.direction[1]].concat(),
        );
        image.decimals(tags::PIXEL_SPACING, &[row_gap, column_gap]);
        image.decimals(tags::SLICE_LOCATION, &[along]);
        let thickness = attributes::number(&image.0, tags::SLICE_THICKNESS).filter(|&length| length > 0.0);
        image.decimals(tags::SLICE_THICKNESS, &[thickness.unwrap_or(gap)]);
        image.decimals(tags::SPACING_BETWEEN_SLICES, &[gap]);
    }

    fn pixels(&self, image: &mut Builder, slice: &ArrayView2<'_, f32>) {
        image.number(tags::SAMPLES_PER_PIXEL, 1);
        image.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        image.number(tags::ROWS, slice.nrows() as u16);
        image.number(tags::COLUMNS, slice.ncols() as u16);
        image.number(tags::BITS_ALLOCATED, 16);
        image.number(tags::BITS_STORED, 16);
        image.number(tags::HIGH_BIT, 15);
        image.number(tags::PIXEL_REPRESENTATION, u16::from(self.scale.signed));
        let (centre, width) = self.window();
        image.decimals(tags::WINDOW_CENTER, &[centre]);
        image.decimals(tags::WINDOW_WIDTH, &[width]);
        if self.modality == Modality::Ct || self.scale.slope != 1.0 {
            let unit = if self.modality == Modality::Ct { "HU" } else { "US" };
            image.decimals(tags::RESCALE_INTERCEPT, &[self.scale.intercept]);
            image.decimals(tags::RESCALE_SLOPE, &[self.scale.slope]);
            image.text(tags::RESCALE_TYPE, VR::LO, unit);
        }
        let stored = self.scale.store(slice);
        image.0.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.into())));
    }

    /// Display window: soft tissue in CT; in MR all values of the series.
    fn window(&self) -> (f64, f64) {
        if self.modality == Modality::Ct {
            return (40.0, 400.0);
        }
        // A width below one step is not allowed.
        let high = f64::from(self.high).max(2.0 * self.scale.slope);
        (high / 2.0, high)
    }
}

fn reference(source: &SourceSlice) -> InMemDicomObject {
    let mut item = Builder(InMemDicomObject::new_empty());
    item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &source.class);
    item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &source.instance);
    if let Some(frame) = source.frame {
        item.text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &frame.to_string());
    }
    let purpose = code("121322", "Source image for image processing operation");
    item.sequence(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![purpose]);
    item.0
}

fn acquisition_ct(image: &mut Builder) {
    image.default(tags::KVP, VR::DS, "");
    image.default(tags::ACQUISITION_NUMBER, VR::IS, "");
}

fn acquisition_mr(image: &mut Builder) {
    // Research mode and no variant: the values of the standard for a sequence that is not known.
    image.default(tags::SCANNING_SEQUENCE, VR::CS, "RM");
    image.default(tags::SEQUENCE_VARIANT, VR::CS, "NONE");
    for (tag, vr) in [
        (tags::SCAN_OPTIONS, VR::CS),
        (tags::MR_ACQUISITION_TYPE, VR::CS),
        (tags::REPETITION_TIME, VR::DS),
        (tags::ECHO_TIME, VR::DS),
        (tags::ECHO_TRAIN_LENGTH, VR::IS),
    ] {
        image.default(tag, vr, "");
    }
}
