//! Which acquisitions of a table make up which image.

use super::acquisition::{Acquisition, Purpose};
use super::{Frame, xml::Header};
use std::collections::BTreeMap;

/// A line of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Its place in the table.
    pub(super) record: usize,
    /// Phase-encoding steps, centred on ⌊n/2⌋ of the encoded matrix.
    pub(super) steps: [usize; 2],
}

/// The acquisitions of a table, by purpose.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Lines of every image.
    pub(super) frames: BTreeMap<Frame, Vec<Line>>,
    /// Noise scans, by their place in the table.
    pub(super) noise: Vec<usize>,
    /// Samples of the noise scans.
    pub(super) noise_samples: usize,
    /// Dwell times of noise and of the image, µs; 0 where not known.
    pub(super) dwell: [f32; 2],
    /// Coils and samples of the first line, to which the others must be alike.
    pub(super) channels: usize,
    /// Fewest and most samples of a line without what is discarded.
    pub(super) samples: [usize; 2],
    /// Averages.
    pub(super) averages: usize,
    /// Acquisitions that are not used.
    pub(super) skipped: usize,
    /// Bytes of samples of all images.
    pub(super) bytes: u64,
}

/// What keeps an acquisition from its place.
#[derive(Debug)]
pub(super) struct Misfit(pub(super) String);

impl Index {
    /// Puts an acquisition in its place on a matrix of `encoded` samples.
    pub(super) fn put(
        &mut self,
        record: usize,
        acquisition: &Acquisition,
        header: &Header,
        encoded: [usize; 3],
    ) -> Result<(), Misfit> {
        match acquisition.purpose {
            Purpose::Noise => {
                self.noise.push(record);
                self.noise_samples += acquisition.samples;
                self.dwell[0] = acquisition.dwell;
                Ok(())
            }
            Purpose::Image | Purpose::Reversed if acquisition.encoding == 0 => {
                self.line(record, acquisition, header, encoded)
            }
            _ => {
                self.skipped += 1;
                Ok(())
            }
        }
    }

    fn line(
        &mut self,
        record: usize,
        acquisition: &Acquisition,
        header: &Header,
        encoded: [usize; 3],
    ) -> Result<(), Misfit> {
        let steps = [acquisition.step_1, acquisition.step_2];
        let placed = [0, 1].map(|n| placed(steps[n], header.center[n], encoded[n + 1]));
        let [Some(row), Some(col)] = placed else {
            let [_, rows, cols] = encoded;
            return Err(Misfit(format!("steps {steps:?} lie outside of the encoded matrix {rows} x {cols}")));
        };
        let discarded = acquisition.discard_pre.saturating_add(acquisition.discard_post);
        let samples = acquisition.samples.saturating_sub(discarded);
        if samples == 0 || samples > encoded[0] || acquisition.channels == 0 {
            return Err(Misfit(format!(
                "{samples} samples of {} coils do not fit into the encoded matrix of {}",
                acquisition.channels, encoded[0]
            )));
        }
        if self.channels == 0 {
            (self.channels, self.samples) = (acquisition.channels, [samples; 2]);
        }
        if self.channels != acquisition.channels {
            return Err(Misfit(format!("{} coils after {}", acquisition.channels, self.channels)));
        }
        self.samples = [self.samples[0].min(samples), self.samples[1].max(samples)];
        self.dwell[1] = acquisition.dwell;
        self.averages = self.averages.max(acquisition.average + 1);
        self.bytes += (acquisition.samples * acquisition.channels * 8) as u64;
        let [repetition, contrast, phase, set, slice] = acquisition.counters;
        let frame = Frame { repetition, contrast, phase, set, slice };
        self.frames.entry(frame).or_default().push(Line { record, steps: [row, col] });
        Ok(())
    }
}

/// A step on an axis of `length`, where `center` is the middle of k-space; as it is where the header does not say.
fn placed(step: usize, center: Option<usize>, length: usize) -> Option<usize> {
    let shifted = match center {
        Some(center) => (step + length / 2).checked_sub(center)?,
        None => step,
    };
    (shifted < length).then_some(shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centre_of_the_header_is_the_middle() {
        assert_eq!(placed(10, Some(12), 32), Some(14));
        assert_eq!(placed(0, Some(20), 32), None);
        assert_eq!(placed(31, None, 32), Some(31));
        assert_eq!(placed(32, None, 32), None);
    }
}
