//! `recon model score`: what a network says about given images.

use crate::commands::cli::values::count;
use crate::commands::session::failure::Failure;
use anyhow::Result;
use candle_core::{Device, Tensor};
use clap::Args;
use ndarray::{Array1, ArrayD};
use recon::device::DeviceChoice;
use recon::methods::process_of;
use recon::models::{ModelSource, Prior, open};
use recon::score::{Autograd, Covariance, Noise, Probing, Stream, TweedieCovariance};
use recon_data::{Overwrite, check_output, npy};
use recon_pipelines::SliceSeed;
use recon_pipelines::task::arrays::wrong_shape;
use std::path::{Path, PathBuf};

/// Arguments of `recon model score`.
#[derive(Args, Clone, Debug)]
pub struct ScoreArgs {
    /// Name of a built-in model (ct, mr), or a bundle folder
    pub model: String,
    /// Images: rows x columns, images x rows x columns, or images x channels x rows x columns (.npy)
    #[arg(long, value_name = "X.npy")]
    pub input: PathBuf,
    /// Labels as the network's authors define them, one for each image or one for all (.npy): writes the raw output
    #[arg(long, value_name = "L.npy", required_unless_present = "std", conflicts_with = "std")]
    pub label: Option<PathBuf>,
    /// Standard deviations of the noise, one for each image or one for all (.npy): writes the score
    #[arg(long, value_name = "S.npy")]
    pub std: Option<PathBuf>,
    /// With --std, also write the standard deviation of the clean image given each noisy one (.npy): second-order
    /// Tweedie, for networks of added noise
    #[arg(long, value_name = "DEV.npy", conflicts_with = "label")]
    pub deviation: Option<PathBuf>,
    /// Number of estimates of the deviation to average, at 16 gradients each
    #[arg(long, value_name = "N", value_parser = count, default_value = "4", requires = "deviation")]
    pub probes: usize,
    /// The result, in the shape of the input (.npy)
    #[arg(short, long, value_name = "OUT.npy")]
    pub output: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
    /// Where the network runs: auto, cpu, cuda or cuda:N
    #[arg(long, default_value_t, env = "RECON_DEVICE", hide_env = true)]
    pub device: DeviceChoice,
}

/// How the network is asked.
#[derive(Clone, Copy)]
enum Asked {
    /// For its raw output at a label.
    Raw,
    /// For the score at a noise level of its process.
    Score,
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or written, shapes do not fit, or a label or noise level is none.
pub fn run(args: &ScoreArgs) -> Result<()> {
    let overwrite = if args.force { Overwrite::Force } else { Overwrite::Refuse };
    for path in std::iter::once(&args.output).chain(&args.deviation) {
        check_output(path, overwrite)?;
    }
    let (device, _) = args.device.open()?;
    let prior = open(&ModelSource::named(&args.model)?, &device)?;
    let x = npy::read_real(&args.input)?;
    let images = images(&x, prior.channels(), &args.input, &device)?;
    let (asked, path) = match (&args.label, &args.std) {
        (Some(path), _) => (Asked::Raw, path),
        (None, Some(path)) => (Asked::Score, path),
        (None, None) => return Err(Failure::Usage("give --label or --std".to_owned()).into()),
    };
    let numbers = one_each(&npy::read_f64(path)?, images.dim(0)?, path)?;
    let values = answers(&prior, &images, asked, &numbers, path)?;
    let deviations = match &args.deviation {
        Some(path) => Some((path, deviations(&prior, &images, &numbers, args.probes)?)),
        None => None,
    };
    for (path, values) in std::iter::once((&args.output, values)).chain(deviations) {
        let y = ArrayD::from_shape_vec(x.raw_dim(), values)?;
        npy::write_real(path, y.view(), overwrite)?;
    }
    Ok(())
}

/// The input as `[image, channel, row, col]`.
fn images(x: &ArrayD<f32>, channels: usize, path: &Path, device: &Device) -> Result<Tensor> {
    let shape = match *x.shape() {
        [rows, cols] => [1, 1, rows, cols],
        [count, rows, cols] => [count, 1, rows, cols],
        [count, channels, rows, cols] => [count, channels, rows, cols],
        _ => return Err(wrong_shape(path, x.shape(), "2, 3 or 4 axes, the last two rows and columns")),
    };
    if shape[1] != channels || shape.contains(&0) {
        let wanted = format!("at least one image, of {channels} channel(s), as the network takes them");
        return Err(wrong_shape(path, x.shape(), &wanted));
    }
    if x.iter().any(|v| !v.is_finite()) {
        return Err(Failure::Input(format!("{}: holds values that are not finite", path.display())).into());
    }
    Ok(Tensor::from_vec(x.iter().copied().collect(), &shape[..], device)?)
}

/// One number an image.
fn one_each(numbers: &ArrayD<f64>, count: usize, path: &Path) -> Result<Array1<f64>> {
    let flat: Array1<f64> = numbers.iter().copied().collect();
    if flat.iter().any(|v| !v.is_finite()) {
        return Err(Failure::Input(format!("{}: holds values that are not finite", path.display())).into());
    }
    match flat.len() {
        1 => Ok(Array1::from_elem(count, flat[0])),
        n if n == count => Ok(flat),
        _ => {
            Err(wrong_shape(path, numbers.shape(), &format!("one number, or one for each of {count} images")))
        }
    }
}

/// The answers, image by image, so that none depends on its neighbours and memory stays small.
fn answers(
    prior: &Prior,
    images: &Tensor,
    asked: Asked,
    numbers: &Array1<f64>,
    path: &Path,
) -> Result<Vec<f32>> {
    let mut values = Vec::with_capacity(images.elem_count());
    for (i, number) in numbers.iter().enumerate() {
        let image = images.narrow(0, i, 1)?;
        let possible = match asked {
            Asked::Raw => prior.check_label(*number),
            Asked::Score => prior.check_noise(*number),
        };
        possible
            .map_err(|detail| Failure::Input(format!("{}: {detail}; correct the numbers", path.display())))?;
        let y = match asked {
            Asked::Raw => prior.raw(&image, &Tensor::from_vec(vec![*number as f32], 1, images.device())?)?,
            Asked::Score => prior.score_of_process(&image, *number)?,
        };
        values.extend(y.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(values)
}

/// Distance between pixels that are probed together: covariances mostly fade within it.
const LATTICE: usize = 4;

/// The standard deviation of every pixel given its noisy image, by `rounds` rounds of lattices, image by image.
fn deviations(prior: &Prior, images: &Tensor, stds: &Array1<f64>, rounds: usize) -> Result<Vec<f32>> {
    if process_of(prior.manifest()).drift(1.0) != 0.0 {
        let message = "--deviation: works for networks of added noise only; the images of this one fade as the noise grows";
        return Err(Failure::Usage(message.to_owned()).into());
    }
    let (_, channels, rows, cols) = images.dims4()?;
    let mut values = Vec::with_capacity(images.elem_count());
    for (i, std) in stds.iter().enumerate() {
        let stream = Stream { slice: SliceSeed { seed: 0, case: 0, slice: i as i64 }, sample: 0 };
        let mut noise = Noise::with_channels(&[stream], (channels, rows, cols), images.device());
        let (x, model) = (images.narrow(0, i, 1)?.contiguous()?, Autograd(prior));
        let covariance = TweedieCovariance { model: &model, x: &x, std: *std };
        let found = covariance.diagonal(Probing::Lattice { spacing: LATTICE, rounds }, &mut noise)?;
        values.extend(found.deviation()?.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(values)
}
