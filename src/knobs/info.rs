//! What there is to know about a method without running it.

use super::{Knob, Range};
use recon_pipelines::Task;

/// A method by its name.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Its name on the command line and in files.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// What it does, in a line.
    pub about: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The acquisitions that it serves.
    pub tasks: &'static [Task],
    /// Its own settings.
    pub knobs: &'static [Knob],
    /// Whether a network is behind it.
    pub learned: bool,
    /// Whether it makes use of what is known of the noise in the data.
    pub noise: bool,
}

/// The settings that all learned methods have.
pub const COMMON: &[Knob] = &[
    Knob::new("model", Range::Text, "Name of a built-in model (ct, mr), or a bundle folder"),
    Knob::new(
        "samples",
        Range::Count(1),
        "Number of posterior samples; with more than 1 their standard deviation is written",
    ),
    Knob::new(
        "estimate",
        Range::Choice(&["mean", "sample", "median"]),
        "The image that represents several samples",
    ),
    Knob::new(
        "widen",
        Range::Positive,
        "Factor on the standard deviation and quantiles of several samples, for errors that all of them share",
    ),
];

/// The key of the number of samples, on which the program's settings of samplers depend.
pub const SAMPLES: &str = "samples";

impl Info {
    /// Its own settings, and those that all learned methods share.
    pub fn all_knobs(&self) -> impl Iterator<Item = &'static Knob> {
        let common: &'static [Knob] = if self.learned { COMMON } else { &[] };
        common.iter().chain(self.knobs)
    }

    /// Its setting of this name.
    pub fn knob(&self, key: &str) -> Option<&'static Knob> {
        self.all_knobs().find(|knob| knob.key == key)
    }

    /// Its name in tables of results of a task.
    pub fn label(&self, task: Task) -> &'static str {
        if self.name == "tv" && task != Task::Mri { "fista-tv" } else { self.name }
    }
}
