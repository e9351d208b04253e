//! What a kernel reads: images whose channels may stand in two arrays, the first perhaps at half the size.

use super::images::Images;

/// One of the arrays.
#[derive(Clone, Copy)]
struct Part<'a> {
    values: &'a [f32],
    channels: usize,
    /// Whether each pixel stands for a square of two by two.
    doubled: bool,
}

/// Images without copies: `[batch, channels, rows, cols]` in one array or two.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The size of the whole.
    pub(super) images: Images,
    first: Part<'a>,
    /// Without channels when there is one array.
    second: Part<'a>,
}

/// One channel of one image as it is stored.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) values: &'a [f32],
    /// Whether each pixel stands for a square of two by two.
    pub(super) doubled: bool,
}

impl<'a> Parts<'a> {
    /// One array.
    pub(super) fn whole(values: &'a [f32], images: Images) -> Self {
        assert_eq!(values.len(), images.len());
        let first = Part { values, channels: images.channels, doubled: false };
        Self { images, first, second: Part { values: &[], channels: 0, doubled: false } }
    }

    /// The channels of `first`, then those of `second`, which has the size of the whole; `first` has it too,
    /// or half of it.
    pub(super) fn joined(first: &'a [f32], small: Images, second: &'a [f32], large: Images) -> Self {
        assert!(first.len() == small.len() && second.len() == large.len() && small.batch == large.batch);
        let doubled = (2 * small.rows, 2 * small.cols) == (large.rows, large.cols);
        assert!(doubled || (small.rows, small.cols) == (large.rows, large.cols));
        Self {
            images: large.with_channels(small.channels + large.channels),
            first: Part { values: first, channels: small.channels, doubled },
            second: Part { values: second, channels: large.channels, doubled: false },
        }
    }

    /// One channel of one image.
    pub(super) fn plane(&self, image: usize, channel: usize) -> Stored<'a> {
        let (part, channel) = match channel.checked_sub(self.first.channels) {
            Some(behind) => (self.second, behind),
            None => (self.first, channel),
        };
        let pixels = if part.doubled { self.images.pixels() / 4 } else { self.images.pixels() };
        let values = &part.values[(image * part.channels + channel) * pixels..][..pixels];
        Stored { values, doubled: part.doubled }
    }
}

/// Writes each value twice, except that `skip` drops the first copy of the first.
pub(super) fn repeat_each(values: &[f32], skip: bool, out: &mut [f32]) {
    let (values, out) = match (skip, values, &mut *out) {
        (true, [first, rest @ ..], [head, tail @ ..]) => {
            *head = *first;
            (rest, tail)
        }
        _ => (values, out),
    };
    let (pairs, last) = out.as_chunks_mut::<2>();
    for (pair, v) in pairs.iter_mut().zip(values) {
        *pair = [*v; 2];
    }
    if let ([last], Some(v)) = (last, values.get(pairs.len())) {
        *last = *v;
    }
}
