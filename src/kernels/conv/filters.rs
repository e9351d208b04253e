//! Filters of a 3x3 convolution in Winograd's frequencies.

use crate::kernels::conv::gemm::PANEL;
use crate::kernels::conv::winograd::{FREQUENCIES, transform_filters};

/// Filters transformed for the forward product: `[frequency][panel][input][PANEL]`.
pub(in crate::kernels) struct PackedFilters {
    pub(in crate::kernels) packed: Vec<f32>,
    pub(in crate::kernels) inputs: usize,
    pub(in crate::kernels) outputs: usize,
}

impl PackedFilters {
    /// For `y = w ∗ x`, `w` being `[outputs, inputs, 3, 3]`.
    pub(in crate::kernels) fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::pack(outputs, inputs, |k, c, tap| weight[9 * (k * inputs + c) + tap])
    }

    /// For the adjoint, from `outputs` channels back to `inputs`: filters turned round, channels swapped.
    pub(in crate::kernels) fn adjoint(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::pack(inputs, outputs, |c, k, tap| weight[9 * (k * inputs + c) + 8 - tap])
    }

    fn pack(outputs: usize, inputs: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Self {
        let (panels, size) = (outputs.div_ceil(PANEL), inputs * PANEL);
        let mut packed = vec![0.0; FREQUENCIES * panels * size];
        for (panel, c) in (0..panels).flat_map(|panel| (0..inputs).map(move |c| (panel, c))) {
            let mut taps = [[0.0; PANEL]; 9];
            for (p, k) in (panel * PANEL..outputs).take(PANEL).enumerate() {
                for (tap, values) in taps.iter_mut().enumerate() {
                    values[p] = weight(k, c, tap);
                }
            }
            for (f, u) in transform_filters(&taps).iter().enumerate() {
                packed[(f * panels + panel) * size + c * PANEL..][..PANEL].copy_from_slice(u);
            }
        }
        Self { packed, inputs, outputs }
    }

    /// Panels of output channels.
    pub(in crate::kernels) fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }
}
