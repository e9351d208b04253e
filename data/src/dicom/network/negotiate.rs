//! What both sides agree on before anything is said (PS3.8, 7.1; PS3.7, D.3).

use super::Node;
use super::classes::STORED;
use super::error::NetworkError;
use super::link::{LONGEST_PDU, Link};
use crate::quiet::quietly;
use dicom_ul::association::Error;
use dicom_ul::association::server::ServerAssociationOptions;
use dicom_ul::{ClientAssociationOptions, ServerAssociation};
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, channel};

/// The most contexts that an association can have: their numbers are odd and fit into a byte.
pub(super) const MOST_CONTEXTS: usize = 128;
/// Name, connection and answer have to come within so many times the longest wait.
const WAITS: u32 = 3;

/// A service or kind of object that is wanted, and the encodings of which the peer may choose one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Offer {
    pub(super) class: String,
    pub(super) syntaxes: Vec<String>,
    /// Whether it is the peer who sends objects of the class.
    pub(super) receives: bool,
}

impl Offer {
    /// To use a service, or to send objects.
    pub(super) fn using(class: &str, syntaxes: &[&str]) -> Self {
        let syntaxes = syntaxes.iter().map(|&syntax| syntax.to_owned()).collect();
        Self { class: class.to_owned(), syntaxes, receives: false }
    }

    /// To be sent objects.
    pub(super) fn receiving(class: &str, syntaxes: &[&str]) -> Self {
        Self { receives: true, ..Self::using(class, syntaxes) }
    }
}

/// Opens an association.
///
/// # Errors
/// When the peer cannot be reached, does not speak DICOM, or rejects.
pub(super) fn connect<'a>(node: &'a Node, offers: &[Offer]) -> Result<Link<'a>, NetworkError> {
    let (asking, offers) = (node.clone(), offers.to_vec());
    let established = in_time(node, move || options(&asking, &offers).establish(asking.peer.parts()))?;
    Link::new(node, established)
}

/// Lets somebody open an association who has connected to this side, to send objects of any kind.
///
/// # Errors
/// When it does not ask for the AE title of this side, does not speak DICOM, or lets it wait.
pub(super) fn accept(
    node: &Node,
    stream: TcpStream,
) -> Result<Link<'_, ServerAssociation<TcpStream>>, NetworkError> {
    let asked = node.clone();
    let established = in_time(node, move || {
        let options = ServerAssociationOptions::new()
            .accept_called_ae_title()
            .ae_title(asked.calling.as_str())
            .promiscuous(true)
            .max_pdu_length(LONGEST_PDU)
            .read_timeout(asked.timeout)
            .write_timeout(asked.timeout);
        STORED.iter().fold(options, |options, &syntax| options.with_transfer_syntax(syntax)).establish(stream)
    })?;
    Link::new(node, established)
}

/// Opens an association on a thread of its own, which is left alone when a peer keeps it waiting.
fn in_time<A: Send + 'static>(
    node: &Node,
    establish: impl FnOnce() -> Result<A, Error> + Send + 'static,
) -> Result<A, NetworkError> {
    let (sender, receiver) = channel();
    // Without an answer the channel closes, which says that what the peer sent made no sense.
    std::thread::spawn(move || quietly(establish).and_then(|established| sender.send(established).ok()));
    let established = receiver.recv_timeout(WAITS * node.timeout).map_err(|error| match error {
        RecvTimeoutError::Timeout => NetworkError::late(node),
        RecvTimeoutError::Disconnected => NetworkError::nonsense(node, "its answer makes no sense"),
    })?;
    established.map_err(|error| NetworkError::of(node, &error))
}

fn options<'a>(node: &'a Node, offers: &'a [Offer]) -> ClientAssociationOptions<'a> {
    let options = ClientAssociationOptions::new()
        .called_ae_title(node.called.as_str())
        .calling_ae_title(node.calling.as_str())
        .max_pdu_length(LONGEST_PDU)
        .connection_timeout(node.timeout)
        .read_timeout(node.timeout)
        .write_timeout(node.timeout);
    let options = offers.iter().take(MOST_CONTEXTS).fold(options, |options, offer| {
        let syntaxes = offer.syntaxes.iter().map(String::as_str).collect();
        options.with_presentation_context(offer.class.as_str(), syntaxes)
    });
    let mut received: Vec<&str> =
        offers.iter().filter(|offer| offer.receives).map(|offer| offer.class.as_str()).collect();
    received.dedup();
    received.into_iter().fold(options, |options, class| options.with_role_selection(class, false, true))
}
