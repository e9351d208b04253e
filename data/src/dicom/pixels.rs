//! Stored pixels to values.

use super::codestream;
use super::frame::Frame;
use crate::error::{check_finite, whole_chain};
use crate::quiet::quietly;
use crate::{AIR_HOUNSFIELD, DataError};
use dicom_dictionary_std::{tags, uids};
use dicom_object::DefaultDicomObject;
use dicom_pixeldata::{DecodedPixelData, PixelDecoder, PixelRepresentation};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

/// What a pixel inside a patient can have, in Hounsfield units. Some files name a number of these as padding.
const TISSUE: std::ops::RangeInclusive<f32> = AIR_HOUNSFIELD..=3071.0;

/// `slope · stored + intercept` of every pixel of one image, row by row; in CT, what lies outside of the measured circle is
/// air.
pub(super) fn values(object: &DefaultDicomObject, frame: &Frame) -> Result<Vec<f32>, DataError> {
    let refuse = |cause: String| {
        let syntax = syntax_name(object.meta().transfer_syntax());
        DataError::input(
            &frame.path,
            format!("has pixels that cannot be decoded ({syntax}: {cause})"),
            "copy it again, or decompress it, for example with gdcmconv --raw",
        )
    };
    check_stream(object, frame).map_err(refuse)?;
    // The decoders are code of others that meets damaged streams here; a crash in one is a bad file, not an end.
    let decoded = quietly(|| object.decode_pixel_data_frame(frame.index))
        .ok_or_else(|| refuse("the decoder failed".to_owned()))?
        .map_err(|error| refuse(whole_chain(&error)))?;
    let bytes = decoded.frame_data(0).map_err(|error| refuse(whole_chain(&error)))?;
    let bits = Bits::of(&decoded);
    let stored = bits.all(bytes);
    if (decoded.rows() as usize, decoded.columns() as usize) != (frame.rows, frame.columns)
        || stored.len() != frame.rows * frame.columns
    {
        return Err(refuse("the number of pixels is not rows times columns".to_owned()));
    }
    let scaled = |value: i32| (f64::from(value) * frame.slope + frame.intercept) as f32;
    let air = frame.padding.filter(|_| frame.padding_is_air).map(|ends| {
        let [first, last] = ends.map(|end| bits.take(u32::from(end)));
        first.min(last)..=first.max(last)
    });
    let value = |&stored: &i32| {
        let value = scaled(stored);
        let padded = air.as_ref().is_some_and(|air| air.contains(&stored));
        if padded && !TISSUE.contains(&value) { AIR_HOUNSFIELD } else { value }
    };
    let values: Vec<f32> = stored.iter().map(value).collect();
    check_finite(&frame.path, &values)?;
    Ok(values)
}

/// Refuses compressed pixels that claim what their decoder should not believe.
fn check_stream(object: &DefaultDicomObject, frame: &Frame) -> Result<(), String> {
    let Some(fragments) = object.get(tags::PIXEL_DATA).and_then(|element| element.fragments()) else {
        return Ok(());
    };
    let run_length = object.meta().transfer_syntax() == uids::RLE_LOSSLESS;
    for fragment in fragments {
        if run_length {
            codestream::check_run_length(fragment)?;
        } else {
            codestream::check(fragment, frame.rows, frame.columns)?;
        }
    }
    Ok(())
}

/// The name of a transfer syntax, or its identifier where it has none.
pub(super) fn syntax_name(uid: &str) -> String {
    let uid = uid.trim_end_matches('\0');
    TransferSyntaxRegistry.get(uid).map_or(uid, |syntax| syntax.name()).to_owned()
}

/// The bits in use, with their sign; the others may hold overlays.
struct Bits {
    wide: bool,
    stored: u32,
    high: u32,
    signed: bool,
}

impl Bits {
    fn of(decoded: &DecodedPixelData<'_>) -> Self {
        let wide = decoded.bits_allocated() == 16;
        let stored = u32::from(decoded.bits_stored()).clamp(1, if wide { 16 } else { 8 });
        let high = u32::from(decoded.high_bit()).clamp(stored - 1, if wide { 15 } else { 7 });
        let signed = decoded.pixel_representation() == PixelRepresentation::Signed;
        Self { wide, stored, high, signed }
    }

    fn take(&self, raw: u32) -> i32 {
        let top = raw << (31 - self.high);
        if self.signed { (top as i32) >> (32 - self.stored) } else { (top >> (32 - self.stored)) as i32 }
    }

    fn all(&self, bytes: &[u8]) -> Vec<i32> {
        if self.wide {
            let (pairs, _) = bytes.as_chunks::<2>();
            pairs.iter().map(|&pair| self.take(u32::from(u16::from_ne_bytes(pair)))).collect()
        } else {
            bytes.iter().map(|&byte| self.take(u32::from(byte))).collect()
        }
    }
}
