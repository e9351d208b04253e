//! C-GET: the archive sends images over the association that asks for them.

use super::Node;
use super::classes::{COMMON, PLAIN, STORED, STUDY_GET};
use super::command::{Command, Kind};
use super::error::NetworkError;
use super::incoming::receive;
use super::link::Link;
use super::negotiate::{MOST_CONTEXTS, Offer, connect};
use super::pull::{Fetched, Route, Wanted, keys};
use super::status::{Outcome, Status};
use std::collections::BTreeSet;
use std::path::Path;

/// More images than any series has.
const MOST_IMAGES: usize = 1 << 20;
/// What the service is called in messages.
const SERVICE: &str = "fetching over the same connection (C-GET); --listen asks by C-MOVE";

/// An association for C-GET.
pub(super) struct Get<'a> {
    link: Link<'a>,
}

impl<'a> Get<'a> {
    /// Opens the association, ready for the kinds of images that are wanted.
    ///
    /// # Errors
    /// [`NetworkError::Peer`].
    pub(super) fn open(node: &'a Node, wanted: &[Wanted]) -> Result<Self, NetworkError> {
        Ok(Self { link: connect(node, &offers(wanted))? })
    }
}

impl Route for Get<'_> {
    fn fetch(
        &mut self,
        wanted: &Wanted,
        folder: &Path,
        arrived: &(dyn Fn(usize) + Sync),
    ) -> Result<Fetched, NetworkError> {
        let context = self.link.context(STUDY_GET, SERVICE)?;
        let id = self.link.next_id();
        self.link.send(context.0, Command::request(Kind::GetRequest, STUDY_GET, id, true))?;
        self.link.send_object(context, &keys(wanted))?;
        take(&mut self.link, context, folder, arrived)
    }

    fn close(self: Box<Self>) {
        self.link.close();
    }

    fn abort(self: Box<Self>) {
        self.link.abort();
    }
}

/// The service, and every kind of image in every encoding for itself, so that each comes as it is stored.
fn offers(wanted: &[Wanted]) -> Vec<Offer> {
    let mut classes: BTreeSet<&str> =
        wanted.iter().flat_map(|series| &series.classes).map(String::as_str).collect();
    // An archive may not say what it has.
    if wanted.iter().any(|series| series.classes.is_empty()) {
        classes.extend(COMMON);
    }
    let apart = classes.len() * STORED.len() < MOST_CONTEXTS;
    let of_class = |class: &str| match apart {
        true => STORED.iter().map(|&syntax| Offer::receiving(class, &[syntax])).collect(),
        false => vec![Offer::receiving(class, &STORED)],
    };
    let service = Offer::using(STUDY_GET, &PLAIN);
    std::iter::once(service).chain(classes.iter().flat_map(|class| of_class(class))).collect()
}

/// Takes images until the archive says that it is done.
fn take(
    link: &mut Link<'_>,
    asked: (u8, &'static str),
    folder: &Path,
    arrived: &dyn Fn(usize),
) -> Result<Fetched, NetworkError> {
    let mut images = 0;
    for _ in 0..2 * MOST_IMAGES {
        let (context, command) = link.command()?;
        match command.kind() {
            Some(Kind::StoreRequest) => {
                images += usize::from(receive(link, (context, &command), folder)?);
                arrived(images);
            }
            Some(Kind::GetAnswer) => {
                if let Some(failed) = ended(link, asked, &command)? {
                    return Ok(Fetched { images, failed });
                }
            }
            _ => return Err(NetworkError::nonsense(link.node, "it answers something that was not asked")),
        }
    }
    Err(NetworkError::nonsense(link.node, "it never stops sending"))
}

/// How many images the archive could not send, once it is done; nothing while it goes on.
///
/// # Errors
/// [`NetworkError::Peer`] when it refuses the request.
pub(super) fn ended(
    link: &mut Link<'_>,
    context: (u8, &'static str),
    answer: &Command,
) -> Result<Option<usize>, NetworkError> {
    if answer.has_data() {
        // The names of images that failed.
        link.object(context)?;
    }
    let status = answer.status().unwrap_or(Status::NOT_UNDERSTOOD);
    match status.outcome() {
        Outcome::Pending => Ok(None),
        // Without images that failed it is the request that did.
        Outcome::Failure if answer.failed() == 0 => {
            Err(NetworkError::refused(link.node, "to send the series", status))
        }
        _ => Ok(Some(answer.failed())),
    }
}
