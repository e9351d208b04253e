//! `recon pacs pull` and `recon pacs push`: images from an archive and to it.

use super::NodeArgs;
use crate::commands::session::context::{self, tell, warn};
use crate::commands::session::failure::Failure;
use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use recon_data::Overwrite;
use recon_data::network::{self, ModalityCode, Peer, Pushed, Selection, Transfer, Uid};
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `recon pacs pull`.
#[derive(Args, Debug)]
pub struct PullArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    /// The study; recon pacs find lists studies.
    #[arg(long, value_name = "UID")]
    pub study_uid: Uid,
    /// Only this series.
    #[arg(long, value_name = "UID")]
    pub series_uid: Option<Uid>,
    /// Only series of this modality: CT, MR, ...
    #[arg(long, value_name = "CODE")]
    pub modality: Option<ModalityCode>,
    /// Let the archive send to this port of this machine (C-MOVE) instead of over the same connection (C-GET); the archive
    /// has to know this program's AE title, address and port.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Network")]
    pub listen: Option<u16>,
    /// Folder to write to: the files of a series, or a folder for each series of a study.
    #[arg(short, long, value_name = "FOLDER", help_heading = "Output")]
    pub output: PathBuf,
    /// Replace existing folders of DICOM files.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Print errors only.
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

/// Arguments of `recon pacs push`.
#[derive(Args, Debug)]
pub struct PushArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    /// DICOM files, and folders of them.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Print errors only.
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

/// Runs `recon pacs pull`: the folders that were written go to stdout.
///
/// # Errors
/// See [`crate::commands::session::failure`].
pub fn pull(args: &PullArgs) -> Result<()> {
    let (node, begin, bar) = (args.node.node(), Instant::now(), ProgressBar::no_length());
    let selection = Selection {
        study: args.study_uid.clone(),
        series: args.series_uid.clone(),
        modality: args.modality.clone(),
    };
    let overwrite = if args.force { Overwrite::Force } else { Overwrite::Refuse };
    let transfer = args.listen.map_or(Transfer::Get, |port| Transfer::Move { port });
    let to = (args.output.as_path(), overwrite);
    let pulled = network::pull(&node, (&selection, transfer), to, &|done, of| show(&bar, done, of));
    bar.finish_and_clear();
    let pulled = pulled?;
    let folders: Vec<String> = pulled.folders.iter().map(|folder| folder.display().to_string()).collect();
    context::print(&folders.join("\n"))?;
    let (images, series) = (pulled.images, folders.len());
    say(args.quiet, &format!("{}: {images} images of {series} series", node.peer), begin);
    match pulled.missing {
        0 => Ok(()),
        missing => {
            let all = images + missing;
            let message = format!("{}: {missing} of {all} images did not arrive; see its log", node.peer);
            Err(Failure::Cases(message).into())
        }
    }
}

/// Runs `recon pacs push`.
///
/// # Errors
/// See [`crate::commands::session::failure`].
pub fn push(args: &PushArgs) -> Result<()> {
    let (node, begin, bar) = (args.node.node(), Instant::now(), ProgressBar::no_length());
    let pushed = network::push(&node, &args.paths, &|done, of| show(&bar, done, of));
    bar.finish_and_clear();
    let pushed = pushed?;
    for (remark, count) in &pushed.remarks {
        warn(&format!("{}: stored {count} images with a remark: {remark}", node.peer));
    }
    for (reason, count) in &pushed.refused {
        warn(&format!("{}: refused {count} images: {reason}", node.peer));
    }
    say(args.quiet, &format!("{}: stored {} images", node.peer, pushed.stored), begin);
    verdict(&node.peer, &pushed)
}

/// What the shell is told about images that were refused.
fn verdict(peer: &Peer, pushed: &Pushed) -> Result<()> {
    let refused = pushed.refusals();
    let all = refused + pushed.stored;
    match (refused, pushed.stored) {
        (0, _) => Ok(()),
        (_, 0) => Err(Failure::Peer(format!("{peer}: refused all {all} images; see above")).into()),
        _ => Err(Failure::Cases(format!("{peer}: refused {refused} of {all} images; see above")).into()),
    }
}

fn show(bar: &ProgressBar, done: usize, of: usize) {
    bar.set_length(of as u64);
    bar.set_position(done as u64);
}

fn say(quiet: bool, line: &str, begin: Instant) {
    if !quiet {
        tell(&format!("{line} in {:.1} s", begin.elapsed().as_secs_f64()));
    }
}
