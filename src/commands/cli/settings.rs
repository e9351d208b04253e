//! The options of methods: a few that everybody needs, and one for every setting of any method.

use super::values::not_negative;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use recon::device::DeviceChoice;
use recon::knobs::{Info, Knob};
use recon::settings::{Entry, Layers, Origin, Value, find, infos};
use recon_pipelines::{Refused, Task};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is said about the settings of methods, and where networks run.
#[derive(Clone, Debug, Default)]
pub struct SettingArgs {
    /// Everything that is said.
    pub layers: Layers,
    /// Where networks run.
    pub device: DeviceChoice,
    /// Standard deviation of the noise in the data: one number, but for repeats of one image.
    pub noise_std: Vec<f64>,
}

const HEADING: &str = "Method";
/// Settings as `KEY=VALUE`.
const SET: &str = "set";
/// The same from the tables of the config file that are named after methods.
pub const CONFIGURED: &str = "config-setting";
const DEVICE: &str = "device";
const NOISE: &str = "noise-std";
/// The settings that stand in the help of commands.
const SHOWN: [&str; 3] = ["model", "samples", "steps"];

/// Every setting of any method, once.
fn knobs() -> BTreeMap<&'static str, &'static Knob> {
    infos().flat_map(Info::all_knobs).map(|knob| (knob.key, knob)).collect()
}

/// A method for a task by its name, for `--method`.
pub fn method_of(task: Task) -> impl TypedValueParser<Value = &'static Info> {
    one_of(infos().filter(move |info| info.tasks.contains(&task)))
}

/// Any method by its name.
pub fn any_method() -> impl TypedValueParser<Value = &'static Info> {
    one_of(infos())
}

/// A method by its name that has a network and settings that can be searched for.
pub fn searched_method() -> impl TypedValueParser<Value = &'static Info> {
    one_of(infos().filter(|info| info.learned && info.knobs.iter().any(|knob| knob.search.is_some())))
}

fn one_of(methods: impl Iterator<Item = &'static Info>) -> impl TypedValueParser<Value = &'static Info> {
    let names: PossibleValuesParser = methods.map(possible).collect::<Vec<_>>().into();
    names.try_map(|name: String| find(&name).ok_or_else(|| format!("there is no method {name}")))
}

fn possible(info: &Info) -> clap::builder::PossibleValue {
    clap::builder::PossibleValue::new(info.name).aliases(info.aliases)
}

fn knob_argument(knob: &'static Knob) -> Arg {
    let shown = SHOWN.contains(&knob.key);
    let argument = Arg::new(knob.key)
        .long(knob.key)
        .value_name(if knob.key == "model" {
            "NAME|PATH"
        } else if shown {
            "N"
        } else {
            "VALUE"
        })
        .help(knob.help)
        .hide(!shown)
        .help_heading(HEADING)
        .allow_negative_numbers(true);
    // One variable cannot name the models of all commands.
    if knob.key == "model" { argument } else { argument.env(knob.variable()).hide_env(true) }
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        let command = command.args(knobs().into_values().map(knob_argument));
        let repeated = |name| Arg::new(name).long(name).action(ArgAction::Append).value_name("KEY=VALUE");
        command
            .arg(repeated(SET).help_heading(HEADING).help(
                "Any setting of the method, or METHOD.KEY=VALUE for that method alone; recon help METHOD lists them",
            ))
            .arg(repeated(CONFIGURED).hide(true))
            .arg(
                Arg::new(DEVICE)
                    .long(DEVICE)
                    .value_parser(value_parser!(DeviceChoice))
                    .default_value("auto")
                    .env("RECON_DEVICE")
                    .hide_env(true)
                    .help_heading(HEADING)
                    .help("Where networks run: auto, cpu, cuda or cuda:N"),
            )
            .arg(
                Arg::new(NOISE)
                    .long(NOISE)
                    .value_name("STD")
                    .value_parser(not_negative)
                    .value_delimiter(',')
                    .action(ArgAction::Append)
                    .env("RECON_NOISE_STD")
                    .hide_env(true)
                    .help_heading(HEADING)
                    .help(
                        "Standard deviation of the noise in the data: of line integrals, of the real and the imaginary part \
                         of k-space, or of images to denoise, for all of them or S,S,... for each [default: as counted with \
                         --photons, of images to denoise as they show it, else none]",
                    ),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let refused =
            |error: Refused| clap::Error::raw(clap::error::ErrorKind::ValueValidation, error.to_string());
        Ok(Self {
            layers: layers(matches).map_err(refused)?,
            device: matches.get_one(DEVICE).copied().unwrap_or_default(),
            noise_std: matches.get_many(NOISE).into_iter().flatten().copied().collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The config file, for messages.
fn config_file(matches: &ArgMatches) -> PathBuf {
    let named = matches.try_get_one::<PathBuf>("config").ok().flatten();
    named.cloned().unwrap_or_else(|| PathBuf::from("config file"))
}

fn layers(matches: &ArgMatches) -> Result<Layers, Refused> {
    let mut layers = Layers::default();
    for (key, knob) in knobs() {
        let Some(text) = matches.get_one::<String>(key) else { continue };
        let origin = match matches.value_source(key) {
            Some(ValueSource::EnvVariable) => Origin::Environment(knob.variable()),
            Some(ValueSource::DefaultValue) => Origin::File(config_file(matches).join(key)),
            _ => Origin::Option(format!("--{key}")),
        };
        layers.push(Entry::new(key, Value::Text(text.clone()), origin)?);
    }
    for text in matches.get_many::<String>(CONFIGURED).into_iter().flatten() {
        layers.push(pair(text, |key| Origin::File(config_file(matches).join(key)))?);
    }
    for text in matches.get_many::<String>(SET).into_iter().flatten() {
        layers.push(pair(text, |key| Origin::Option(format!("--set {key}")))?);
    }
    Ok(layers)
}

/// The setting of a text `KEY=VALUE`.
fn pair(text: &str, origin: impl Fn(&str) -> Origin) -> Result<Entry, Refused> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Refused::Usage(format!("--set {text}: give KEY=VALUE, such as sigma-end=0.01")));
    };
    Entry::new(key.trim(), Value::Text(value.trim().to_owned()), origin(key.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Options {
        #[command(flatten)]
        settings: SettingArgs,
    }

    fn said(words: &str) -> Result<Layers, String> {
        let words = std::iter::once("recon").chain(words.split_whitespace());
        Options::try_parse_from(words).map(|options| options.settings.layers).map_err(|e| e.to_string())
    }

    #[test]
    fn a_setting_has_an_option_and_a_key_of_the_same_name() {
        let method = |words: &str| {
            let layers = said(words).expect("settings");
            layers.resolve("score", Task::Ct, &[]).expect("possible").table()
        };
        assert_eq!(method("--sigma-start 0.4"), method("--set sigma-start=0.4"));
        assert_eq!(method("--sigma-start 0.4"), method("--set score.sigma-start=0.4 --set tv.steps=3"));
        assert_ne!(method("--sigma-start 0.4"), method(""));
    }

    #[test]
    fn what_is_not_a_setting_is_refused() {
        assert!(said("--set nonsense=1").is_err_and(|e| e.contains("nonsense")));
        assert!(said("--set steps").is_err_and(|e| e.contains("KEY=VALUE")));
        assert!(said("--set nobody.steps=3").is_err_and(|e| e.contains("nobody")));
    }
}
