//! C-STORE: sending images to an archive (PS3.4, annex B).

use super::classes::{PLAIN, VERIFICATION};
use super::command::{Command, Kind};
use super::error::NetworkError;
use super::file::Outgoing;
use super::link::{Link, trimmed};
use super::negotiate::{MOST_CONTEXTS, Offer, connect};
use super::outgoing::collect;
use super::status::{Outcome, Status};
use super::{Listener, Node};
use crate::dicom::pixels::syntax_name;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What came of sending images.
#[derive(Clone, Debug, Default)]
pub struct Pushed {
    /// How many the peer has stored.
    pub stored: usize,
    /// How many of these it has stored with a remark, by remark.
    pub remarks: BTreeMap<String, usize>,
    /// How many it has refused, by reason.
    pub refused: BTreeMap<String, usize>,
}

impl Pushed {
    /// How many were refused.
    pub fn refusals(&self) -> usize {
        self.refused.values().sum()
    }

    fn done(&self) -> usize {
        self.stored + self.refusals()
    }

    fn refuse(&mut self, reason: String) {
        *self.refused.entry(reason).or_default() += 1;
    }
}

/// Sends DICOM files, and those in folders, as they are: nothing is decoded, transcoded or changed.
///
/// Every encoding is proposed for itself; what the peer does not take is counted with the reason and the rest is sent.
///
/// # Errors
/// [`NetworkError::Data`] when a file is not DICOM, before anything is sent; [`NetworkError::Peer`] when the peer cannot
/// be reached or breaks off, with how many it had stored.
pub fn push(node: &Node, paths: &[PathBuf], listen: Listener<'_>) -> Result<Pushed, NetworkError> {
    let files = collect(paths)?;
    let mut pushed = Pushed::default();
    for batch in batches(&files) {
        send(node, &batch, &mut pushed, &|done| listen(done, files.len()))
            .map_err(|error| after(error, pushed.stored, files.len()))?;
    }
    Ok(pushed)
}

/// An offer for each kind of file.
fn offer(file: &Outgoing) -> Offer {
    Offer::using(file.class.as_str(), &[&file.syntax])
}

/// Files that fit into one association each; nearly always all of them.
fn batches(files: &[Outgoing]) -> Vec<Vec<&Outgoing>> {
    let kinds: Vec<Offer> = files.iter().map(offer).collect::<BTreeSet<_>>().into_iter().collect();
    let of_kinds = |kinds: &[Offer]| files.iter().filter(|file| kinds.contains(&offer(file))).collect();
    kinds.chunks(MOST_CONTEXTS - 1).map(of_kinds).collect()
}

fn send(
    node: &Node,
    files: &[&Outgoing],
    pushed: &mut Pushed,
    listen: &dyn Fn(usize),
) -> Result<(), NetworkError> {
    let mut offers: BTreeSet<Offer> = files.iter().map(|file| offer(file)).collect();
    // An association needs something that the peer takes, so that it can be counted what it does not.
    offers.insert(Offer::using(VERIFICATION, &PLAIN));
    let offers: Vec<Offer> = offers.into_iter().collect();
    let mut link = connect(node, &offers)?;
    for file in files {
        match context(&link, file) {
            Some(context) => store(&mut link, context, file, pushed)?,
            None => pushed.refuse(not_taken(file)),
        }
        listen(pushed.done());
    }
    link.close();
    Ok(())
}

fn context(link: &Link<'_>, file: &Outgoing) -> Option<u8> {
    let fits = |class: &str, syntax: &str| class == file.class.as_str() && trimmed(syntax) == file.syntax;
    link.contexts().iter().find(|c| fits(&c.abstract_syntax, &c.transfer_syntax)).map(|c| c.id)
}

fn not_taken(file: &Outgoing) -> String {
    format!("it does not take objects of class {} stored as {}", file.class, syntax_name(&file.syntax))
}

fn store(link: &mut Link<'_>, context: u8, file: &Outgoing, pushed: &mut Pushed) -> Result<(), NetworkError> {
    let (source, length) = file.data_set()?;
    let id = link.next_id();
    link.send(context, Command::store(file.class.as_str(), file.instance.as_str(), id))?;
    let unreadable = |source| crate::DataError::unreadable(&file.path, source).into();
    link.send_data(context, (source, length), unreadable)?;
    let status = link.answer(Kind::StoreAnswer)?.status().unwrap_or(Status::NOT_UNDERSTOOD);
    match status.outcome() {
        Outcome::Success => pushed.stored += 1,
        Outcome::Warning => {
            pushed.stored += 1;
            *pushed.remarks.entry(status.to_string()).or_default() += 1;
        }
        Outcome::Pending | Outcome::Failure => pushed.refuse(status.to_string()),
    }
    Ok(())
}

/// The error with how far it had come.
fn after(error: NetworkError, stored: usize, of: usize) -> NetworkError {
    match error {
        NetworkError::Peer { peer, what, advice } if stored > 0 => {
            let what = format!("{what}, after {stored} of {of} images were stored");
            NetworkError::Peer { peer, what, advice }
        }
        other => other,
    }
}
