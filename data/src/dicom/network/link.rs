//! An association, as messages: commands, and the data sets behind them (PS3.8, annex E).

use super::command::Command;
use super::error::NetworkError;
use super::{Node, classes, command::Kind};
use crate::dicom::parse;
use crate::quiet::quietly;
use dicom_object::InMemDicomObject;
use dicom_ul::association::{SyncAssociation, read_pdu_from_wire};
use dicom_ul::pdu::{AbortRQSource, PDataValue, PDataValueType, PresentationContextNegotiated};
use dicom_ul::{ClientAssociation, Pdu};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{IpAddr, TcpStream};
use std::time::Instant;

/// A command has some hundred bytes.
const LONGEST_COMMAND: usize = 1 << 16;
/// An answer of C-FIND has some thousand.
const LONGEST_ANSWER: usize = 1 << 22;
/// A fragment costs this much of the limit beside its bytes, so that empty ones end as well.
const OVERHEAD: usize = 16;
/// The most that is sent at once, whatever the peer would take.
const LARGEST_FRAGMENT: usize = 1 << 17;
/// What a fragment has around its bytes.
const FRAGMENT_HEADER: usize = 6;
/// The longest message that is taken from a peer.
pub(super) const LONGEST_PDU: u32 = 1 << 17;
/// A peer that takes fewer bytes at once than this is not one.
const SMALLEST_PDU: usize = 128;

/// An open association with a peer; this side has asked for it, unless `A` says otherwise.
pub(super) struct Link<'a, A = ClientAssociation<TcpStream>> {
    pub(super) node: &'a Node,
    association: A,
    /// Fragments that came and have not been looked at.
    waiting: VecDeque<PDataValue>,
    /// The number of the last request.
    last: u16,
}

impl<'a, A: SyncAssociation<TcpStream>> Link<'a, A> {
    pub(super) fn new(node: &'a Node, association: A) -> Result<Self, NetworkError> {
        if (association.peer_max_pdu_length() as usize) < SMALLEST_PDU {
            return Err(NetworkError::nonsense(node, "it takes no messages of a useful length"));
        }
        Ok(Self { node, association, waiting: VecDeque::new(), last: 0 })
    }

    /// The contexts that both sides agreed on.
    pub(super) fn contexts(&self) -> &[PresentationContextNegotiated] {
        self.association.presentation_contexts()
    }

    /// The agreed context of a service.
    ///
    /// # Errors
    /// When the peer does not offer it.
    pub(super) fn context(&self, class: &str, service: &str) -> Result<(u8, &'static str), NetworkError> {
        let found = self.contexts().iter().find(|context| context.abstract_syntax == class);
        let missing =
            || NetworkError::new(self.node, format!("does not offer {service}"), "ask an archive that does");
        let context = found.ok_or_else(missing)?;
        let syntax = trimmed(&context.transfer_syntax);
        match classes::PLAIN.into_iter().find(|plain| *plain == syntax) {
            Some(syntax) => Ok((context.id, syntax)),
            None => Err(NetworkError::nonsense(self.node, "it chose an encoding that it was not offered")),
        }
    }

    /// The number of the next request.
    pub(super) fn next_id(&mut self) -> u16 {
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.last
    }

    /// Sends a command.
    pub(super) fn send(&mut self, context: u8, command: Command) -> Result<(), NetworkError> {
        let bytes = command.encoded().ok_or_else(|| unwritable(self.node))?;
        self.fragment(context, (PDataValueType::Command, true), bytes)
    }

    /// Sends a data set from memory.
    pub(super) fn send_object(
        &mut self,
        (context, syntax): (u8, &str),
        object: &InMemDicomObject,
    ) -> Result<(), NetworkError> {
        let bytes = parse::encoded(object, syntax).ok_or_else(|| unwritable(self.node))?;
        let length = bytes.len() as u64;
        self.send_data(context, (&bytes[..], length), |_| unwritable(self.node))
    }

    /// Sends a data set of so many bytes; `unreadable` says what it means that the source ends early or fails.
    pub(super) fn send_data(
        &mut self,
        context: u8,
        (mut source, length): (impl Read, u64),
        unreadable: impl Fn(std::io::Error) -> NetworkError,
    ) -> Result<(), NetworkError> {
        let most = self.association.peer_max_pdu_length() as usize - FRAGMENT_HEADER;
        let most = most.min(LARGEST_FRAGMENT) as u64;
        let mut left = length;
        loop {
            let mut bytes = vec![0; left.min(most) as usize];
            source.read_exact(&mut bytes).map_err(&unreadable)?;
            left -= bytes.len() as u64;
            self.fragment(context, (PDataValueType::Data, left == 0), bytes)?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    fn fragment(
        &mut self,
        context: u8,
        (value_type, is_last): (PDataValueType, bool),
        data: Vec<u8>,
    ) -> Result<(), NetworkError> {
        let value = PDataValue { presentation_context_id: context, value_type, is_last, data };
        let sent = SyncAssociation::send(&mut self.association, &Pdu::PData { data: vec![value] });
        sent.map_err(|error| NetworkError::of(self.node, &error))
    }

    /// The next command, and the context that it is in.
    pub(super) fn command(&mut self) -> Result<(u8, Command), NetworkError> {
        let mut bytes = Vec::new();
        let context = self.collect(&PDataValueType::Command, None, LONGEST_COMMAND as u64, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        let damaged = || NetworkError::nonsense(self.node, "a command makes no sense");
        Ok((context, Command::decoded(&bytes).ok_or_else(damaged)?))
    }

    /// The next command, which has to be of this kind.
    pub(super) fn answer(&mut self, kind: Kind) -> Result<Command, NetworkError> {
        let (_, command) = self.command()?;
        if command.kind() == Some(kind) {
            return Ok(command);
        }
        Err(NetworkError::nonsense(self.node, "it answers something that was not asked"))
    }

    /// The data set behind a command.
    pub(super) fn object(&mut self, context: (u8, &'static str)) -> Result<InMemDicomObject, NetworkError> {
        let mut bytes = Vec::new();
        self.data(context.0, LONGEST_ANSWER as u64, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        let damaged = || NetworkError::nonsense(self.node, "a data set makes no sense");
        parse::decoded(&bytes, context.1).ok_or_else(damaged)
    }

    /// Hands on the bytes of the data set behind a command, of which there may be so many.
    pub(super) fn data(
        &mut self,
        context: u8,
        most: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), NetworkError>,
    ) -> Result<(), NetworkError> {
        self.collect(&PDataValueType::Data, Some(context), most, take).map(|_| ())
    }

    fn collect(
        &mut self,
        kind: &PDataValueType,
        context: Option<u8>,
        most: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), NetworkError>,
    ) -> Result<u8, NetworkError> {
        let mut left = most;
        loop {
            let part = self.next()?;
            let id = part.presentation_context_id;
            if part.value_type != *kind || context.is_some_and(|context| context != id) {
                return Err(NetworkError::nonsense(self.node, "the parts of a message are mixed up"));
            }
            left = left
                .checked_sub((part.data.len() + OVERHEAD) as u64)
                .ok_or_else(|| NetworkError::nonsense(self.node, "a message is too long"))?;
            take(&part.data)?;
            if part.is_last {
                return Ok(id);
            }
        }
    }

    fn next(&mut self) -> Result<PDataValue, NetworkError> {
        self.next_or_end()?.ok_or_else(|| NetworkError::ended(self.node, "ended the association"))
    }

    /// The next part of a message; nothing when the peer is done.
    fn next_or_end(&mut self) -> Result<Option<PDataValue>, NetworkError> {
        loop {
            if let Some(part) = self.waiting.pop_front() {
                return Ok(Some(part));
            }
            match receive(self.node, &mut self.association)? {
                Pdu::PData { data } => self.waiting.extend(data),
                Pdu::AbortRQ { .. } => return Err(NetworkError::ended(self.node, "aborted the association")),
                Pdu::ReleaseRQ => {
                    // It will see that the connection ends, if it does not get this.
                    let _ = SyncAssociation::send(&mut self.association, &Pdu::ReleaseRP);
                    return Ok(None);
                }
                _ => return Err(NetworkError::nonsense(self.node, "a message came out of order")),
            }
        }
    }

    /// The next request of a peer that asks; nothing when it is done.
    pub(super) fn request(&mut self) -> Result<Option<(u8, Command)>, NetworkError> {
        let Some(part) = self.next_or_end()? else { return Ok(None) };
        self.waiting.push_front(part);
        self.command().map(Some)
    }

    /// The address of this side.
    pub(super) fn local(&mut self) -> Option<IpAddr> {
        self.association.inner_stream().local_addr().ok().map(|address| address.ip())
    }

    /// The address of the peer.
    pub(super) fn remote(&mut self) -> Option<IpAddr> {
        self.association.inner_stream().peer_addr().ok().map(|address| address.ip())
    }

    /// Ends the association. All work is done by now, so it does not matter how the peer takes it.
    pub(super) fn close(mut self) {
        if SyncAssociation::send(&mut self.association, &Pdu::ReleaseRQ).is_ok() {
            let _ = receive(self.node, &mut self.association);
        }
    }

    /// Breaks the association off.
    pub(super) fn abort(mut self) {
        let _ = SyncAssociation::send(
            &mut self.association,
            &Pdu::AbortRQ { source: AbortRQSource::ServiceUser },
        );
    }
}

/// A connection that has to bring what is read before an end: a peer that sends byte after byte does not stop it.
struct Until<'a> {
    socket: &'a mut TcpStream,
    end: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(buffer)
    }
}

/// The next message. The parser of messages is the code of others.
fn receive(node: &Node, association: &mut impl SyncAssociation<TcpStream>) -> Result<Pdu, NetworkError> {
    let received = quietly(|| {
        let (socket, buffer) = association.get_mut();
        let end = Instant::now() + node.timeout;
        read_pdu_from_wire(&mut Until { socket, end }, buffer, LONGEST_PDU, true)
    });
    received
        .ok_or_else(|| NetworkError::nonsense(node, "a message makes no sense"))?
        .map_err(|error| NetworkError::of(node, &error))
}

fn unwritable(node: &Node) -> NetworkError {
    NetworkError::new(node, "cannot be sent a value that was asked for", "use plain letters and digits")
}

/// A UID without the padding that some peers send.
pub(super) fn trimmed(uid: &str) -> &str {
    uid.trim_matches(['\0', ' '])
}
