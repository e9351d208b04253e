//! Medical image reconstruction from too few measurements, with a learned score prior.
//!
//! A measurement is `y = P(Λ) T x`: a transform `T` (Radon, Fourier), of which only the entries in `Λ` were measured. The
//! crates below this one know no network: [`operators`] has transforms, masks and solvers, [`data`] reads and writes DICOM,
//! NIfTI and `.npy`, and [`pipelines`] runs a case from its description to its files. Here are the score models, what is made
//! of them, and the methods that use them:
//!
//! | module | what it has |
//! |---|---|
//! | [`methods`] | names and settings become methods that run |
//! | [`settings`], [`knobs`] | which methods there are, and how they are set |
//! | [`score`] | processes, samplers, consistency with a measurement, likelihoods, priors in closed form |
//! | [`models`] | networks, model folders, published checkpoints |
//! | [`train`] | making a prior |
//! | [`kernels`], [`device`] | the convolutions behind the networks on a CPU, and the choice of a device |
//!
//! # A slice of a DICOM file
//!
//! What `recon ct --views 60 --set steps=4 ct_lung.dcm` does. The same values make a file for `recon run`, and stand in the JSON
//! file beside the result.
//!
#![cfg_attr(feature = "weights", doc = "```")]
#![cfg_attr(not(feature = "weights"), doc = "```no_run")]
//! use recon::device::DeviceChoice;
//! use recon::methods::Registry;
//! use recon::pipelines::{CaseSpec, CtSpec, Input, Options, Outputs, Task, TaskSpec, run};
//! use recon::settings::Layers;
//!
//! # fn main() -> anyhow::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let output = folder.path().join("lung.dcm");
//! let registry = Registry::new(DeviceChoice::Auto);
//! let settings = Layers::default().set("steps", 4)?; // 40 without this line: better, and ten times slower
//! let case = CaseSpec::new(
//!     Input::image("data/samples/ct_lung.dcm"),
//!     TaskSpec::Ct(CtSpec { views: Some(60), ..CtSpec::default() }),
//!     registry.resolve("score", Task::Ct, &settings)?,
//!     Outputs::image(&output),
//! );
//! let outcome = run(&case, &registry, &Options::default())?;
//!
//! let quality = outcome.report.metrics.expect("a simulated measurement has a truth");
//! assert!(quality.result.psnr > quality.baselines[0].quality.psnr, "better than filtered back-projection");
//! assert!(output.exists());
//! # Ok(())
//! # }
//! ```
//!
//! # An operator of one's own, with a learned prior
//!
//! Two methods make a [`LinearOperator`](operators::LinearOperator), a third a [`Transform`](operators::Transform). Samplers and
//! classical methods then take it as it is.
//!
#![cfg_attr(feature = "weights", doc = "```")]
#![cfg_attr(not(feature = "weights"), doc = "```no_run")]
//! use recon::candle_core::Device;
//! use recon::data::Modality;
//! use recon::knobs::{SamplerSettings, Table};
//! use recon::methods::Sampled;
//! use recon::models::{ModelSource, open};
//! use recon::ndarray::Array2;
//! use recon::operators::{LinearOperator, Mask, Problem, Transform, testing};
//! use recon::pipelines::{Direct, Reconstruct, Silent, SliceSeed, Task};
//! use recon::score::{Autograd, Decomposed, UnitRule};
//!
//! /// Means of blocks of 2 × 2 pixels.
//! #[derive(Clone)]
//! struct Coarse {
//!     rows: usize,
//!     cols: usize,
//! }
//!
//! impl LinearOperator for Coarse {
//!     type Image = Array2<f32>;
//!     type Data = Array2<f32>;
//!
//!     fn image_shape(&self) -> Vec<usize> {
//!         vec![2 * self.rows, 2 * self.cols]
//!     }
//!     fn data_shape(&self) -> Vec<usize> {
//!         vec![self.rows, self.cols]
//!     }
//!     fn forward(&self, x: &Array2<f32>) -> Array2<f32> {
//!         let mean = |i, j| (x[[i, j]] + x[[i, j + 1]] + x[[i + 1, j]] + x[[i + 1, j + 1]]) / 4.0;
//!         Array2::from_shape_fn((self.rows, self.cols), |(i, j)| mean(2 * i, 2 * j))
//!     }
//!     fn adjoint(&self, y: &Array2<f32>) -> Array2<f32> {
//!         self.inverse(y) / 4.0
//!     }
//! }
//!
//! impl Transform for Coarse {
//!     fn inverse(&self, y: &Array2<f32>) -> Array2<f32> {
//!         Array2::from_shape_fn((2 * self.rows, 2 * self.cols), |(i, j)| y[[i / 2, j / 2]])
//!     }
//! }
//!
//! # fn main() -> anyhow::Result<()> {
//! let coarse = Coarse { rows: 32, cols: 32 };
//! assert!(testing::dot_test(&coarse) < 1e-5, "the adjoint is the transpose");
//!
//! // A disc of soft tissue in air, in 1/mm.
//! let inside = |i: usize, j: usize| (i as f32 - 31.5).hypot(j as f32 - 31.5) < 22.0;
//! let truth = Array2::from_shape_fn((64, 64), |(i, j)| if inside(i, j) { 0.0192 } else { 0.0 });
//! let problem = Problem::new(coarse.clone(), Mask::full(32 * 32), coarse.forward(&truth))?;
//!
//! let prior = Autograd(open(&ModelSource::Builtin(Modality::Ct), &Device::Cpu)?);
//! let sampler = Decomposed { steps: 20, ..Decomposed::defaults(Task::Ct, &Table::default()) };
//! // 1 of the model is twice the attenuation of water.
//! let score = Sampled::new(prior, sampler, UnitRule::Fixed(0.0384), Device::Cpu).from(Direct);
//! let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
//! let found = score.reconstruct(&problem, seed, &Silent)?.image;
//!
//! let error = |x: &Array2<f32>| (x - &truth).mapv(|d| d * d).sum();
//! assert!(error(&found) < error(&coarse.inverse(&problem.measured)) / 2.0, "edges are sharper than blocks");
//! # Ok(())
//! # }
//! ```
//!
//! # A sampler of one's own, on a prior in closed form
//!
//! A [`Sampler`](score::Sampler) draws from a prior and a measurement in model units. On a Gaussian prior its answer is known.
//!
//! ```
//! use recon::candle_core::{DType, Device, Tensor};
//! use recon::methods::Sampled;
//! use recon::ndarray::Array2;
//! use recon::operators::{DataNoise, Identity, Mask, Problem};
//! use recon::pipelines::{Progress, Reconstruct, Silent, SliceSeed};
//! use recon::score::{Autograd, Differentiable, Gaussian, Measured, Noise, Sampler, Start, UnitRule, Weighting};
//!
//! /// Gradient ascent on `log p(x) + log p(y | x)`.
//! struct Ascent {
//!     steps: usize,
//!     rate: f64,
//! }
//!
//! impl Sampler for Ascent {
//!     fn draw(
//!         &self,
//!         prior: &dyn Differentiable,
//!         measured: &dyn Measured,
//!         _start: Start<'_>,
//!         _noise: &mut Noise,
//!         progress: &dyn Progress,
//!     ) -> anyhow::Result<Tensor> {
//!         let [channels, rows, cols] = measured.image_dims();
//!         let mut x = Tensor::zeros((1, channels, rows, cols), DType::F32, &Device::Cpu)?;
//!         for step in 0..self.steps {
//!             // Aᴴ (y − A x) / n²
//!             let likelihood = measured.pull(&x, Weighting::Likelihood { variance: 0.0 })?;
//!             x = (&x + ((prior.score(&x, 0.0)? + likelihood)? * self.rate)?)?;
//!             progress.step(step + 1, self.steps);
//!         }
//!         Ok(x)
//!     }
//! }
//!
//! # fn main() -> anyhow::Result<()> {
//! let (rows, cols, std) = (4, 4, 0.5);
//! let mut problem = Problem::new(Identity { rows, cols }, Mask::full(16), Array2::from_elem((4, 4), 1.0))?;
//! problem.noise = DataNoise::white(std);
//! let prior = Gaussian { mean: Tensor::zeros((1, 1, 4, 4), DType::F32, &Device::Cpu)?, variance: 1.0 };
//!
//! let ascent = Ascent { steps: 60, rate: 0.1 };
//! let method = Sampled::new(Autograd(prior), ascent, UnitRule::Fixed(1.0), Device::Cpu);
//! let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
//! let found = method.reconstruct(&problem, seed, &Silent)?.image;
//!
//! // The mean of prior and data, weighted by their precisions 1 and 1/0.5².
//! assert!(found.iter().all(|x| (x - 4.0 / 5.0).abs() < 1e-4));
//! # Ok(())
//! # }
//! ```

pub mod device;
pub mod kernels;
pub mod knobs;
pub mod methods;
pub mod models;
pub mod score;
pub mod settings;
pub mod train;

// What the signatures here are made of, in the versions that fit.
pub use {candle_core, ndarray, num_complex};
pub use {recon_data as data, recon_operators as operators, recon_pipelines as pipelines};
