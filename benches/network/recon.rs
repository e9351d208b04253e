//! The `recon` side of the comparison with other programs: prepares a job, then does it as often as it is told.
//!
//! One order a line on the standard input, one answer a line on the standard output; times are taken outside.
//!
//! ```text
//! forward unet BUNDLE INPUT      F(x, c) of a bundle's network
//! forward ncsnpp FOLDER INPUT    the score, from weights.safetensors and arch-SIZE.toml
//! step BUNDLE INPUT              a training step that starts from a bundle's weights
//! peak                           10⁹ multiply-adds in registers
//! run COUNT                      do the job
//! save PATH                      write what it gave
//! ```

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use recon::models::{ArchFile, Architecture, FilmUnet, Manifest, ScoreNetwork, Unet, read_bundle};
use recon::train::{Batch, Descending, Learner, Objective, Trainer};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

/// Something to be timed.
trait Job {
    fn run(&mut self) -> Result<()>;
    /// What the runs gave.
    fn output(&self) -> Result<Tensor>;
}

/// Takes an image and the noise level in the network's own form.
type Network = Box<dyn Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>>;

/// A network on one image.
struct Forward {
    network: Network,
    x: Tensor,
    condition: Tensor,
    output: Option<Tensor>,
}

impl Forward {
    fn new(network: Network, input: &Input) -> Result<Self> {
        Ok(Self { network, x: input.get("x")?, condition: input.get("condition")?, output: None })
    }

    fn unet(bundle: &Path, input: &Path) -> Result<Self> {
        let (manifest, weights) = read_bundle(bundle)?;
        let network = Unet::new(&film_unet(&manifest)?.size, &|name| find(&weights, name))?;
        Self::new(Box::new(move |x, condition| network.forward(x, condition)), &Input::read(input)?)
    }

    /// The folder has `arch-SIZE.toml` for every size, since attention goes by the width of the images.
    fn published(folder: &Path, input: &Path) -> Result<Self> {
        let input = Input::read(input)?;
        let description = folder.join(format!("arch-{}.toml", input.get("x")?.dim(3)?));
        let arch = ArchFile::parse(&std::fs::read_to_string(description)?).map_err(anyhow::Error::msg)?;
        let weights = candle_core::safetensors::load(folder.join("weights.safetensors"), &Device::Cpu)?;
        let weights = weights.into_iter().collect();
        let network = ScoreNetwork::new(&arch, &|name| find(&weights, name))?;
        Self::new(Box::new(move |x, sigma| network.forward(x, sigma)), &input)
    }
}

fn film_unet(manifest: &Manifest) -> Result<&FilmUnet> {
    match &manifest.architecture {
        Architecture::FilmUnet(unet) => Ok(unet),
        Architecture::Published(_) => bail!("the bundle holds no U-Net"),
    }
}

fn find(weights: &BTreeMap<String, Tensor>, name: &str) -> candle_core::Result<Tensor> {
    weights.get(name).cloned().ok_or_else(|| candle_core::Error::Msg(format!("no tensor {name}")))
}

impl Job for Forward {
    fn run(&mut self) -> Result<()> {
        self.output = Some((self.network)(&self.x, &self.condition)?);
        Ok(())
    }

    fn output(&self) -> Result<Tensor> {
        self.output.clone().context("nothing was run")
    }
}

/// A training on one batch.
struct Step {
    trainer: Trainer,
    batch: Batch,
    losses: Vec<f32>,
}

/// The same in every program of the comparison.
const LEARNING_RATE: f64 = 1e-4;

impl Step {
    fn new(bundle: &Path, input: &Path) -> Result<Self> {
        let (manifest, weights) = read_bundle(bundle)?;
        let unet = film_unet(&manifest)?;
        let objective = Objective { sigma_data: unet.sigma_data, ..Objective::default() };
        let input = Input::read(input)?;
        let batch =
            Batch { clean: input.get("clean")?, noise: input.get("noise")?, sigmas: input.get("sigmas")? };
        let trainer = Trainer::new(&unet.size, objective, Descending::default(), &weights, &Device::Cpu)?;
        Ok(Self { trainer, batch, losses: Vec::new() })
    }
}

impl Job for Step {
    fn run(&mut self) -> Result<()> {
        self.losses.push(self.trainer.step(&self.batch, 1, LEARNING_RATE)?.loss as f32);
        Ok(())
    }

    fn output(&self) -> Result<Tensor> {
        Ok(Tensor::new(self.losses.as_slice(), &Device::Cpu)?)
    }
}

/// The limit of one thread.
struct Peak(f32);

impl Job for Peak {
    fn run(&mut self) -> Result<()> {
        self.0 = recon::kernels::multiply_adds(1_000_000_000);
        Ok(())
    }

    fn output(&self) -> Result<Tensor> {
        Ok(Tensor::new(&[self.0], &Device::Cpu)?)
    }
}

/// The tensors that every program is given.
struct Input(HashMap<String, Tensor>);

impl Input {
    fn read(path: &Path) -> Result<Self> {
        Ok(Self(candle_core::safetensors::load(path, &Device::Cpu)?))
    }

    fn get(&self, name: &str) -> Result<Tensor> {
        self.0.get(name).cloned().with_context(|| format!("the input has no {name}"))
    }
}

fn prepare(words: &[&str]) -> Result<Box<dyn Job>> {
    Ok(match words {
        ["forward", "unet", bundle, input] => Box::new(Forward::unet(bundle.as_ref(), input.as_ref())?),
        ["forward", "ncsnpp", folder, input] => {
            Box::new(Forward::published(folder.as_ref(), input.as_ref())?)
        }
        ["step", bundle, input] => Box::new(Step::new(bundle.as_ref(), input.as_ref())?),
        ["peak"] => Box::new(Peak(0.0)),
        other => bail!("unknown order {other:?}"),
    })
}

fn obey(line: &str, job: &mut Option<Box<dyn Job>>) -> Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match (words.as_slice(), job) {
        (["run", count], Some(job)) => (0..count.parse()?).try_for_each(|_| job.run()),
        (["save", path], Some(job)) => Ok(job.output()?.save_safetensors("output", path)?),
        (["run" | "save", _], None) => bail!("nothing was prepared"),
        (words, job) => {
            // The old job's memory goes first.
            *job = None;
            *job = Some(prepare(words)?);
            Ok(())
        }
    }
}

fn serve() -> Result<()> {
    let mut job = None;
    for line in std::io::stdin().lock().lines() {
        obey(&line?, &mut job)?;
        println!("done");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    recon::kernels::keep_freed_memory();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
