//! Filters of a 3x3 convolution in Winograd's frequencies.

use super::gemm::PANEL;
use super::winograd::{FREQUENCIES, transform_filter};

/// Filters transformed for the forward product: `[frequency][panel][input][PANEL]`.
pub(super) struct PackedFilters {
    pub(super) packed: Vec<f32>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl PackedFilters {
    /// For `y = w ∗ x`, `w` being `[outputs, inputs, 3, 3]`.
    pub(super) fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::pack(outputs, inputs, |k, c| {
            let at = 9 * (k * inputs + c);
            std::array::from_fn(|t| weight[at + t])
        })
    }

    /// For the adjoint, from `outputs` channels back to `inputs`: filters turned round, channels swapped.
    pub(super) fn adjoint(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::pack(inputs, outputs, |c, k| {
            let at = 9 * (k * inputs + c);
            std::array::from_fn(|t| weight[at + 8 - t])
        })
    }

    fn pack(outputs: usize, inputs: usize, filter: impl Fn(usize, usize) -> [f32; 9] + Sync) -> Self {
        let (panels, size) = (outputs.div_ceil(PANEL), inputs * PANEL);
        let mut packed = vec![0.0; FREQUENCIES * panels * size];
        for (k, c) in (0..outputs).flat_map(|k| (0..inputs).map(move |c| (k, c))) {
            let at = k / PANEL * size + c * PANEL + k % PANEL;
            for (f, v) in transform_filter(&filter(k, c)).into_iter().enumerate() {
                packed[f * panels * size + at] = v;
            }
        }
        Self { packed, inputs, outputs }
    }

    /// Panels of output channels.
    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }
}
