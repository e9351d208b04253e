//! One image of a file: size, place in the patient, and meaning of its numbers.

use super::attributes::{count, item, number, text, vector};
use crate::{DataError, Modality};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject};
use std::path::{Path, PathBuf};

/// Most pixels of one image: 8192 x 8192.
const MOST_PIXELS: usize = 1 << 26;
const MOST_FRAMES: usize = 1 << 14;

/// What the header says about one image.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) path: PathBuf,
    /// Index in the file, 0 for a file of one image.
    pub(super) index: u32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Distance between rows and between columns, mm.
    pub(super) spacing: Option<[f64; 2]>,
    /// Directions along a row and along a column.
    pub(super) orientation: Option<[[f64; 3]; 2]>,
    /// Centre of the first pixel, mm.
    pub(super) position: Option<[f64; 3]>,
    /// Distance to the next slice as the file says it, mm.
    pub(super) thickness: Option<f64>,
    /// Value of a pixel: `slope · stored + intercept`.
    pub(super) slope: f64,
    pub(super) intercept: f64,
    pub(super) has_rescale: bool,
    /// Stored numbers, as 16 bits, of pixels that were not measured: from the first to the second.
    pub(super) padding: Option<[u16; 2]>,
    /// Whether such pixels are air, as in CT.
    pub(super) padding_is_air: bool,
}

/// Refuses everything but grey CT and MR images, and describes each image of the file.
pub(super) fn frames_of(path: &Path, object: &DefaultDicomObject) -> Result<Vec<Frame>, DataError> {
    check_kind(path, object)?;
    let size = |tag| count(object, tag).unwrap_or(0);
    let (rows, columns) = (size(tags::ROWS), size(tags::COLUMNS));
    if rows == 0 || columns == 0 {
        return Err(DataError::input(path, "holds no image (no rows or columns)", "give a DICOM image"));
    }
    let number_of_frames = count(object, tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1);
    if rows * columns > MOST_PIXELS || number_of_frames > MOST_FRAMES {
        let what =
            format!("claims {number_of_frames} images of {rows} x {columns} pixels, which is too large");
        return Err(DataError::input(path, what, "export a smaller series"));
    }
    Ok((0..number_of_frames).map(|index| frame(path, object, index, [rows, columns])).collect())
}

/// The modality, if it is one that is known here.
pub(super) fn modality_of(object: &InMemDicomObject) -> Option<Modality> {
    match text(object, tags::MODALITY)?.as_str() {
        "CT" => Some(Modality::Ct),
        "MR" => Some(Modality::Mr),
        _ => None,
    }
}

fn check_kind(path: &Path, object: &DefaultDicomObject) -> Result<(), DataError> {
    let refuse = |what: String, advice: &str| Err(DataError::input(path, what, advice));
    if let (Some(modality), None) = (text(object, tags::MODALITY), modality_of(object)) {
        let what = format!("is of modality {modality}");
        return refuse(what, "only CT and MR images are reconstructed");
    }
    if text(object, tags::IMAGE_TYPE).is_some_and(|kind| kind.to_uppercase().contains("MOSAIC")) {
        return refuse(
            "is a Siemens mosaic, many slices tiled in one image".to_owned(),
            "convert it to NIfTI with dcm2niix first",
        );
    }
    let kind = text(object, tags::IMAGE_TYPE).unwrap_or_default().to_uppercase();
    if modality_of(object) == Some(Modality::Ct) && kind.contains("LOCALIZER") {
        return refuse("is a localizer, a projection and not a slice".to_owned(), "give the slices");
    }
    let samples = count(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric =
        text(object, tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_else(|| "MONOCHROME2".to_owned());
    if samples != 1 || !photometric.starts_with("MONOCHROME") {
        return refuse(format!("is a colour image ({photometric})"), "give the grey original");
    }
    let bits = count(object, tags::BITS_ALLOCATED).unwrap_or(16);
    if object.get(tags::BITS_ALLOCATED).is_some() && bits != 8 && bits != 16 {
        return refuse(format!("has {bits}-bit pixels"), "convert it to 16 bits, or to NIfTI");
    }
    Ok(())
}

fn frame(path: &Path, object: &InMemDicomObject, index: usize, [rows, columns]: [usize; 2]) -> Frame {
    let groups = Groups { object, index };
    let measures = groups.holder(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING);
    let values = groups.holder(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags::RESCALE_SLOPE);
    let plane = groups.holder(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT);
    let place = groups.holder(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT);
    let slope = number(values, tags::RESCALE_SLOPE).filter(|&slope| slope != 0.0);
    let positive = |tag| number(measures, tag).filter(|&length| length > 0.0);
    let spacing =
        vector::<2>(measures, tags::PIXEL_SPACING).or_else(|| vector(object, tags::IMAGER_PIXEL_SPACING));
    Frame {
        path: path.to_owned(),
        index: index as u32,
        rows,
        columns,
        spacing: spacing.filter(|spacing| spacing.iter().all(|&length| length > 0.0)),
        orientation: vector::<6>(plane, tags::IMAGE_ORIENTATION_PATIENT).and_then(unit_axes),
        position: vector(place, tags::IMAGE_POSITION_PATIENT),
        thickness: positive(tags::SPACING_BETWEEN_SLICES).or_else(|| positive(tags::SLICE_THICKNESS)),
        slope: slope.unwrap_or(1.0),
        intercept: number(values, tags::RESCALE_INTERCEPT).unwrap_or(0.0),
        has_rescale: slope.is_some(),
        padding: padding(object),
        padding_is_air: modality_of(object) == Some(Modality::Ct),
    }
}

/// Pixel Padding Value and Pixel Padding Range Limit, signed or not.
fn padding(object: &InMemDicomObject) -> Option<[u16; 2]> {
    let bits = |tag| number(object, tag).map(|value| (value as i64) as u16);
    let value = bits(tags::PIXEL_PADDING_VALUE)?;
    Some([value, bits(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value)])
}

/// Row and column direction, made unit length; `None` if they are no directions at right angles.
fn unit_axes(cosines: [f64; 6]) -> Option<[[f64; 3]; 2]> {
    let unit = |v: [f64; 3]| {
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        (length > 0.5).then(|| v.map(|x| x / length))
    };
    let row = unit([cosines[0], cosines[1], cosines[2]])?;
    let column = unit([cosines[3], cosines[4], cosines[5]])?;
    let dot: f64 = row.iter().zip(column).map(|(a, b)| a * b).sum();
    (dot.abs() < 0.01).then_some([row, column])
}

/// The functional groups of an enhanced multi-frame file; in a classic file all is at the top.
struct Groups<'a> {
    object: &'a InMemDicomObject,
    index: usize,
}

impl<'a> Groups<'a> {
    /// The data set that holds `tag`: the image's own group, else the shared one, else the file itself.
    fn holder(&self, group: Tag, tag: Tag) -> &'a InMemDicomObject {
        let own = item(self.object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, self.index);
        let shared = item(self.object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0);
        let groups = [own, shared].into_iter().flatten().filter_map(|groups| item(groups, group, 0));
        groups.into_iter().find(|group| group.get(tag).is_some()).unwrap_or(self.object)
    }
}
