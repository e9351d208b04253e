//! C-ECHO: is anybody there?

use super::Node;
use super::classes::{PLAIN, VERIFICATION};
use super::command::{Command, Kind};
use super::error::NetworkError;
use super::negotiate::{Offer, connect};
use super::status::{Outcome, Status};
use std::time::{Duration, Instant};

/// Asks a peer whether it is there; how long it took to connect and to be answered.
///
/// # Errors
/// [`NetworkError::Peer`].
pub fn echo(node: &Node) -> Result<Duration, NetworkError> {
    let begin = Instant::now();
    let mut link = connect(node, &[Offer::using(VERIFICATION, &PLAIN)])?;
    let (context, _) = link.context(VERIFICATION, "verification (C-ECHO)")?;
    let id = link.next_id();
    link.send(context, Command::request(Kind::EchoRequest, VERIFICATION, id, false))?;
    let status = link.answer(Kind::EchoAnswer)?.status();
    let taken = begin.elapsed();
    link.close();
    match status {
        Some(status) if status.outcome() == Outcome::Success => Ok(taken),
        status => Err(NetworkError::refused(node, "the echo", status.unwrap_or(Status::NOT_UNDERSTOOD))),
    }
}
