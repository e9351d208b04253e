//! An acquisition that the program does not have: slices measured with coarse pixels, brought to fine ones by a classical
//! and by a learned method that exist already.
//!
//! `cargo run --release --example new_acquisition`
//!
//! The operator is what a file in `operators/src/ct/` would hold; `Enlarge` and `Acquisition` are the arm of
//! `pipelines/src/task/` and of `pipelines/src/method/`. No method is changed.

use anyhow::Result;
use recon::data::{Geometry, Source, Unit, hounsfield_to_attenuation, read};
use recon::device::DeviceChoice;
use recon::methods::Registry;
use recon::ndarray::{Array2, Array3, Axis, s};
use recon::operators::solvers::TvSettings;
use recon::operators::{LinearOperator, Mask, Problem, Transform};
use recon::pipelines::{
    Acquisition, CaseSeed, Classical, Direct, Frame, Methods, Reconstruct, Silent, Slice, SliceSeed, Solver,
    Study, Task, Tv, Values,
};
use recon::settings::Layers;
use std::path::Path;

/// Means of blocks of 2 × 2 pixels. Axes (row, col).
#[derive(Clone)]
struct Coarse {
    rows: usize,
    cols: usize,
}

impl LinearOperator for Coarse {
    type Image = Array2<f32>;
    type Data = Array2<f32>;

    fn image_shape(&self) -> Vec<usize> {
        vec![2 * self.rows, 2 * self.cols]
    }
    fn data_shape(&self) -> Vec<usize> {
        vec![self.rows, self.cols]
    }
    fn forward(&self, x: &Array2<f32>) -> Array2<f32> {
        let mean = |i, j| (x[[i, j]] + x[[i, j + 1]] + x[[i + 1, j]] + x[[i + 1, j + 1]]) / 4.0;
        Array2::from_shape_fn((self.rows, self.cols), |(i, j)| mean(2 * i, 2 * j))
    }
    fn adjoint(&self, y: &Array2<f32>) -> Array2<f32> {
        self.inverse(y) / 4.0
    }
}

impl Transform for Coarse {
    /// Every pixel four times: the pseudo-inverse.
    fn inverse(&self, y: &Array2<f32>) -> Array2<f32> {
        Array2::from_shape_fn((2 * self.rows, 2 * self.cols), |(i, j)| y[[i / 2, j / 2]])
    }
}

impl Acquisition for Coarse {
    fn classical(method: &Classical, _task: Task) -> Option<Box<dyn Reconstruct<Self>>> {
        match method {
            Classical::Fbp => Some(Box::new(Direct)),
            Classical::Tv(settings) => Some(Box::new(Tv { settings: settings.clone() })),
            Classical::ZeroFilled | Classical::Average | Classical::Li | Classical::L1Wavelet(_) => None,
        }
    }
    fn start(_task: Task, tv: TvSettings) -> Box<dyn Reconstruct<Self> + Send> {
        Box::new(Tv { settings: tv })
    }
}

/// Slices in 1/mm that were measured with pixels twice as wide.
struct Enlarge {
    measured: Array3<f32>,
    truth: Array3<f32>,
    frame: Frame,
    seed: CaseSeed,
}

impl Enlarge {
    /// Simulates it from slices in 1/mm with an even number of rows and columns.
    fn simulated(truth: Array3<f32>, spacing: f64, seed: CaseSeed) -> Self {
        let (slices, rows, cols) = truth.dim();
        let coarse = Coarse { rows: rows / 2, cols: cols / 2 };
        let mut measured = Array3::zeros((slices, rows / 2, cols / 2));
        for (mut measured, truth) in measured.outer_iter_mut().zip(truth.outer_iter()) {
            measured.assign(&coarse.forward(&truth.to_owned()));
        }
        let geometry = Geometry { spacing_mm: [1.0, spacing, spacing], ..Geometry::default() };
        let shape = [slices, rows, cols];
        let frame =
            Frame { shape, geometry, values: Values::Hounsfield, source: Source::Npy, keep_axis: true };
        Self { measured, truth, frame, seed }
    }
}

impl Study for Enlarge {
    type Transform = Coarse;

    fn frame(&self) -> &Frame {
        &self.frame
    }
    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(k as i64)
    }
    fn slice(&self, k: usize) -> Result<Slice<Coarse>> {
        let measured = self.measured.index_axis(Axis(0), k).to_owned();
        let (rows, cols) = measured.dim();
        Ok(Slice::Measured(Problem::new(Coarse { rows, cols }, Mask::full(rows * cols), measured)?))
    }
    fn image(&self, _k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        Ok(self.frame.values.image(image))
    }
    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        self.frame.values.difference(difference)
    }
    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        Ok(Some(self.frame.values.image(self.truth.index_axis(Axis(0), k).to_owned())))
    }
    fn knows_truth(&self) -> bool {
        true
    }
}

fn main() -> Result<()> {
    let scan = read(Path::new("data/samples/ct_lung.dcm"))?;
    let spacing = scan.volume.geometry.spacing_mm[1];
    let part = scan.volume.voxels.slice(s![.., 160..352, 96..288]).mapv(hounsfield_to_attenuation);
    let study = Enlarge::simulated(part, spacing, CaseSeed { seed: 0, case: 0 });
    let truth = study.truth(0)?.expect("simulated");

    let registry = Registry::new(DeviceChoice::Auto);
    for name in ["fbp", "tv", "score"] {
        let spec = registry.resolve(name, Task::Ct, &Layers::default())?;
        let method = registry.build::<Coarse>(&spec, Task::Ct, Unit::Hounsfield)?;
        let solver = Solver { method: &method, baselines: Vec::new(), null_space: false };
        let solved = solver.solve(&study, 0, &Silent)?;
        let square = (&solved.image - &truth).mapv(|d| d * d).mean().unwrap_or_default();
        println!("{name:<8} off by {:5.1} HU in {:4.1} s", square.sqrt(), solved.record.seconds);
    }
    Ok(())
}
