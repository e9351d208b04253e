//! Stored pixels to values.

use super::frame::Frame;
use crate::DataError;
use crate::error::whole_chain;
use dicom_object::DefaultDicomObject;
use dicom_pixeldata::{DecodedPixelData, PixelDecoder, PixelRepresentation};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// `slope · stored + intercept` of every pixel of one image, row by row.
pub(super) fn values(object: &DefaultDicomObject, frame: &Frame) -> Result<Vec<f32>, DataError> {
    let refuse = |cause: String| {
        let syntax = syntax_name(object.meta().transfer_syntax());
        DataError::input(
            &frame.path,
            format!("has pixels that cannot be decoded ({syntax}: {cause})"),
            "copy it again, or decompress it, for example with gdcmconv --raw",
        )
    };
    // The decoders are code of others that meets damaged streams here; a crash in one is a bad file, not an end.
    let decoded = catch_unwind(AssertUnwindSafe(|| object.decode_pixel_data_frame(frame.index)))
        .map_err(|_| refuse("the decoder failed".to_owned()))?
        .map_err(|error| refuse(whole_chain(&error)))?;
    let bytes = decoded.frame_data(0).map_err(|error| refuse(whole_chain(&error)))?;
    let stored = stored(&decoded, bytes);
    if (decoded.rows() as usize, decoded.columns() as usize) != (frame.rows, frame.columns)
        || stored.len() != frame.rows * frame.columns
    {
        return Err(refuse("the number of pixels is not rows times columns".to_owned()));
    }
    Ok(stored.iter().map(|&value| (f64::from(value) * frame.slope + frame.intercept) as f32).collect())
}

/// The name of a transfer syntax, or its identifier where it has none.
pub(super) fn syntax_name(uid: &str) -> String {
    let uid = uid.trim_end_matches('\0');
    TransferSyntaxRegistry.get(uid).map_or(uid, |syntax| syntax.name()).to_owned()
}

/// The bits in use, with their sign; the others may hold overlays.
fn stored(decoded: &DecodedPixelData<'_>, bytes: &[u8]) -> Vec<i32> {
    let wide = decoded.bits_allocated() == 16;
    let stored = u32::from(decoded.bits_stored()).clamp(1, if wide { 16 } else { 8 });
    let high = u32::from(decoded.high_bit()).clamp(stored - 1, if wide { 15 } else { 7 });
    let signed = decoded.pixel_representation() == PixelRepresentation::Signed;
    let take = |raw: u32| {
        let top = raw << (31 - high);
        if signed { (top as i32) >> (32 - stored) } else { (top >> (32 - stored)) as i32 }
    };
    if wide {
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs.iter().map(|&pair| take(u32::from(u16::from_ne_bytes(pair)))).collect()
    } else {
        bytes.iter().map(|&byte| take(u32::from(byte))).collect()
    }
}
