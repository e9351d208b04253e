//! The parallel-beam Radon transform with its exact adjoint, and filtered back-projection.

mod backproject;
mod filter;
mod footprint;
mod geometry;
mod project;
mod refine;

pub use filter::Filter;
pub use geometry::ParallelBeam;
pub use refine::refine_views;

use crate::{LinearOperator, OperatorError, Transform};
use filter::RowFilter;
use ndarray::Array2;
use project::View;

/// The parallel-beam Radon transform of an image of square pixels, averaged over each detector bin:
///
/// `(A x)[θ, k] = Σ_p x[p] · area(pixel p ∩ strip k of θ) / detector_spacing`
///
/// Areas are exact (closed form), not sampled. An attenuation in 1/mm gives line integrals without
/// dimension. Image axes (row, col), data axes (angle, detector); see [`ParallelBeam`] for their directions.
/// The adjoint is the transpose of the same matrix. The inverse is filtered back-projection, which only
/// approximates `A⁻¹`. All three use the threads of the current rayon pool and give the same bits with any
/// number of them.
///
/// # Panics
/// `forward`, `adjoint` and `inverse` panic when an array does not have the shape of the geometry.
#[derive(Clone)]
pub struct Radon {
    geometry: ParallelBeam,
    filter: Filter,
    views: Vec<View>,
    weights: Vec<f64>,
    row_filter: RowFilter,
}

impl Radon {
    /// Plans the transform; `filter` is that of the inverse.
    ///
    /// # Errors
    /// When [`ParallelBeam::validate`] refuses the geometry.
    pub fn new(geometry: ParallelBeam, filter: Filter) -> Result<Self, OperatorError> {
        geometry.validate()?;
        let views = geometry.angles.iter().map(|&angle| View::new(angle)).collect();
        let weights = geometry.angular_weights();
        let row_filter = RowFilter::new(filter, geometry.detectors, geometry.detector_spacing);
        Ok(Self { geometry, filter, views, weights, row_filter })
    }

    /// The geometry it was made for.
    pub fn geometry(&self) -> &ParallelBeam {
        &self.geometry
    }

    /// The filter of its inverse.
    pub fn filter(&self) -> Filter {
        self.filter
    }

    fn check_data(&self, data: &Array2<f32>) {
        let expected = (self.geometry.angles.len(), self.geometry.detectors);
        assert_eq!(data.dim(), expected, "the sinogram does not fit the geometry");
    }
}

impl std::fmt::Debug for Radon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Radon").field("geometry", &self.geometry).field("filter", &self.filter).finish()
    }
}

impl LinearOperator for Radon {
    type Image = Array2<f32>;
    type Data = Array2<f32>;

    fn image_shape(&self) -> Vec<usize> {
        vec![self.geometry.rows, self.geometry.cols]
    }
    fn data_shape(&self) -> Vec<usize> {
        vec![self.geometry.angles.len(), self.geometry.detectors]
    }
    fn forward(&self, image: &Array2<f32>) -> Array2<f32> {
        let expected = (self.geometry.rows, self.geometry.cols);
        assert_eq!(image.dim(), expected, "the image does not fit the geometry");
        project::forward(&self.geometry, &self.views, image)
    }
    fn adjoint(&self, data: &Array2<f32>) -> Array2<f32> {
        self.check_data(data);
        project::adjoint(&self.geometry, &self.views, data)
    }
}

impl Transform for Radon {
    fn inverse(&self, data: &Array2<f32>) -> Array2<f32> {
        self.check_data(data);
        let filtered = self.row_filter.apply(data, &self.weights, backproject::PADDING);
        backproject::back_project(&self.geometry, &filtered)
    }
}
