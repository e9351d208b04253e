//! A prior that looks at an image from all sides.
//!
//! A network trained on flipped and turned images is nearly, but not exactly, the same for each of the eight
//! symmetries of the square, and where it errs it errs differently. Shown another one at every step, its errors do
//! not add up (Terris, Moreau, Pustelnik and Tachella, "Equivariant Plug-and-Play Image Reconstruction", 2024).

use crate::score::ScoreModel;
use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// How a prior is shown the images of an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientations {
    /// As they are.
    #[default]
    Upright,
    /// In the eight symmetries of the square in turn.
    All,
}

impl Orientations {
    /// `D = g⁻¹ E[x₀ | g x]` with the `g` of this step.
    ///
    /// # Errors
    /// Those of the model.
    pub fn denoise(self, model: &dyn ScoreModel, x: &Tensor, sigma: f64, step: usize) -> Result<Tensor> {
        let symmetry = match self {
            Self::Upright => Symmetry::default(),
            Self::All => Symmetry { flip: step & 1 != 0, flop: step & 2 != 0, transpose: step & 4 != 0 },
        };
        symmetry.undo(&model.denoise(&symmetry.apply(x)?, sigma)?)
    }
}

/// A transpose, then an up-down flop, then a left-right flip.
#[derive(Clone, Copy, Default)]
struct Symmetry {
    flip: bool,
    flop: bool,
    transpose: bool,
}

impl Symmetry {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        self.mirrored(&if self.transpose { x.transpose(2, 3)?.contiguous()? } else { x.clone() })
    }

    fn undo(self, x: &Tensor) -> Result<Tensor> {
        let x = self.mirrored(x)?;
        if self.transpose { x.transpose(2, 3)?.contiguous() } else { Ok(x) }
    }

    /// Both mirrors, which commute and undo themselves.
    fn mirrored(self, x: &Tensor) -> Result<Tensor> {
        let axes: Vec<usize> = [(self.flop, 2), (self.flip, 3)]
            .into_iter()
            .filter_map(|(on, axis)| on.then_some(axis))
            .collect();
        if axes.is_empty() { Ok(x.clone()) } else { x.contiguous()?.flip(&axes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, IndexOp};
    use std::sync::Mutex;

    /// Remembers what it was shown, and takes it for clean but for a mark in one corner.
    struct Witness(Mutex<Vec<Vec<f32>>>);

    impl ScoreModel for Witness {
        fn score(&self, x: &Tensor, _std: f64) -> Result<Tensor> {
            x.zeros_like()
        }
        fn denoise(&self, x: &Tensor, _std: f64) -> Result<Tensor> {
            self.0.lock().unwrap().push(x.flatten_all()?.to_vec1()?);
            let (_, _, rows, cols) = x.dims4()?;
            let corner = Tensor::ones((1, 1, 1, 1), x.dtype(), x.device())?;
            let marked = (x + corner.pad_with_zeros(2, 0, rows - 1)?.pad_with_zeros(3, 0, cols - 1)?)?;
            // As a network that crops what it padded: not contiguous.
            marked.pad_with_zeros(3, 0, 2)?.narrow(3, 0, cols)
        }
    }

    #[test]
    fn eight_views_of_an_image_come_back_upright() {
        let x = Tensor::arange(0f32, 15.0, &Device::Cpu).unwrap().reshape((1, 1, 3, 5)).unwrap();
        let witness = Witness(Mutex::default());
        let mut marked = vec![0.0; 15];
        for step in 0..8 {
            let found = Orientations::All.denoise(&witness, &x, 0.1, step).unwrap();
            let off: Vec<f32> = (found - &x).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            marked.iter_mut().zip(off).for_each(|(sum, value)| *sum += value);
        }
        let mut shown = witness.0.into_inner().unwrap();
        shown.sort_by(|a, b| a.partial_cmp(b).unwrap());
        shown.dedup();
        assert_eq!(shown.len(), 8);
        // The mark of the network's own corner falls on every corner of the image, twice.
        let mut corners = vec![0.0; 15];
        for k in [0, 4, 10, 14] {
            corners[k] = 2.0;
        }
        assert_eq!(marked, corners);
    }

    #[test]
    fn upright_is_upright() {
        let x = Tensor::arange(0f32, 6.0, &Device::Cpu).unwrap().reshape((1, 1, 2, 3)).unwrap();
        let witness = Witness(Mutex::default());
        for step in 0..8 {
            let found = Orientations::Upright.denoise(&witness, &x, 0.1, step).unwrap();
            assert_eq!(found.i((0, 0, 0, 0)).unwrap().to_scalar::<f32>().unwrap(), 1.0);
        }
    }
}
