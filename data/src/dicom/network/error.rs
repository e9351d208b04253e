//! Why talking to a peer failed.

use super::{Node, status::Status};
use crate::DataError;
use crate::error::whole_chain;
use dicom_ul::association::Error as Association;
use dicom_ul::pdu::{
    AssociationRJServiceUserReason as Reason, AssociationRJSource as Refuser, Pdu, ReadError,
};
use std::error::Error;
use std::io;

/// What went wrong on the network. The message is one line: `HOST:PORT: what is wrong; what to do`.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The peer cannot be reached, refuses, breaks off, or answers what makes no sense.
    #[error("{peer}: {what}; {advice}")]
    Peer {
        /// Its address.
        peer: String,
        /// What is wrong.
        what: String,
        /// What to do about it.
        advice: String,
    },
    /// The peer has nothing that matches.
    #[error("{peer}: has no {what}; {advice}")]
    Nothing {
        /// Its address.
        peer: String,
        /// What was asked for.
        what: String,
        /// What to do about it.
        advice: String,
    },
    /// A file of this machine cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Where the fault can be sought when a connection ends.
const ASK_PEER: &str = "try again, and see the log of the peer";
/// Where it can be sought when something else than DICOM answers.
const CHECK_PORT: &str = "check that the port is the DICOM port of an archive, without TLS";

impl NetworkError {
    pub(super) fn new(node: &Node, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Peer { peer: node.peer.to_string(), what: what.into(), advice: advice.into() }
    }

    /// The peer said something that the protocol does not have at this place.
    pub(super) fn nonsense(node: &Node, what: &str) -> Self {
        Self::new(node, format!("broke the protocol: {what}"), ASK_PEER)
    }

    /// The peer keeps this side waiting.
    pub(super) fn late(node: &Node) -> Self {
        let what = format!("did not answer within {} s", node.timeout.as_secs_f64());
        Self::new(node, what, "check host, port and network, or wait longer with --timeout")
    }

    /// The peer ended the association before its answer.
    pub(super) fn ended(node: &Node, how: &str) -> Self {
        Self::new(node, format!("{how} before it had answered"), ASK_PEER)
    }

    /// The peer answered a request with a status of failure.
    pub(super) fn refused(node: &Node, request: &str, status: Status) -> Self {
        Self::new(node, format!("refused {request}: {status}"), status.advice())
    }

    /// What the association library reports. Its own messages quote what was received, which may name a patient.
    pub(super) fn of(node: &Node, error: &Association) -> Self {
        if let Some(cause) = io_cause(error) {
            return Self::of_io(node, error, cause);
        }
        match error {
            Association::Rejected { association_rj, .. } => rejected(node, &association_rj.source),
            Association::NoAcceptedPresentationContexts { .. } => Self::new(
                node,
                "offers no service that was asked for",
                "ask for a service that it offers, or ask another peer",
            ),
            Association::UnexpectedPdu { pdu, .. } if matches!(**pdu, Pdu::AbortRQ { .. }) => {
                Self::ended(node, "aborted the association")
            }
            Association::ConnectionClosed { .. } => Self::ended(node, "closed the connection"),
            Association::ReceivePdu { source: ReadError::PduTooLarge { .. } } => {
                Self::new(node, "does not speak DICOM, or sends more than was agreed", CHECK_PORT)
            }
            _ => Self::new(node, "does not speak DICOM", CHECK_PORT),
        }
    }

    fn of_io(node: &Node, error: &Association, cause: &io::Error) -> Self {
        let late = matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        match error {
            Association::ToAddress { .. } => {
                Self::new(node, format!("the name cannot be resolved ({cause})"), "check the host")
            }
            _ if late => Self::late(node),
            Association::Connect { .. } => {
                Self::new(node, format!("cannot be reached ({cause})"), "check host and port")
            }
            _ => Self::new(node, format!("broke the connection ({cause})"), ASK_PEER),
        }
    }
}

/// The first error of the operating system among the causes.
fn io_cause(error: &Association) -> Option<&io::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<io::Error>() {
            return Some(found);
        }
        cause = inner.source();
    }
    None
}

fn rejected(node: &Node, refuser: &Refuser) -> NetworkError {
    let Node { called, calling, .. } = node;
    let (what, advice) = match refuser {
        Refuser::ServiceUser(Reason::CalledAETitleNotRecognized) => {
            (format!("is not called {called}"), "give its own AE title with --called-aet".to_owned())
        }
        Refuser::ServiceUser(Reason::CallingAETitleNotRecognized) => (
            format!("does not know the caller {calling}"),
            "register that AE title there, or give one that is with --calling-aet".to_owned(),
        ),
        other => (
            format!("rejected the association ({})", whole(other)),
            "check both AE titles, and try again later".to_owned(),
        ),
    };
    NetworkError::new(node, what, advice)
}

fn whole(refuser: &Refuser) -> String {
    whole_chain(&io::Error::other(refuser.to_string()))
}
