//! Shapes of batches.

/// A batch of images with channels: `[batch, channels, rows, cols]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Images {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl Images {
    pub(super) fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    pub(super) fn len(&self) -> usize {
        self.batch * self.channels * self.pixels()
    }

    /// The same images with another number of channels.
    pub(super) fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// Where a plane starts.
    pub(super) fn plane(&self, image: usize, channel: usize) -> usize {
        (image * self.channels + channel) * self.pixels()
    }
}
