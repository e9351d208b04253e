//! `recon pacs`: an archive on the DICOM network.

mod find;
mod transfer;

use super::cli::values::duration;
use super::session::context;
use anyhow::Result;
use clap::{Args, Subcommand};
use find::FindArgs;
use recon_data::network::{AeTitle, Node, Peer, echo};
use std::time::Duration;
use transfer::{PullArgs, PushArgs};

/// Find, fetch and send images in a DICOM archive (PACS). Connections are not encrypted; docs/pacs.md has a tunnel.
#[derive(Args, Debug)]
pub struct PacsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: PacsAction,
}

/// What `recon pacs` can do.
#[derive(Subcommand, Debug)]
pub enum PacsAction {
    /// Ask whether an archive answers (C-ECHO).
    Echo(EchoArgs),
    /// List studies or series (C-FIND); patients are numbered unless --show-identifiers is given.
    Find(Box<FindArgs>),
    /// Fetch a study or a series into a folder (C-GET, or C-MOVE).
    Pull(Box<PullArgs>),
    /// Send files and folders, as they are stored (C-STORE).
    Push(Box<PushArgs>),
}

/// Arguments of `recon pacs echo`.
#[derive(Args, Debug)]
pub struct EchoArgs {
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Where the archive is, and how to talk to it.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// Address of the archive.
    #[arg(value_name = "HOST:PORT")]
    pub peer: Peer,
    /// AE title of the archive.
    #[arg(long, value_name = "AET", default_value = "ANY-SCP", help_heading = "Network")]
    pub called_aet: AeTitle,
    /// AE title of this program; an archive may answer only titles that it knows.
    #[arg(long, value_name = "AET", default_value = "RECON", help_heading = "Network")]
    pub calling_aet: AeTitle,
    /// Longest wait for a connection, and for the next part of an answer.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s", help_heading = "Network")]
    pub timeout: Duration,
}

impl NodeArgs {
    fn node(&self) -> Node {
        let Self { peer, called_aet, calling_aet, timeout } = self.clone();
        Node { peer, called: called_aet, calling: calling_aet, timeout }
    }
}

/// Runs `recon pacs`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &PacsArgs) -> Result<()> {
    match &args.action {
        PacsAction::Echo(args) => {
            let node = args.node.node();
            let taken = echo(&node)?;
            context::print(&format!("{}: answers after {:.0} ms", node.peer, 1e3 * taken.as_secs_f64()))
        }
        PacsAction::Find(args) => find::run(args),
        PacsAction::Pull(args) => transfer::pull(args),
        PacsAction::Push(args) => transfer::push(args),
    }
}
