//! A few pictures of a result, for the page of a batch.

use super::result::Finished;
use crate::report::page::{Embedding, Excerpt, Layer, LayerKind, PackedImage, evenly_spaced, shrink};
use crate::report::preview::{Window, upright};
use crate::{Map, Study};
use anyhow::{Context as _, Result};
use ndarray::Array2;
use recon_data::Unit;

impl<S: Study> Finished<'_, S> {
    /// Truth, strongest baseline, result and standard deviation of some slices, as far as they are known.
    ///
    /// # Errors
    /// When what is kept cannot be read.
    pub(super) fn excerpt(&self, embedding: Embedding) -> Result<Excerpt> {
        let numbers = evenly_spaced(self.slices, embedding.slices);
        let mut layers = Vec::new();
        if self.study.knows_truth() {
            let truth = |k: usize| self.study.truth(k)?.context("the truth is known");
            layers.push(self.layer((LayerKind::Truth, ""), &numbers, embedding, &truth)?);
        }
        if let Some(name) = self.kept.baselines().last() {
            let image = |k: usize| self.kept.baseline(k, name);
            layers.push(self.layer((LayerKind::Baseline, name), &numbers, embedding, &image)?);
        }
        let image = |k: usize| Ok(self.kept.image(k)?);
        layers.push(self.layer((LayerKind::Result, ""), &numbers, embedding, &image)?);
        if self.spread.is_known() {
            let map = |k: usize| Ok(self.kept.map(k, Map::Std)?);
            layers.push(self.layer((LayerKind::StandardDeviation, ""), &numbers, embedding, &map)?);
        }
        let [_, row, col] = self.study.frame().geometry.spacing_mm;
        let pixel_aspect = ((row / col - 1.0).abs() > 1e-3).then_some(row / col);
        Ok(Excerpt { slice_numbers: numbers, pixel_aspect, layers })
    }

    fn layer(
        &self,
        (kind, label): (LayerKind, &str),
        numbers: &[usize],
        embedding: Embedding,
        image: &dyn Fn(usize) -> Result<Array2<f32>>,
    ) -> Result<Layer> {
        let frame = self.study.frame();
        let mut window = None;
        let mut slices = Vec::with_capacity(numbers.len());
        for &k in numbers {
            let image = image(k)?;
            let hung = upright(&image.view(), &frame.geometry);
            let shown = shrink(&hung, embedding.side);
            window.get_or_insert_with(|| Window::percentiles(&shown.view()));
            slices.push(PackedImage::pack(&shown.view(), embedding.depth));
        }
        let own = if kind == LayerKind::StandardDeviation { None } else { self.study.window() };
        let window = own.or(window).unwrap_or(Window { low: 0.0, high: 1.0 });
        let unit = if frame.values.unit() == Unit::Hounsfield { "HU" } else { "" };
        Ok(Layer { kind, label: label.to_owned(), slices, unit: unit.to_owned(), window })
    }
}
