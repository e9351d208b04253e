//! `recon help`: a command, or a method with all its settings.

use super::session::context;
use super::session::failure::Failure;
use crate::cli::Cli;
use anyhow::Result;
use clap::{Args, CommandFactory};
use recon::knobs::{Info, Knob};
use recon::settings::{Layers, find, infos};
use recon_pipelines::Task;
use std::fmt::Write as _;

/// Arguments of `recon help`.
#[derive(Args, Debug)]
pub struct HelpArgs {
    /// A command such as ct or model info, or a method such as score.
    #[arg(value_name = "COMMAND|METHOD")]
    pub topic: Vec<String>,
}

/// Runs `recon help`.
///
/// # Errors
/// When there is neither a command nor a method of that name.
pub fn run(args: &HelpArgs) -> Result<()> {
    let topics: Vec<&str> = args.topic.iter().map(String::as_str).collect();
    if let [name] = topics[..]
        && let Some(info) = find(name)
    {
        return context::print(method(info).trim_end());
    }
    let mut command = Cli::command();
    command.build();
    let mut found = &mut command;
    for topic in &topics {
        found = found.find_subcommand_mut(topic).ok_or_else(|| {
            let names: Vec<&str> = infos().map(|info| info.name).collect();
            let known = format!("recon help lists the commands; methods are {}", names.join(", "));
            Failure::Usage(format!("{}: is neither a command nor a method; {known}", topics.join(" ")))
        })?;
    }
    let help = found.render_help().to_string();
    let more = if topics.is_empty() { format!("\n{}", methods()) } else { String::new() };
    context::print(format!("{help}{more}").trim_end())
}

/// A line for every method.
fn methods() -> String {
    let line = |info: &Info| format!("  {:<13}{}\n", info.name, info.about);
    format!("Methods (recon help METHOD explains one):\n{}", infos().map(line).collect::<String>())
}

/// A method and its settings, with the program's values for every task.
fn method(info: &Info) -> String {
    let tasks: Vec<&str> = info.tasks.iter().map(|task| task.name()).collect();
    let mut text = format!(
        "{}\n\nMethod {} of recon {}. After {}.\n",
        info.about,
        info.name,
        tasks.join(", recon "),
        info.source
    );
    if info.all_knobs().count() == 0 {
        return text + "\nIt has no settings.\n";
    }
    text += "\nSettings, for --KEY VALUE, --set KEY=VALUE and config files:\n";
    for knob in info.all_knobs() {
        let _ = write!(text, "\n  {:<15}{}\n{:<17}{}", knob.key, knob.help, "", knob.range);
        if let Some(defaults) = defaults(info, knob) {
            let _ = write!(text, "; {defaults}");
        }
        text.push('\n');
    }
    text
}

/// The program's values of a setting: one for all tasks, or one for each; with several samples where that differs.
fn defaults(info: &Info, knob: &Knob) -> Option<String> {
    let values: Vec<(Task, String)> =
        info.tasks.iter().filter_map(|task| Some((*task, value(info, knob, *task)?))).collect();
    let (_, first) = values.first()?;
    if values.iter().all(|(_, value)| value == first) {
        return Some(format!("default {first}"));
    }
    let each: Vec<String> = values.iter().map(|(task, value)| format!("{task} {value}")).collect();
    Some(format!("default {}", each.join(", ")))
}

fn value(info: &Info, knob: &Knob, task: Task) -> Option<String> {
    let spec = Layers::default().resolve(info.name, task, &[]).ok()?;
    let value = spec.table().0.get(knob.key)?.clone();
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_explains_every_setting() {
        for info in infos() {
            let text = method(info);
            assert!(
                info.all_knobs().all(|knob| text.contains(knob.key) && text.contains(knob.help)),
                "{text}"
            );
        }
        assert!(method(find("score").expect("a method")).contains("default ct 40, mri 28, mar 12"));
    }
}
