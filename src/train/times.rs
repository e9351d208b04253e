//! Times of a process, drawn in proportion to what they count in the likelihood.

use crate::score::{Marginal, Sde, SubVp, Ve, Vp};

/// A process whose density `r(t) = g(t)²/s(t)²` has an integral that can be inverted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Times {
    /// `r` is constant: `2 ln(σ_max/σ_min)`.
    Exploding(Ve),
    /// `r = β/(1 − e^{−B})` with `B = ∫₀ᵗ β`, so `∫ r dt = ln(e^B − 1)`.
    Preserving(Vp),
    /// `r = β coth(B/2)`, so `∫ r dt = 2 ln sinh(B/2)`.
    SubPreserving(SubVp),
}

impl Times {
    /// Of a variance-exploding process.
    pub fn ve(ve: Ve) -> Self {
        Self::Exploding(ve)
    }
    /// Of a variance-preserving process.
    pub fn vp(vp: Vp) -> Self {
        Self::Preserving(vp)
    }
    /// Of a sub-VP process.
    pub fn sub_vp(sub_vp: SubVp) -> Self {
        Self::SubPreserving(sub_vp)
    }

    fn sde(&self) -> &dyn Sde {
        match self {
            Self::Exploding(sde) => sde,
            Self::Preserving(sde) => sde,
            Self::SubPreserving(sde) => sde,
        }
    }

    /// `m(t)` and `s(t)`
    pub fn marginal(&self, t: f64) -> Marginal {
        self.sde().marginal(t)
    }

    /// `r(t) = g²/s²`
    pub fn density(&self, t: f64) -> f64 {
        (self.sde().diffusion(t) / self.marginal(t).std).powi(2)
    }

    /// `∫ r dt` from `first` to 1.
    pub fn total(&self, first: f64) -> f64 {
        self.primitive(1.0) - self.primitive(first)
    }

    /// The time between `first` and 1 up to which the share `u` of `∫ r dt` lies.
    pub fn quantile(&self, first: f64, u: f64) -> f64 {
        let reached = self.primitive(first) + u * self.total(first);
        let t = match self {
            Self::Exploding(ve) => reached / rate(ve),
            // ln(1 + e^y), in the form that does not overflow.
            Self::Preserving(vp) => vp.time_of_integral(reached.max(0.0) + (-reached.abs()).exp().ln_1p()),
            Self::SubPreserving(sub) => sub.0.time_of_integral(2.0 * (0.5 * reached).exp().asinh()),
        };
        t.clamp(first, 1.0)
    }

    /// A primitive of `r`.
    fn primitive(&self, t: f64) -> f64 {
        match self {
            Self::Exploding(ve) => rate(ve) * t,
            Self::Preserving(vp) => {
                let b = vp.beta_integral(t);
                b + (-(-b).exp_m1()).ln()
            }
            Self::SubPreserving(sub) => {
                let b = sub.0.beta_integral(t);
                b + 2.0 * (-(-b).exp_m1()).ln() - 2.0 * std::f64::consts::LN_2
            }
        }
    }
}

fn rate(ve: &Ve) -> f64 {
    2.0 * (ve.sigma_max / ve.sigma_min).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: f64 = 1e-5;

    fn all() -> [Times; 3] {
        let vp = Vp { beta_min: 0.1, beta_max: 20.0 };
        [Times::ve(Ve { sigma_min: 0.01, sigma_max: 50.0 }), Times::vp(vp), Times::sub_vp(SubVp(vp))]
    }

    #[test]
    fn the_integral_is_that_of_the_density() {
        for times in all() {
            // Midpoints in ln t, along which the density is smooth.
            let (count, low) = (20_000, FIRST.ln());
            let width = -low / f64::from(count);
            let sum: f64 = (0..count)
                .map(|i| (low + (f64::from(i) + 0.5) * width).exp())
                .map(|t| times.density(t) * t * width)
                .sum();
            let error = (times.total(FIRST) / sum - 1.0).abs();
            println!("{times:?}: {error:.1e}");
            assert!(error < 1e-6, "{times:?}: {} instead of {sum}", times.total(FIRST));
        }
    }

    #[test]
    fn quantiles_undo_the_integral() {
        for times in all() {
            for t in [FIRST, 1e-3, 0.1, 0.5, 0.9, 1.0] {
                let u = (times.primitive(t) - times.primitive(FIRST)) / times.total(FIRST);
                let found = times.quantile(FIRST, u);
                assert!((found / t - 1.0).abs() < 1e-8, "{times:?}: {found} instead of {t}");
            }
        }
    }
}
