//! Names that both sides agree on: services, kinds of images, encodings.

use dicom_dictionary_std::uids;

/// C-ECHO.
pub(super) const VERIFICATION: &str = uids::VERIFICATION;
/// C-FIND by study.
pub(super) const STUDY_FIND: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
/// C-MOVE by study.
pub(super) const STUDY_MOVE: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;
/// C-GET by study.
pub(super) const STUDY_GET: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET;

/// How commands are encoded, and what every peer has to know.
pub(super) const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;

/// How requests and answers may be encoded.
pub(super) const PLAIN: [&str; 2] = [uids::EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT];

/// How an image may be stored that is fetched: it is kept as it comes, so what this program can decode does not matter.
pub(super) const STORED: [&str; 16] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT,
    // Big endian, retired from the standard and still met in archives.
    "1.2.840.10008.1.2.2",
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids::RLE_LOSSLESS,
    uids::JPEG_BASELINE8_BIT,
    uids::JPEG_EXTENDED12_BIT,
    uids::JPEG_LOSSLESS,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEGLS_LOSSLESS,
    uids::JPEGLS_NEAR_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
    uids::JPEG2000,
    uids::HTJ2K_LOSSLESS,
    uids::HTJ2K_LOSSLESS_RPCL,
    uids::HTJ2K,
];

/// Kinds of objects to be ready for where a peer does not say which ones it has.
pub(super) const COMMON: [&str; 7] = [
    uids::CT_IMAGE_STORAGE,
    uids::MR_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::ENHANCED_MR_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_MR_IMAGE_STORAGE,
    uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
];
