//! An evaluation: every slice, measured in every way, reconstructed by every method.

use super::EvalArgs;
use super::images::{self, Image};
use super::measure::{self, Modality, Single, Solved, Tried};
use super::pictures::Picture;
use super::record::{Outputs, Record};
use super::rows::{Key, Row, Table};
use super::setting::{Legacy, Setting};
use super::summary::{self, Entry};
use crate::commands::cli::settings::SettingArgs;
use crate::commands::session::context;
use crate::commands::session::context::Context;
use crate::commands::session::failure::{self, Failure};
use anyhow::{Context as _, Result};
use recon::knobs::Info;
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_data::{Overwrite, atomic, digest};
use recon_pipelines::report::plot;
use recon_pipelines::{Method, Methods};
use serde_json::json;
use std::path::Path;

/// What is to be evaluated, how and with what.
pub(super) struct Evaluation<'a, M: Modality> {
    pub(super) args: &'a EvalArgs,
    pub(super) settings: Vec<&'static M::Setting>,
    /// What the settings' amounts count.
    amount: &'static str,
    pub(super) methods: Vec<Candidate<M>>,
    pub(super) context: &'a Context,
}

/// A method under evaluation.
pub(super) struct Candidate<M: Modality> {
    /// Its description.
    spec: MethodSpec,
    /// The method, set up.
    pub(super) method: Method<M::Transform>,
}

impl<M: Modality> Candidate<M> {
    /// Whether a network is behind it.
    pub(super) fn is_learned(&self) -> bool {
        self.spec.info().learned
    }
}

/// A scan that could not be evaluated.
struct Failed {
    file: String,
    error: anyhow::Error,
}

impl<'a, M: Modality> Evaluation<'a, M> {
    /// Sets the methods up. Settings go to the methods that have them; where learned methods are evaluated, the classical
    /// ones beside them stay as they are by default, unless a setting names them.
    ///
    /// # Errors
    /// When a setting does nothing, or a model or a device is not there.
    pub(super) fn new(
        args: &'a EvalArgs,
        settings: Vec<&'static M::Setting>,
        amount: &'static str,
        methods: &[&'static Info],
        context: &'a Context,
    ) -> Result<Self> {
        let SettingArgs { layers, device, noise_std } = &args.settings;
        if !noise_std.is_empty() {
            let message = "--noise-std: a protocol sets its own noise; leave it out";
            return Err(Failure::Usage(message.to_owned()).into());
        }
        let mut open = methods.to_vec();
        let learned = open.iter().any(|info| info.learned);
        open.retain(|info| info.learned || !learned);
        layers.check_any(&open)?;
        let registry = Registry::new(*device);
        let named = layers.naming_methods();
        let build = |info: &&'static Info| {
            let layers = if info.learned || !learned { layers } else { &named };
            let spec = registry.resolve_among(info.name, M::TASK, layers)?;
            let method = registry.build(&spec, M::TASK, M::UNIT)?;
            Ok(Candidate { spec, method })
        };
        let methods = methods.iter().map(build).collect::<Result<_>>()?;
        Ok(Self { args, settings, amount, methods, context })
    }

    /// Evaluates `slices` slices of every scan and writes what comes out.
    ///
    /// # Errors
    /// When the user stopped it, a file cannot be written, or scans failed.
    pub(super) fn run(&self, slices: usize) -> Result<()> {
        let images = images::find(&self.args.data, slices, self.args.limit)?;
        let (outputs, mut table) = self.open(&images)?;
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        for image in &images {
            match self.image(image, slices, &mut table) {
                Ok(found) => rows.extend(found),
                Err(error) if failure::is_fatal(&error) => return Err(error),
                Err(error) if images.len() == 1 => return Err(error),
                Err(error) => {
                    failure::print(&error);
                    failed.push(Failed { file: image.name.clone(), error });
                }
            }
        }
        let pictures = if self.args.pictures { self.pictures(&images, slices, &rows)? } else { Vec::new() };
        self.report(&rows, &pictures, &failed, &outputs)?;
        match failed.len() {
            0 => Ok(()),
            count => {
                Err(Failure::Cases(format!("{count} of {} scans failed; see above", images.len())).into())
            }
        }
    }

    /// The files of the results, and the rows that are there already.
    fn open(&self, images: &[Image]) -> Result<(Outputs, Table)> {
        let mut record = Record::new(self.args.protocol, &self.settings, self.args.seed)?;
        for Candidate { spec, method } in &self.methods {
            record.add_method(spec, method)?;
        }
        for image in images {
            record.add_file(&image.name, digest::sha256_file(&image.path)?);
        }
        let folder = self.args.folder();
        if folder.exists() && !folder.is_dir() {
            return Err(
                Failure::Usage(format!("{}: is not a folder; give one with -o", folder.display())).into()
            );
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
        let outputs = Outputs::of(&folder, self.args.legacy);
        let table = record.join(&outputs, self.args.force)?;
        Ok((outputs, table))
    }

    /// The rows of one scan.
    fn image(&self, image: &Image, slices: usize, table: &mut Table) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for single in measure::singles::<M>(image, slices, self.context)? {
            for &setting in &self.settings {
                for candidate in &self.methods {
                    let key = Key {
                        file: image.name.clone(),
                        slice: single.number,
                        setting: setting.label().to_owned(),
                        method: candidate.method.name.to_owned(),
                    };
                    rows.push(
                        self.row(key, &single, setting, candidate, table)
                            .with_context(|| image.path.display().to_string())?,
                    );
                }
            }
        }
        Ok(rows)
    }

    /// The row of this key: from the table, or computed and added to it.
    fn row(
        &self,
        key: Key,
        single: &Single,
        setting: &M::Setting,
        candidate: &Candidate<M>,
        table: &mut Table,
    ) -> Result<Row> {
        if let Some(row) = table.get(&key) {
            return Ok(row.clone());
        }
        let Solved { quality, calibration, record, .. } = self.solve(single, setting, candidate)?;
        let row = Row {
            key,
            psnr: quality.psnr,
            ssim: quality.ssim,
            nmse: quality.nmse,
            calibration,
            calls: record.network_calls,
            // More digits than a millisecond mean nothing.
            seconds: (record.seconds * 1e3).round() / 1e3,
        };
        self.tell(&row, record.remark.as_deref());
        table.add(row.clone())?;
        Ok(row)
    }

    /// One slice by one method.
    ///
    /// # Errors
    /// When it cannot be measured, the method fails or the user stopped it.
    pub(super) fn solve(
        &self,
        single: &Single,
        setting: &M::Setting,
        candidate: &Candidate<M>,
    ) -> Result<Solved> {
        if let Some(interruption) = self.context.interruption() {
            return Err(interruption.into());
        }
        let tried = Tried { spec: &candidate.spec, method: &candidate.method };
        let outcome = M::solve(single, setting, &tried, self.args.seed, self.context)?;
        Ok(outcome.ok_or_else(|| self.context.stopped())?)
    }

    fn tell(&self, row: &Row, remark: Option<&str>) {
        let remark = remark.map_or_else(String::new, |remark| format!("; {remark}"));
        let Key { file, slice, setting, method } = &row.key;
        let psnr = row.psnr.map_or_else(|| "inf".to_owned(), |psnr| format!("{psnr:.2}"));
        self.context.say(&format!(
            "{file} slice {slice}, {setting}, {method}: {psnr} dB, {:.1} s{remark}",
            row.seconds
        ));
    }

    /// Draws the entries of the protocol's own settings, or of the `legacy` ones: never both in one plot.
    fn plot(
        &self,
        legacy: Option<Legacy>,
        names: &[&'static str],
        entries: &[Entry],
        path: &Path,
    ) -> Result<()> {
        let entries: Vec<Entry> = entries.iter().filter(|entry| entry.legacy == legacy).cloned().collect();
        let protocol = self.args.protocol.name();
        let title =
            legacy.map_or_else(|| protocol.to_owned(), |legacy| format!("{protocol} {}", legacy.name()));
        let picture = plot::draw(&summary::plot(&title, self.amount, names, &entries));
        Ok(atomic::write_bytes(path, &plot::png(&picture)?, Overwrite::Force)?)
    }

    /// Table, summary and plot of this run's rows.
    fn report(&self, rows: &[Row], pictures: &[Picture], failed: &[Failed], outputs: &Outputs) -> Result<()> {
        let names: Vec<&'static str> = self.methods.iter().map(|candidate| candidate.method.name).collect();
        let entries = summary::summarise(&self.settings, &names, rows);
        self.context.table(&summary::table(&entries));
        self.plot(None, &names, &entries, &outputs.plot)?;
        if let (Some(legacy), Some(path)) = (self.args.legacy, &outputs.legacy_plot) {
            self.plot(Some(legacy), &names, &entries, path)?;
        }
        let failures: Vec<_> = failed
            .iter()
            .map(|failed| json!({ "file": failed.file, "error": format!("{:#}", failed.error) }))
            .collect();
        let report = json!({
            "protocol": self.args.protocol,
            "version": env!("CARGO_PKG_VERSION"),
            "seed": self.args.seed,
            "metrics": "fastmri",
            "threads": self.context.threads,
            "outputs": outputs,
            "summary": entries,
            "images": rows,
            "pictures": pictures,
            "failures": failures,
        });
        atomic::write_bytes(&outputs.summary, &serde_json::to_vec_pretty(&report)?, Overwrite::Force)?;
        if self.args.json { context::print(&report.to_string()) } else { Ok(()) }
    }
}
