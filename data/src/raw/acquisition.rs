//! The acquisitions of ISMRMRD (Inati et al., Magn. Reson. Med. 77, 2017): records of a table, read by the names of their
//! members, as writers differ in padding.

use hdf5_reader::error::ByteOrder;
use hdf5_reader::{CompoundField, Datatype, VarLenKind};

/// What an acquisition is, by the bits of its flags, counted from 1 in the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A line of the image.
    Image,
    /// A line of the image that was read backwards.
    Reversed,
    /// Nothing but noise.
    Noise,
    /// Calibration, navigation, phase correction, feedback and the like.
    Other,
}

const NOISE: u64 = 1 << 18;
const REVERSED: u64 = 1 << 21;
/// Calibration alone (20), navigator (23), phase correction (24), feedback (26, 28), dummy (27), surface coil (29), phase
/// stabilisation (30, 31).
const OTHER: u64 = 1 << 19 | 1 << 22 | 1 << 23 | 1 << 25 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 29 | 1 << 30;

/// The numbers of an acquisition that k-space depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acquisition {
    pub(super) purpose: Purpose,
    pub(super) samples: usize,
    pub(super) channels: usize,
    pub(super) discard_pre: usize,
    pub(super) discard_post: usize,
    pub(super) center: usize,
    /// Number of the encoding.
    pub(super) encoding: usize,
    /// Time between samples, µs; 0 where it is not known.
    pub(super) dwell: f32,
    pub(super) step_1: usize,
    pub(super) step_2: usize,
    pub(super) average: usize,
    /// (repetition, contrast, phase, set, slice)
    pub(super) counters: [usize; 5],
}

/// A number in a record.
#[derive(Clone, Copy, Debug)]
struct Member {
    at: usize,
    size: usize,
    order: ByteOrder,
}

impl Member {
    fn of(offset: usize, field: &CompoundField) -> Option<Self> {
        let (size, order) = match field.datatype {
            Datatype::FixedPoint { size, byte_order, .. } if size <= 8 => (size, byte_order),
            Datatype::FloatingPoint { size: 4, byte_order } => (4, byte_order),
            _ => return None,
        };
        Some(Self { at: offset + field.byte_offset as usize, size: size.into(), order })
    }

    fn number(self, record: &[u8]) -> Option<u64> {
        let raw = record.get(self.at..self.at.checked_add(self.size)?)?;
        let push = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self.order {
            ByteOrder::BigEndian => raw.iter().fold(0, push),
            ByteOrder::LittleEndian => raw.iter().rev().fold(0, push),
        })
    }
}

/// Where the numbers of a record lie.
#[derive(Debug)]
pub(super) struct Record {
    size: usize,
    flags: Member,
    head: [Member; 6],
    dwell: Option<Member>,
    counters: [Member; 8],
    data: usize,
    /// Byte order of the samples.
    order: ByteOrder,
}

const HEAD: [&str; 6] = [
    "number_of_samples",
    "active_channels",
    "discard_pre",
    "discard_post",
    "center_sample",
    "encoding_space_ref",
];
const COUNTERS: [&str; 8] = [
    "kspace_encode_step_1",
    "kspace_encode_step_2",
    "average",
    "repetition",
    "contrast",
    "phase",
    "set",
    "slice",
];
/// Largest number of a record.
const MOST: usize = 1 << 20;
/// Bytes of a reference to variable-length data: its length, an address, a number.
const REFERENCE: usize = 16;

fn field<'a>(fields: &'a [CompoundField], name: &str) -> Option<&'a CompoundField> {
    fields.iter().find(|field| field.name == name)
}

impl Record {
    /// The layout of a table of acquisitions; `None` if it is not one.
    pub(super) fn of(table: &Datatype) -> Option<Self> {
        let Datatype::Compound { size, fields } = table else { return None };
        let (head, data) = (field(fields, "head")?, field(fields, "data")?);
        let Datatype::VarLen { base, kind: VarLenKind::Sequence, .. } = &data.datatype else { return None };
        let Datatype::FloatingPoint { size: 4, byte_order } = base.as_ref() else { return None };
        let Datatype::Compound { fields: members, .. } = &head.datatype else { return None };
        let counters = field(members, "idx")?;
        let Datatype::Compound { fields: indices, .. } = &counters.datatype else { return None };
        let start = head.byte_offset as usize;
        let start_of_counters = start + counters.byte_offset as usize;
        let of = |name: &str| Member::of(start, field(members, name)?);
        let index = |name: &str| Member::of(start_of_counters, field(indices, name)?);
        Some(Self {
            size: *size as usize,
            flags: of("flags")?,
            head: all(HEAD.map(of))?,
            dwell: of("sample_time_us").filter(|member| member.size == 4),
            counters: all(COUNTERS.map(index))?,
            data: data.byte_offset as usize,
            order: *byte_order,
        })
    }

    /// The numbers of a record.
    pub(super) fn read(&self, record: &[u8]) -> Option<Acquisition> {
        if record.len() != self.size {
            return None;
        }
        // Nothing of a scanner is longer, and products of such numbers do not overflow.
        let number = |member: Member| usize::try_from(member.number(record)?).ok().filter(|&n| n <= MOST);
        let [samples, channels, discard_pre, discard_post, center, encoding] = all(self.head.map(number))?;
        let [step_1, step_2, average, counters @ ..] = all(self.counters.map(number))?;
        let dwell = self.dwell.and_then(|member| member.number(record)).unwrap_or(0);
        let dwell = f32::from_bits(u32::try_from(dwell).ok()?);
        let purpose = match self.flags.number(record)? {
            flags if flags & NOISE != 0 => Purpose::Noise,
            flags if flags & OTHER != 0 => Purpose::Other,
            flags if flags & REVERSED != 0 => Purpose::Reversed,
            _ => Purpose::Image,
        };
        Some(Acquisition {
            purpose,
            samples,
            channels,
            discard_pre,
            discard_post,
            center,
            encoding,
            dwell: if dwell.is_finite() && dwell > 0.0 { dwell } else { 0.0 },
            step_1,
            step_2,
            average,
            counters,
        })
    }

    /// The part of a record that says where its samples are, and how many numbers there are.
    pub(super) fn reference<'a>(&self, record: &'a [u8]) -> Option<(&'a [u8], usize)> {
        let reference = record.get(self.data..self.data.checked_add(REFERENCE)?)?;
        let count = u32::from_le_bytes(*reference.first_chunk::<4>()?);
        Some((reference, usize::try_from(count).ok()?))
    }

    /// A 32-bit float of the samples.
    pub(super) fn float(&self, raw: [u8; 4]) -> f32 {
        if self.order == ByteOrder::BigEndian { f32::from_be_bytes(raw) } else { f32::from_le_bytes(raw) }
    }
}

/// All of them, or nothing.
fn all<T: Copy, const N: usize>(found: [Option<T>; N]) -> Option<[T; N]> {
    let values: Option<Vec<T>> = found.into_iter().collect();
    values?.try_into().ok()
}
