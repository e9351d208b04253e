//! What the numbers in a volume mean, and the only place where one unit becomes another.

use serde::{Deserialize, Serialize};

/// Linear attenuation of water at 70 keV, 1/mm.
pub const WATER_ATTENUATION: f32 = 0.0192;

/// Air in Hounsfield units, where attenuation is 0.
pub const AIR_HOUNSFIELD: f32 = -1000.0;

/// Below this a value can be nothing but Hounsfield units: neither an attenuation nor a magnitude.
pub const SURELY_HOUNSFIELD: f32 = -200.0;

/// What the numbers in a volume mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Hounsfield units: water 0, air −1000.
    Hounsfield,
    /// Linear attenuation μ, 1/mm.
    Attenuation,
    /// A scanner's own scale, as in MRI.
    Arbitrary,
}

/// `μ = μ_water (1 + HU / 1000)`, clipped at 0; 1/mm.
pub fn hounsfield_to_attenuation(hounsfield: f32) -> f32 {
    hounsfield_to_signed_attenuation(hounsfield).max(0.0)
}

/// `μ = μ_water (1 + HU / 1000)` without a bound, 1/mm: noise around air stays centred.
pub fn hounsfield_to_signed_attenuation(hounsfield: f32) -> f32 {
    WATER_ATTENUATION * (1.0 + hounsfield / 1000.0)
}

/// `HU = 1000 (μ / μ_water − 1)`
pub fn attenuation_to_hounsfield(attenuation: f32) -> f32 {
    1000.0 * (attenuation / WATER_ATTENUATION - 1.0)
}
