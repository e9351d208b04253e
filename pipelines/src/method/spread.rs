//! What a method says of the spread of the posterior around its image.

/// Where the standard deviation of a result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Nothing is known of it.
    Unknown,
    /// From so many samples of the posterior, at least two; the image is made of them.
    Samples(usize),
    /// From the posterior itself; the image is its mean.
    Posterior,
}

impl Spread {
    /// That of so many samples.
    pub fn of_samples(samples: usize) -> Self {
        if samples > 1 { Self::Samples(samples) } else { Self::Unknown }
    }

    /// How many samples are drawn.
    pub fn samples(self) -> usize {
        if let Self::Samples(samples) = self { samples } else { 1 }
    }

    /// Whether a standard deviation is known.
    pub fn is_known(self) -> bool {
        self != Self::Unknown
    }
}
