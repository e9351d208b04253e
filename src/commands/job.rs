//! What all reconstructions share once their case is set up: run, convert, compare, write.

use super::context::{self, Context};
use super::failure::Failure;
use super::load;
use super::options::Common;
use super::scale::Values;
use super::target::Target;
use super::typical::warnings;
use crate::models::Typical;
use anyhow::Result;
use ndarray::{Array3, Axis};
use recon_data::{Format, Geometry, Provenance, Source, Unit, Volume, atomic, check_finite, digest, npy};
use recon_operators::Transform;
use recon_pipelines::preview::{Panels, Window, montage, png};
use recon_pipelines::report::{
    Comparison, InputRecord, ModelRecord, Quality, Report, Status, assess, peak_memory_bytes,
};
use recon_pipelines::{Calibration, Case, INTERVAL, Map, Reconstruct, Reconstructed, calibration};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The method of a job and what the report says about it.
pub struct Method<T: Transform> {
    /// Its name on the command line.
    pub name: &'static str,
    /// The method.
    pub run: Box<dyn Reconstruct<T>>,
    /// The score model behind it.
    pub model: Option<ModelRecord>,
    /// Where it runs.
    pub device: String,
    /// How many posterior samples it draws.
    pub samples: usize,
    /// What its results usually look like to the score model, where the model's card says so.
    pub typical: Option<Typical>,
}

impl<T: Transform> Method<T> {
    /// A method without a network.
    pub fn classical(name: &'static str, run: impl Reconstruct<T> + 'static) -> Self {
        Self { name, run: Box::new(run), model: None, device: "cpu".into(), samples: 1, typical: None }
    }
}

/// Changes finished images, such as putting metal back.
pub type Finish<'a> = Box<dyn Fn(&mut Array3<f32>) + 'a>;

/// A case with everything needed to run it and to write what comes out.
pub struct Job<'a, T: Transform, P> {
    /// The slices to reconstruct.
    pub case: Case<'a, T>,
    /// With what.
    pub method: Method<T>,
    /// What to compare with, on the same data, the strongest last.
    pub baselines: Vec<Method<T>>,
    /// The unit of the output.
    pub values: Values,
    /// What is done to the finished images, in the unit of the output.
    pub finish: Option<Finish<'a>>,
    /// Where the voxels of the output lie.
    pub geometry: Geometry,
    /// What kind of file the input was.
    pub source: Source,
    /// The truth, when it is known.
    pub reference: Option<Volume>,
    /// Grey values of the preview; none means by percentiles.
    pub window: Option<Window>,
    /// The files that went in.
    pub inputs: Vec<PathBuf>,
    /// Everything that was decided.
    pub plan: P,
    /// Where to write.
    pub target: Target,
}

struct Images {
    result: Volume,
    maps: Vec<(Map, Volume)>,
    baselines: Vec<Volume>,
}

impl<T: Transform<Image = ndarray::Array2<f32>>, P: Serialize + Clone> Job<'_, T, P> {
    /// Runs the case and writes image, sidecar, preview and standard deviation.
    ///
    /// # Errors
    /// When the method fails, a file cannot be written, or the user stopped it ([`Failure::Interrupted`],
    /// after the finished slices have been written).
    pub fn run(mut self, common: &Common, context: &Context) -> Result<()> {
        self.case.null_space = common.null_space;
        let begin = Instant::now();
        let bars = context.bars(self.case.positions_um.len());
        let outcome = self.case.run(&*self.method.run, &self.comparable(), &bars);
        bars.clear();
        let mut done = outcome?;
        let seconds = begin.elapsed().as_secs_f64();
        if done.interrupted {
            self.target = self.target.partial();
        }
        if done.records.is_empty() {
            return Err(context.interruption().unwrap_or(Failure::Interrupted(2)).into());
        }
        let images = self.images(&mut done);
        let report = self.report(&done, &images, common, context, seconds)?;
        self.write(&images, &report, common)?;
        self.tell(&report, common, context)?;
        match context.interruption().filter(|_| done.interrupted) {
            Some(interruption) => Err(interruption.into()),
            None => Ok(()),
        }
    }

    /// The baselines worth running: all beside a reference, the strongest for a picture, else none.
    fn comparable(&self) -> Vec<&dyn Reconstruct<T>> {
        let count = self.baselines.len();
        let first = match (&self.reference, &self.target.preview) {
            (Some(_), _) => 0,
            (None, Some(_)) => count.saturating_sub(1),
            (None, None) => count,
        };
        self.baselines[first..].iter().map(|method| &*method.run).collect()
    }

    fn images(&mut self, done: &mut Reconstructed) -> Images {
        let values = self.values;
        let volume = |voxels| Volume { voxels, geometry: self.geometry.clone(), unit: values.unit() };
        let finished = |images: Array3<f32>| {
            let mut images = values.image(images);
            if let Some(finish) = &self.finish {
                finish(&mut images);
            }
            volume(images)
        };
        let mapped = |(kind, map): (Map, Array3<f32>)| match kind {
            Map::Low | Map::High => (kind, finished(map)),
            Map::Std | Map::NullSpace => (kind, volume(values.spread(map))),
        };
        Images {
            result: finished(std::mem::take(&mut done.images)),
            maps: std::mem::take(&mut done.maps).into_iter().map(mapped).collect(),
            baselines: std::mem::take(&mut done.baselines).into_iter().map(finished).collect(),
        }
    }

    fn report(
        &self,
        done: &Reconstructed,
        images: &Images,
        common: &Common,
        context: &Context,
        seconds: f64,
    ) -> Result<Report<P>> {
        let maps = self.maps(images).map(|(path, _)| path);
        let outputs = std::iter::once(&self.target.image).chain(maps).chain(&self.target.preview);
        let outputs = outputs.chain([&self.target.sidecar]).cloned().collect();
        let mut report = Report {
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            version: env!("CARGO_PKG_VERSION"),
            status: Status::Complete,
            seed: common.seed,
            plan: self.plan.clone(),
            inputs: self.inputs.iter().map(|path| input_record(path)).collect::<Result<_>>()?,
            outputs,
            model: self.method.model.clone(),
            device: self.method.device.clone(),
            threads: context.threads,
            nfe: 0,
            seconds,
            peak_memory_bytes: peak_memory_bytes(),
            data_residual: None,
            metrics: self.metrics(images)?,
            warnings: self.method.typical.map_or_else(Vec::new, |typical| warnings(typical, &done.records)),
            slices: Vec::new(),
        };
        report.record(done);
        Ok(report)
    }

    fn metrics(&self, images: &Images) -> Result<Option<Comparison>> {
        let Some(reference) = self.reference_of(images) else { return Ok(None) };
        let [_, rows, cols] = *reference.voxels.shape() else { return Ok(None) };
        // Smaller than the window of SSIM: there is nothing to compare by.
        if rows < 7 || cols < 7 {
            return Ok(None);
        }
        let names = self.baselines.iter().map(|method| method.name);
        let baselines: Vec<_> = names.zip(&images.baselines).collect();
        let mut comparison = assess(&reference, &images.result, &baselines)?;
        let std = images.maps.iter().find(|(kind, _)| *kind == Map::Std);
        comparison.calibration = std.and_then(|(_, std)| {
            let found = (&images.result.voxels, &std.voxels);
            calibration(&reference.voxels, found, self.method.samples).ok()
        });
        Ok(Some(comparison))
    }

    /// The reference of the slices that were finished.
    fn reference_of(&self, images: &Images) -> Option<Volume> {
        let mut reference = self.reference.clone()?;
        let finished = images.result.voxels.len_of(Axis(0));
        reference.voxels.slice_axis_inplace(Axis(0), ndarray::Slice::from(0..finished));
        Some(reference)
    }

    fn write(&self, images: &Images, report: &Report<P>, common: &Common) -> Result<()> {
        let overwrite = self.target.overwrite();
        let provenance = self.provenance(common);
        self.write_image(&self.target.image, &images.result, &provenance)?;
        for (path, map) in self.maps(images) {
            self.write_image(path, map, &provenance)?;
        }
        if let Some(path) = &self.target.preview {
            atomic::write_bytes(path, &self.picture(images)?, overwrite)?;
        }
        let sidecar = serde_json::to_vec_pretty(report)?;
        Ok(atomic::write_bytes(&self.target.sidecar, &sidecar, overwrite)?)
    }

    /// The maps to be written, and where.
    fn maps<'m>(&'m self, images: &'m Images) -> impl Iterator<Item = (&'m PathBuf, &'m Volume)> {
        let of = |kind| images.maps.iter().find(move |(found, _)| *found == kind).map(|(_, map)| map);
        self.target.maps.iter().filter_map(move |(kind, path)| of(*kind).map(|map| (path, map)))
    }

    fn write_image(&self, path: &Path, volume: &Volume, provenance: &Provenance) -> Result<()> {
        let overwrite = self.target.overwrite();
        if Format::of_path(path) == Some(Format::Npy) {
            check_finite(path, &volume.voxels)?;
            let keep_axis = self.inputs.first().is_some_and(|input| load::has_slice_axis(input));
            npy::write_real(path, load::squeezed(volume.voxels.clone(), keep_axis).view(), overwrite)?;
        } else {
            recon_data::write(path, volume, &self.source, provenance, overwrite)?;
        }
        Ok(())
    }

    fn provenance(&self, common: &Common) -> Provenance {
        let model = self.method.model.as_ref().map(|model| format!(" with model {}", model.name));
        let method = format!("{}{}", self.method.name, model.unwrap_or_default());
        Provenance {
            description: format!(
                "Reconstructed by recon {} {method}; not for diagnosis",
                env!("CARGO_PKG_VERSION")
            ),
            series_description: format!("recon {}", self.method.name),
            comments: format!("recon {method}, seed {}", common.seed),
            version: env!("CARGO_PKG_VERSION").into(),
            seed: common.seed,
        }
    }

    fn picture(&self, images: &Images) -> Result<Vec<u8>> {
        let middle = images.result.voxels.len_of(Axis(0)) / 2;
        let at = |volume: &Volume| volume.voxels.index_axis(Axis(0), middle).to_owned();
        let reference = self.reference_of(images);
        let (truth, baseline, result) =
            (reference.as_ref().map(at), images.baselines.last().map(at), at(&images.result));
        let window =
            self.window.unwrap_or_else(|| Window::percentiles(&truth.as_ref().unwrap_or(&result).view()));
        let panels = Panels {
            truth: truth.as_ref().map(|image| image.view()),
            baseline: baseline.as_ref().map(|image| image.view()),
            result: result.view(),
        };
        png(&montage(&panels, window))
    }

    fn tell(&self, report: &Report<P>, common: &Common, context: &Context) -> Result<()> {
        if let Some(comparison) = &report.metrics {
            context.say(&table(comparison, self.method.name));
        }
        for warning in &report.warnings {
            context.say(&format!("warning: {warning}"));
        }
        let image = self.target.image.display();
        context
            .say(&format!("{image}: {} in {:.1} s on {}", self.method.name, report.seconds, report.device));
        if common.json { context::print(&serde_json::to_string(report)?) } else { Ok(()) }
    }
}

/// The plan and the files as JSON on stdout, for `--dry-run`.
///
/// # Errors
/// When stdout cannot be written.
pub fn show_plan<P: Serialize>(plan: &P, target: &Target) -> Result<()> {
    context::print(&serde_json::to_string_pretty(&serde_json::json!({ "plan": plan, "outputs": target }))?)
}

/// The reference for a job: the file of `--reference`, else the image that was simulated from.
///
/// # Errors
/// When the file cannot be read or has another shape.
pub fn reference(
    common: &Common,
    simulated_from: Option<&Volume>,
    unit: Unit,
    shape: &[usize],
) -> Result<Option<Volume>> {
    match &common.reference {
        Some(path) => load::reference(path, unit, shape, common.slices).map(Some),
        None => Ok(simulated_from.cloned()),
    }
}

fn input_record(path: &Path) -> Result<InputRecord> {
    Ok(InputRecord { path: path.to_owned(), sha256: digest::sha256_file(path)? })
}

fn table(comparison: &Comparison, method: &str) -> String {
    let row = |name: &str, quality: &Quality| {
        let psnr = quality.psnr.map_or_else(|| "inf".to_owned(), |psnr| format!("{psnr:.2}"));
        format!("{name:<14} {psnr:>9} {:>7.4} {:>9.2e}", quality.ssim, quality.nmse)
    };
    let mut lines = vec![format!("{:<14} {:>9} {:>7} {:>9}", "method", "PSNR (dB)", "SSIM", "NMSE")];
    lines.extend(comparison.baselines.iter().map(|baseline| row(&baseline.name, &baseline.quality)));
    lines.push(row(method, &comparison.result));
    if let Some(Calibration { ratio, coverage }) = comparison.calibration {
        let percent = 100.0 * INTERVAL;
        lines.push(format!(
            "spread: variance {ratio:.2} times the squared error, {:.0} % of voxels in their {percent:.0} % interval",
            100.0 * coverage
        ));
    }
    lines.join("\n")
}
