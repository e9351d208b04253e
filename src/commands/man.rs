//! `recon man`: manual pages, made of the same declarations as the help.

use super::session::context;
use crate::cli::Cli;
use anyhow::{Context as _, Result};
use clap::{Args, Command, CommandFactory};
use recon_data::Overwrite;
use recon_data::atomic::write_bytes;
use std::path::{Path, PathBuf};

/// Arguments of `recon man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Folder for the pages: recon.1, recon-ct.1 and so on.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Overwrite existing files.
    #[arg(long)]
    pub force: bool,
}

/// Runs `recon man`.
///
/// # Errors
/// When the folder cannot be made or a page not be written.
pub fn run(args: &ManArgs) -> Result<()> {
    let folder = &args.folder;
    let failed = || format!("{}: cannot be created; name another folder", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    let mut command = Cli::command();
    command.build();
    let overwrite = if args.force { Overwrite::Force } else { Overwrite::Refuse };
    let count = pages(&command, "", folder, overwrite)?;
    context::print(&format!("{count} pages in {}", folder.display()))
}

/// Writes the page of a command and those of its subcommands, and says how many that were.
fn pages(command: &Command, above: &str, folder: &Path, overwrite: Overwrite) -> Result<usize> {
    let name = if above.is_empty() {
        command.get_name().to_owned()
    } else {
        format!("{above}-{}", command.get_name())
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().name(name.clone())).render(&mut page)?;
    write_bytes(&folder.join(format!("{name}.1")), &page, overwrite)?;
    let shown = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    shown.map(|inner| pages(inner, &name, folder, overwrite)).sum::<Result<usize>>().map(|count| count + 1)
}
