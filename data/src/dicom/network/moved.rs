//! C-MOVE: the archive opens a connection to this machine and sends images over that.

use super::Node;
use super::classes::{PLAIN, STUDY_MOVE, VERIFICATION};
use super::command::{Command, Kind};
use super::error::NetworkError;
use super::get::ended;
use super::incoming::receive;
use super::link::Link;
use super::negotiate::{Offer, accept, connect};
use super::pull::{Fetched, Route, Wanted, keys};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How often it is looked whether somebody connects.
const PAUSE: Duration = Duration::from_millis(20);
/// What the service is called in messages.
const SERVICE: &str = "sending to another connection (C-MOVE)";

/// An association for C-MOVE, and the port that the archive sends to.
pub(super) struct Move<'a> {
    link: Link<'a>,
    listener: TcpListener,
}

/// What the two sides of a move know of one another.
#[derive(Default)]
struct Shared {
    /// How many images have come.
    images: AtomicUsize,
    /// Whether the archive says that it is done.
    done: AtomicBool,
}

impl<'a> Move<'a> {
    /// Opens the association, and the port on the address that the archive is reached from.
    ///
    /// # Errors
    /// [`NetworkError::Peer`], also when the port is taken.
    pub(super) fn open(node: &'a Node, port: u16) -> Result<Self, NetworkError> {
        let mut link =
            connect(node, &[Offer::using(STUDY_MOVE, &PLAIN), Offer::using(VERIFICATION, &PLAIN)])?;
        let local = link.local().ok_or_else(|| NetworkError::ended(node, "closed the connection"))?;
        let taken = |error| {
            NetworkError::new(
                node,
                format!("cannot send to port {port} of {local} ({error})"),
                "choose another",
            )
        };
        let listener = TcpListener::bind((local, port)).map_err(taken)?;
        listener.set_nonblocking(true).map_err(taken)?;
        Ok(Self { link, listener })
    }

    /// Waits until the archive says that it is done; how many images it could not send.
    fn wait(&mut self, context: (u8, &'static str)) -> Result<usize, NetworkError> {
        loop {
            let answer = self.link.answer(Kind::MoveAnswer)?;
            if let Some(failed) = ended(&mut self.link, context, &answer)? {
                return Ok(failed);
            }
        }
    }
}

impl Route for Move<'_> {
    fn fetch(
        &mut self,
        wanted: &Wanted,
        folder: &Path,
        arrived: &(dyn Fn(usize) + Sync),
    ) -> Result<Fetched, NetworkError> {
        let node = self.link.node;
        let context = self.link.context(STUDY_MOVE, SERVICE)?;
        let id = self.link.next_id();
        let archive = self.link.remote();
        let (listener, shared) = (self.listener.try_clone(), Shared::default());
        let listener = listener.map_err(|error| NetworkError::new(node, error.to_string(), "try again"))?;
        self.link.send(context.0, Command::moving(STUDY_MOVE, node.calling.as_str(), id))?;
        self.link.send_object(context, &keys(wanted))?;
        std::thread::scope(|scope| {
            let receiving = scope.spawn(|| -> Result<(), NetworkError> {
                while let Some(stream) = next(&listener, &shared) {
                    // Nobody but the archive has anything to send here.
                    if stream.peer_addr().ok().map(|address| address.ip()) == archive {
                        serve(node, stream, folder, (&shared, arrived))?;
                    }
                }
                Ok(())
            });
            let failed = self.wait(context);
            shared.done.store(true, Ordering::SeqCst);
            // A full disk is the cause of whatever the archive says after it.
            receiving.join().unwrap_or(Ok(()))?;
            let failed = failed?;
            Ok(Fetched { images: shared.images.load(Ordering::SeqCst), failed })
        })
    }

    fn close(self: Box<Self>) {
        self.link.close();
    }

    fn abort(self: Box<Self>) {
        self.link.abort();
    }
}

/// The next connection; none once the archive is done.
fn next(listener: &TcpListener, shared: &Shared) -> Option<TcpStream> {
    loop {
        // Looked at first, so that what was connected before the end is served.
        let done = shared.done.load(Ordering::SeqCst);
        match listener.accept() {
            Ok((stream, _)) if stream.set_nonblocking(false).is_ok() => return Some(stream),
            _ if done => return None,
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// Takes images from a connection until it ends. How it ends matters to nobody: the archive says what it could not send.
///
/// # Errors
/// [`NetworkError::Data`] when a file cannot be written.
fn serve(
    node: &Node,
    stream: TcpStream,
    folder: &Path,
    (shared, arrived): (&Shared, &(dyn Fn(usize) + Sync)),
) -> Result<(), NetworkError> {
    let Ok(mut link) = accept(node, stream) else { return Ok(()) };
    while let Ok(Some((context, command))) = link.request() {
        let answered = match command.kind() {
            Some(Kind::StoreRequest) => receive(&mut link, (context, &command), folder),
            Some(Kind::EchoRequest) => link.send(context, command.echoed()).map(|()| false),
            _ => return Ok(()),
        };
        match answered {
            Ok(true) => arrived(1 + shared.images.fetch_add(1, Ordering::SeqCst)),
            Ok(false) => {}
            Err(error @ NetworkError::Data(_)) => return Err(error),
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}
