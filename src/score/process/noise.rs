//! Where the random numbers of a sampler come from.

use candle_core::{DType, Device, Result, Tensor, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use recon_pipelines::SliceSeed;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Names one stream of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The slice that the numbers are for.
    pub slice: SliceSeed,
    /// Which posterior sample of that slice, from 0.
    pub sample: u64,
}

impl Stream {
    /// The ChaCha8 generator of this stream.
    ///
    /// Its 256-bit seed is the SHA-256 of `"recon noise 1"` and the little-endian bytes of seed, case, slice
    /// and sample (8 bytes each, in this order), so no two streams share a seed or overlap.
    pub fn generator(&self) -> ChaCha8Rng {
        let mut hash = Sha256::new();
        hash.update(b"recon noise 1");
        hash.update(self.slice.seed.to_le_bytes());
        hash.update(self.slice.case.to_le_bytes());
        hash.update(self.slice.slice.to_le_bytes());
        hash.update(self.sample.to_le_bytes());
        ChaCha8Rng::from_seed(hash.finalize().into())
    }
}

/// Standard normal noise for a batch, drawn on the host in a fixed order.
///
/// Every image has its own stream: what it draws does not depend on its neighbours in the batch.
pub struct Noise(Source);

enum Source {
    Streams { generators: Vec<ChaCha8Rng>, shape: (usize, usize, usize), device: Device },
    Recorded(VecDeque<Tensor>),
}

impl Noise {
    /// Noise of shape `[streams.len(), 1, rows, cols]`.
    pub fn new(streams: &[Stream], (rows, cols): (usize, usize), device: &Device) -> Self {
        Self::with_channels(streams, (1, rows, cols), device)
    }

    /// Noise of shape `[streams.len(), channels, rows, cols]` for a `shape` of `(channels, rows, cols)`.
    pub fn with_channels(streams: &[Stream], shape: (usize, usize, usize), device: &Device) -> Self {
        let generators = streams.iter().map(Stream::generator).collect();
        Self(Source::Streams { generators, shape, device: device.clone() })
    }

    /// Noise that was recorded, given back in the same order: for comparing with runs of other programs.
    pub fn recorded(draws: impl IntoIterator<Item = Tensor>) -> Self {
        Self(Source::Recorded(draws.into_iter().collect()))
    }

    /// The next standard normal tensor of the batch's shape.
    ///
    /// # Errors
    /// When a record has come to its end, or the device refuses the memory.
    pub fn draw(&mut self) -> Result<Tensor> {
        match &mut self.0 {
            Source::Streams { generators, shape: (channels, rows, cols), device } => {
                let pixels = *channels * *rows * *cols;
                let mut values: Vec<f32> = Vec::with_capacity(generators.len() * pixels);
                for generator in generators.iter_mut() {
                    values.extend((0..pixels).map(|_| -> f32 { StandardNormal.sample(generator) }));
                }
                Tensor::from_vec(values, (generators.len(), *channels, *rows, *cols), device)
            }
            Source::Recorded(draws) => next(draws),
        }
    }

    /// The next `count` numbers for every image, uniform on `[0, 1)`, from the same streams.
    ///
    /// # Errors
    /// When a record has come to its end; its entries are taken as uniform numbers here, one row an image.
    pub fn uniform(&mut self, count: usize) -> Result<Vec<Vec<f64>>> {
        match &mut self.0 {
            Source::Streams { generators, .. } => {
                let draw = |g: &mut ChaCha8Rng| (0..count).map(|_| StandardUniform.sample(g)).collect();
                Ok(generators.iter_mut().map(draw).collect())
            }
            Source::Recorded(draws) => next(draws)?.to_dtype(DType::F64)?.flatten_from(1)?.to_vec2(),
        }
    }
}

fn next(draws: &mut VecDeque<Tensor>) -> Result<Tensor> {
    match draws.pop_front() {
        Some(draw) => Ok(draw),
        None => bail!("the recorded noise has come to its end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u64, case: u64, slice: i64, sample: u64) -> Stream {
        Stream { slice: SliceSeed { seed, case, slice }, sample }
    }

    fn draws(streams: &[Stream], count: usize) -> Vec<Vec<f32>> {
        let mut noise = Noise::new(streams, (4, 3), &Device::Cpu);
        let flat = |noise: &mut Noise| noise.draw().unwrap().flatten_all().unwrap().to_vec1().unwrap();
        (0..count).map(|_| flat(&mut noise)).collect()
    }

    #[test]
    fn an_image_draws_the_same_noise_alone_and_in_a_batch() {
        let alone = draws(&[stream(7, 0, 1500, 0)], 3);
        let batch = draws(&[stream(7, 0, 0, 0), stream(7, 0, 1500, 0)], 3);
        for (alone, batch) in alone.iter().zip(&batch) {
            assert_eq!(alone[..], batch[12..]);
        }
    }

    #[test]
    fn every_part_of_the_name_of_a_stream_changes_it() {
        let names = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0, -1, 0)];
        let all: Vec<_> = names.iter().map(|&(a, b, c, d)| draws(&[stream(a, b, c, d)], 1)).collect();
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != one));
        }
    }

    /// Guards the documented derivation: results of earlier versions stay reproducible.
    #[test]
    fn the_seed_derivation_is_frozen() {
        assert_eq!(
            hex(&stream(0, 0, 0, 0)),
            "efe3202af3a15e5f0a142c515f0a153d002c495436c1ac133812fa828907ff11"
        );
    }

    fn hex(stream: &Stream) -> String {
        stream.generator().get_seed().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_record_gives_its_draws_once() {
        let draw = Tensor::ones((1, 1, 2, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let mut noise = Noise::recorded([draw]);
        assert!(noise.draw().is_ok());
        assert!(noise.draw().is_err());
    }
}
