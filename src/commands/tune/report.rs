//! What a search found: a table, a summary, and a card that has it.

use super::TuneArgs;
use super::parameter::describe;
use super::record::Record;
use super::search::Finish;
use super::trial::{Origin, Trial};
use crate::commands::session::context::{self, Context};
use anyhow::Result;
use recon::models::{Found, Manifest, ModelSource, TunedMethod, copy_bundle, read_card};
use recon::settings::MethodSpec;
use recon_data::{Overwrite, atomic};
use recon_pipelines::Task;
use serde_json::{Value, json};
use std::path::Path;

/// How many trials the table has beside those that were tried first.
const ROWS: usize = 10;

/// The trials of a search and how it ended.
pub(super) struct Report<'a> {
    /// What was asked for.
    pub(super) args: &'a TuneArgs,
    /// What it was made with.
    pub(super) record: &'a Record,
    /// Every trial.
    pub(super) trials: &'a [Trial],
    /// The best of them.
    pub(super) best: &'a Trial,
    /// How it ended.
    pub(super) finish: &'a Finish,
}

impl Report<'_> {
    /// Writes the best settings, those of `spec`, onto the card of `source`, in the folder `target`, and tells what was
    /// found over `cases` measured slices. A card that is not a copy is left alone when the user stopped.
    ///
    /// # Errors
    /// When the model cannot be read or something not be written.
    pub(super) fn write(
        &self,
        context: &Context,
        spec: &MethodSpec,
        (source, task): (&ModelSource, Task),
        (target, cases): (&Path, usize),
    ) -> Result<()> {
        let stopped = matches!(self.finish, Finish::Interrupted(_));
        let model = (!(self.args.write && stopped)).then_some(target);
        if let Some(folder) = model {
            let mut card = read_card(source)?;
            self.note(&mut card, spec, task, cases);
            copy_bundle(source, &card, folder)?;
        }
        let summary = self.summary(cases, model);
        let path = self.args.output.join("summary.json");
        atomic::write_bytes(&path, &serde_json::to_vec_pretty(&summary)?, Overwrite::Force)?;
        context.table(&self.table());
        if let Some(folder) = model {
            context.say(&format!("the best settings are on the card of {}", folder.display()));
        }
        if self.args.json { context::print(&summary.to_string()) } else { Ok(()) }
    }

    /// Puts the settings onto the card, in the place of those that it had for the task and the method.
    fn note(&self, card: &mut Manifest, spec: &MethodSpec, task: Task, cases: usize) {
        let found = Some(Found {
            protocol: self.args.protocol.name().to_owned(),
            slices: cases,
            trials: self.trials.len(),
            seed: self.args.seed,
            psnr: self.best.score().unwrap_or_default(),
            psnr_before: self.before().unwrap_or_default(),
        });
        let info = spec.info();
        let noted = |key: &str| {
            matches!(key, "steps" | "temperature") || info.knob(key).is_some_and(|knob| knob.search.is_some())
        };
        let settings = spec.table().0.into_iter().filter(|(key, _)| noted(key));
        let settings = settings.map(|(key, value)| (key.replace('-', "_"), value)).collect();
        card.tuned.put(task, info.name, TunedMethod { settings, found });
    }

    /// Mean PSNR with the program's own settings, which are the first trial.
    fn before(&self) -> Option<f64> {
        self.trials.iter().find(|trial| trial.origin == Origin::Program).and_then(Trial::score)
    }

    fn summary(&self, cases: usize, model: Option<&Path>) -> Value {
        let output = &self.args.output;
        json!({
            "protocol": self.args.protocol,
            "version": env!("CARGO_PKG_VERSION"),
            "seed": self.args.seed,
            "method": self.args.method.name,
            "model": self.record.model,
            "held": self.record.held,
            "slices": cases,
            "trials": self.trials.len(),
            "status": match self.finish {
                Finish::Complete => "complete",
                Finish::Late => "late",
                Finish::Interrupted(_) => "interrupted",
            },
            "best": self.best,
            "psnr_before": self.before(),
            "first": self.trials.iter().filter(|t| t.origin != Origin::Search).collect::<Vec<_>>(),
            "outputs": {
                "trials": output.join("trials.jsonl"),
                "settings": output.join("settings.json"),
                "summary": output.join("summary.json"),
                "model": model,
            },
        })
    }

    /// The best trials and those that were tried first, the best on top.
    fn table(&self) -> String {
        let mut whole: Vec<&Trial> = self.trials.iter().filter(|trial| trial.score().is_some()).collect();
        whole.sort_by(|a, b| b.score().unwrap_or_default().total_cmp(&a.score().unwrap_or_default()));
        let is_shown = |(place, trial): &(usize, &&Trial)| *place < ROWS || trial.origin != Origin::Search;
        let shown = whole.iter().enumerate().filter(is_shown).map(|(_, trial)| line(trial));
        std::iter::once(format!("{:>10} {:>5}  {:<9}  settings", "PSNR (dB)", "trial", "from"))
            .chain(shown)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn line(trial: &Trial) -> String {
    let from = match trial.origin {
        Origin::Program => "program",
        Origin::Card => "card",
        Origin::Published => "published",
        Origin::Search => "search",
    };
    let psnr = trial.psnr.unwrap_or_default();
    format!("{psnr:>10.3} {:>5}  {from:<9}  {}", trial.trial, describe(&trial.settings))
}
