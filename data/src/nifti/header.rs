//! The header of a NIfTI file, version 1 or 2, with everything checked that the voxels depend on.

use crate::{DataError, open_regular};
use ::nifti::NiftiHeader;
use flate2::read::MultiGzDecoder;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Largest length of an axis in NIfTI-1, where it is a signed 16-bit number.
const LONGEST_AXIS: i64 = 32767;
/// Most voxels of a volume: 8 GiB of 32-bit floats.
const MOST_VOXELS: usize = 1 << 31;

/// How a voxel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voxel {
    UInt8,
    Int8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float32,
    Float64,
    Complex64,
    Complex128,
}

impl Voxel {
    fn parse(code: i16) -> Result<Self, &'static str> {
        Ok(match code {
            2 => Self::UInt8,
            4 => Self::Int16,
            8 => Self::Int32,
            16 => Self::Float32,
            64 => Self::Float64,
            256 => Self::Int8,
            512 => Self::UInt16,
            768 => Self::UInt32,
            1024 => Self::Int64,
            1280 => Self::UInt64,
            32 => Self::Complex64,
            1792 => Self::Complex128,
            2048 => return Err("holds complex voxels of 256 bits"),
            128 | 2304 => return Err("holds colour (RGB) voxels"),
            1536 => return Err("holds 128-bit floats"),
            1 => return Err("holds single bits"),
            _ => return Err("holds voxels of an unknown type"),
        })
    }

    pub(crate) fn size(self) -> usize {
        match self {
            Self::UInt8 | Self::Int8 => 1,
            Self::Int16 | Self::UInt16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 | Self::Complex64 => 8,
            Self::Complex128 => 16,
        }
    }

    /// Whether it is a complex number.
    pub(crate) fn is_complex(self) -> bool {
        matches!(self, Self::Complex64 | Self::Complex128)
    }

    /// Its name, as in NumPy.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UInt8 => "uint8",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::UInt16 => "uint16",
            Self::Int32 => "int32",
            Self::UInt32 => "uint32",
            Self::Int64 => "int64",
            Self::UInt64 => "uint64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
        }
    }
}

/// A checked header and the place of the voxels.
pub(crate) struct NiftiFile {
    pub(crate) header: NiftiHeader,
    pub(crate) version: u8,
    pub(crate) big_endian: bool,
    pub(crate) voxel: Voxel,
    /// Voxels along (i, j, k).
    pub(crate) size: [usize; 3],
    pub(crate) data_path: PathBuf,
    pub(crate) data_offset: u64,
    /// Value of a voxel: `slope · stored + intercept`.
    pub(crate) scale: (f64, f64),
}

/// Whether these first bytes (after decompression) are those of a NIfTI or Analyze header.
pub(crate) fn looks_like(start: &[u8]) -> bool {
    start.first_chunk::<4>().is_some_and(|&size| matches!(i32::from_le_bytes(size), 348 | 540))
        || start.first_chunk::<4>().is_some_and(|&size| matches!(i32::from_be_bytes(size), 348 | 540))
}

/// Opens a file through gzip where its first bytes say so.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read + Send>, DataError> {
    let unreadable = |source| DataError::unreadable(path, source);
    let mut start = Vec::new();
    open_regular(path).map_err(unreadable)?.take(2).read_to_end(&mut start).map_err(unreadable)?;
    let file = BufReader::new(open_regular(path).map_err(unreadable)?);
    Ok(if start == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// The file at `path` with the other extension of a pair, if it exists.
fn partner(path: &Path, from: &str, to: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(from).or_else(|| name.strip_suffix(&format!("{from}.gz")))?;
    let names = [format!("{stem}{to}"), format!("{stem}{to}.gz")];
    names.iter().map(|name| path.with_file_name(name)).find(|path| path.is_file())
}

impl NiftiFile {
    /// Reads and checks the header of a `.nii`, `.hdr` or `.img` file of real numbers.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let file = Self::open_any(path)?;
        if file.voxel.is_complex() {
            let advice = "convert it to real numbers of 8 to 64 bits";
            return Err(DataError::input(path, "holds complex voxels", advice));
        }
        Ok(file)
    }

    /// [`NiftiFile::open`] of real or complex numbers.
    pub(crate) fn open_any(path: &Path) -> Result<Self, DataError> {
        let header_path = partner(path, ".img", ".hdr").unwrap_or_else(|| path.to_owned());
        let bytes = first_bytes(&header_path)?;
        let (header, raw) = parse(path, &bytes)?;
        let voxel = Voxel::parse(header.datatype)
            .map_err(|what| DataError::input(path, what, "convert it to real numbers of 8 to 64 bits"))?;
        let size = volume_size(path, &raw.dim)?;
        let single = header.magic[1] == b'+';
        let data_path = if single {
            path.to_owned()
        } else {
            partner(&header_path, ".hdr", ".img").ok_or_else(|| {
                DataError::input(
                    path,
                    "is the header of a pair without its .img file",
                    "put the .img file beside it",
                )
            })?
        };
        let least = if single { raw.size as i64 + 4 } else { 0 };
        let data_offset = u64::try_from(raw.offset.max(least)).unwrap_or_default();
        let scale = scaling(path, &header)?;
        let (version, big_endian) = (raw.version, raw.big_endian);
        Ok(Self { header, version, big_endian, voxel, size, data_path, data_offset, scale })
    }

    /// Bytes of an image.
    pub(crate) fn image_bytes(&self) -> usize {
        self.size[0] * self.size[1] * self.voxel.size()
    }

    /// Type and byte order, as in `int16, big-endian`.
    pub(crate) fn stored_as(&self) -> String {
        let order = if self.big_endian { ", big-endian" } else { "" };
        format!("{}{order}", self.voxel.name())
    }
}

/// Whether the file is the `.img` half of a pair whose `.hdr` lies beside it.
pub(crate) fn is_half_of_pair(path: &Path) -> bool {
    partner(path, ".img", ".hdr").is_some()
}

/// The first bytes of a header, decompressed.
pub(crate) fn first_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    open(path)?.take(540).read_to_end(&mut bytes).map_err(|error| {
        DataError::input(path, format!("cannot be decompressed ({error})"), "copy the file again")
    })?;
    Ok(bytes)
}

/// What the crate's header cannot hold in full.
struct Raw {
    version: u8,
    big_endian: bool,
    size: usize,
    dim: [i64; 8],
    offset: i64,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<(NiftiHeader, Raw), DataError> {
    let damaged =
        |what: &str| DataError::input(path, what, "convert the image to NIfTI again, or copy it again");
    let Some(&size) = bytes.first_chunk::<4>() else {
        return Err(damaged("is too short for a NIfTI header"));
    };
    let (big_endian, size) = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (size @ (348 | 540), _) => (false, size as usize),
        (_, size @ (348 | 540)) => (true, size as usize),
        _ => return Err(damaged("does not start with a NIfTI header")),
    };
    if bytes.len() < size {
        return Err(damaged("is cut short inside its header"));
    }
    let fields = Fields { bytes, big_endian };
    if size == 540 {
        return version_2(&fields).ok_or_else(|| damaged("has a damaged NIfTI-2 header"));
    }
    if !matches!(&bytes[344..348], b"n+1\0" | b"ni1\0") {
        return Err(DataError::input(
            path,
            "is an Analyze 7.5 file, which does not say how the head is oriented",
            "convert it to NIfTI",
        ));
    }
    let header = NiftiHeader::from_reader(&bytes[..348]).map_err(|error| damaged(&error.to_string()))?;
    if !header.vox_offset.is_finite() || header.vox_offset < 0.0 {
        return Err(damaged("gives no valid start of its voxels"));
    }
    let dim = std::array::from_fn(|axis| i64::from(fields.i16(40 + 2 * axis)));
    let offset = header.vox_offset as i64;
    Ok((header, Raw { version: 1, big_endian, size, dim, offset }))
}

/// A NIfTI-2 header (540 bytes) as a NIfTI-1 header, which holds all that is used here.
fn version_2(fields: &Fields) -> Option<(NiftiHeader, Raw)> {
    let magic = &fields.bytes[4..8];
    if !matches!(magic, b"n+2\0" | b"ni2\0") {
        return None;
    }
    let dim: [i64; 8] = std::array::from_fn(|axis| fields.i64(16 + 8 * axis));
    let offset = fields.i64(168);
    let narrow = |at: usize| i16::try_from(fields.i32(at)).ok();
    let single = |at: usize| fields.f64(at) as f32;
    let row = |at: usize| std::array::from_fn(|column| single(at + 8 * column));
    let header = NiftiHeader {
        datatype: fields.i16(12),
        bitpix: fields.i16(14),
        dim: std::array::from_fn(|axis| u16::try_from(dim[axis]).unwrap_or(0)),
        pixdim: std::array::from_fn(|axis| single(104 + 8 * axis)),
        scl_slope: single(176),
        scl_inter: single(184),
        cal_max: single(192),
        cal_min: single(200),
        toffset: single(216),
        descrip: fields.bytes[240..320].to_vec(),
        qform_code: narrow(344)?,
        sform_code: narrow(348)?,
        quatern_b: single(352),
        quatern_c: single(360),
        quatern_d: single(368),
        quatern_x: single(376),
        quatern_y: single(384),
        quatern_z: single(392),
        srow_x: row(400),
        srow_y: row(432),
        srow_z: row(464),
        xyzt_units: u8::try_from(fields.i32(500)).ok()?,
        magic: if magic[1] == b'+' { *b"n+1\0" } else { *b"ni1\0" },
        ..NiftiHeader::default()
    };
    let raw = Raw { version: 2, big_endian: fields.big_endian, size: 540, dim, offset };
    (offset >= 0).then_some((header, raw))
}

struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Fields<'_> {
    /// The `N` bytes at a fixed place of the header, little-endian first; the length is checked before.
    fn at<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut raw = [0; N];
        raw.copy_from_slice(&self.bytes[at..at + N]);
        if self.big_endian {
            raw.reverse();
        }
        raw
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.at(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.at(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.at(at))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.at(at))
    }
}

/// Voxels along (i, j, k) of the one volume in the file.
fn volume_size(path: &Path, dim: &[i64; 8]) -> Result<[usize; 3], DataError> {
    let refuse = |what: String, advice: &str| Err(DataError::input(path, what, advice));
    if !(1..=7).contains(&dim[0]) {
        return refuse(format!("has {} axes", dim[0]), "convert the image to NIfTI again");
    }
    let axes = &dim[1..=dim[0] as usize];
    if axes.iter().any(|&length| length < 1) {
        return refuse(format!("has an empty axis (size {axes:?})"), "convert the image to NIfTI again");
    }
    if axes.iter().any(|&length| length > LONGEST_AXIS) {
        return refuse(format!("has an axis beyond {LONGEST_AXIS} (size {axes:?})"), "crop or split it");
    }
    let volumes: i64 = axes.iter().skip(3).fold(1, |product, &length| product.saturating_mul(length));
    if volumes > 1 {
        return refuse(
            format!("holds {volumes} volumes (size {axes:?})"),
            "split it and give one volume, for example with fslroi or nibabel's four_to_three",
        );
    }
    let size = std::array::from_fn(|axis| axes.get(axis).map_or(1, |&length| length as usize));
    if size.iter().product::<usize>() > MOST_VOXELS {
        return refuse(format!("is too large (size {axes:?})"), "crop or split it");
    }
    Ok(size)
}

/// Slope and intercept; a slope of 0 or NaN means unscaled, as in nibabel.
fn scaling(path: &Path, header: &NiftiHeader) -> Result<(f64, f64), DataError> {
    let (slope, intercept) = (f64::from(header.scl_slope), f64::from(header.scl_inter));
    if slope.is_nan() || slope == 0.0 {
        return Ok((1.0, 0.0));
    }
    if slope.is_infinite() || !intercept.is_finite() {
        let what = format!("has an unusable scale (slope {slope}, intercept {intercept})");
        return Err(DataError::input(path, what, "set scl_slope and scl_inter in its header"));
    }
    Ok((slope, intercept))
}
