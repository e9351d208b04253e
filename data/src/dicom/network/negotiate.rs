//! What both sides agree on before anything is said (PS3.8, 7.1; PS3.7, D.3).

use super::Node;
use super::error::NetworkError;
use super::link::{LONGEST_PDU, Link};
use crate::dicom::quiet::quietly;
use dicom_ul::association::Error;
use dicom_ul::{ClientAssociation, ClientAssociationOptions};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

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
    let established = established(node.clone(), offers.to_vec());
    let established = established.recv_timeout(WAITS * node.timeout).map_err(|error| match error {
        RecvTimeoutError::Timeout => NetworkError::late(node),
        RecvTimeoutError::Disconnected => NetworkError::nonsense(node, "its answer makes no sense"),
    })?;
    Link::new(node, established.map_err(|error| NetworkError::of(node, &error))?)
}

/// Opens an association on a thread of its own, which is left alone when a peer keeps it waiting.
fn established(node: Node, offers: Vec<Offer>) -> Receiver<Result<ClientAssociation<TcpStream>, Error>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let established = quietly(|| options(&node, &offers).establish(node.peer.parts()));
        // Without an answer the channel closes, which says that the answer of the peer made no sense.
        established.and_then(|established| sender.send(established).ok())
    });
    receiver
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
