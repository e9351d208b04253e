//! Peers that do not answer, break off, or answer what makes no sense: one line, in time, and nothing left behind.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use dicom_ul::association::SyncAssociation;
use dicom_ul::association::server::{AcceptAny, Negotiation, ServerAssociationOptions};
use dicom_ul::pdu::{
    AbortRQSource, AssociationAC, PDataValue, PDataValueType, PresentationContextResult,
    PresentationContextResultReason, RequestorRoles, UserVariableItem, write_pdu,
};
use dicom_ul::{Pdu, ServerAssociation};
use recon_data::Overwrite;
use recon_data::network::{Filter, Finder, NetworkError, Node, Selection, Transfer, echo, pull, push};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(400);
const GET: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET;
const FIND: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;

fn node(port: u16) -> Node {
    Node {
        peer: format!("127.0.0.1:{port}").parse().unwrap(),
        called: "PEER".parse().unwrap(),
        calling: "RECON".parse().unwrap(),
        timeout: WAIT,
    }
}

/// A peer that does `serve` with every connection.
fn peer(serve: impl Fn(TcpStream) + Send + 'static) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    node(port)
}

/// What the user is told, in one line and in time.
fn told<T>(node: &Node, outcome: impl FnOnce(&Node) -> Result<T, NetworkError>) -> String {
    let begin = Instant::now();
    let error = outcome(node).err().expect("a failure").to_string();
    assert!(begin.elapsed() < 10 * WAIT, "{error} after {:?}", begin.elapsed());
    assert!(error.starts_with(&format!("{}: ", node.peer)) && error.lines().count() == 1, "{error}");
    assert!(error.contains("; "), "{error}");
    error
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(told(&node(port), echo).contains("cannot be reached"));
}

#[test]
fn peers_without_an_answer() {
    assert!(told(&peer(drop), echo).contains("connection"));
    assert!(told(&peer(|_| std::thread::sleep(20 * WAIT)), echo).contains("did not answer within 0.4 s"));
}

#[test]
fn a_peer_that_sends_byte_after_byte_is_not_waited_for() {
    let dribble = peer(|mut stream| {
        let _ = stream.write_all(&[2, 0, 0, 0, 200, 0]);
        while stream.write_all(&[0]).is_ok() {
            std::thread::sleep(WAIT / 8);
        }
    });
    assert!(told(&dribble, echo).contains("did not answer"));
}

#[test]
fn peers_that_do_not_speak_dicom() {
    let noise: Vec<u8> = (0..100_000u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut answers = vec![
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"220 mail.example ESMTP\r\n".to_vec(),
        vec![0x15, 3, 3, 0, 2, 2, 70],
        vec![2, 0, 0xff, 0xff, 0xff, 0xff, 0, 1],
        noise.clone(),
    ];
    // Noise behind the head of every kind of message.
    answers.extend((0..9).map(|kind| [&[kind, 0, 0, 0, 1, 0][..], &noise[..400]].concat()));
    for answer in answers {
        let shown = format!("{:?}", &answer[..answer.len().min(12)]);
        let said = told(&peer(move |mut stream| drop(stream.write_all(&answer))), echo);
        assert!(!said.contains("HTTP") && !said.contains("mail"), "{shown}: {said}");
    }
}

/// Accepts everything, also that the other side stores.
struct AcceptRoles;
impl Negotiation for AcceptRoles {
    fn negotiate_roles(&self, _class: &str, scu: bool, scp: bool) -> Option<RequestorRoles> {
        Some(RequestorRoles { scu, scp })
    }
}

type Server = ServerAssociation<TcpStream>;

/// A peer that accepts an association and then does `serve`.
fn archive(serve: impl Fn(Server) + Send + 'static) -> Node {
    peer(move |stream| {
        let options = ServerAssociationOptions::new().promiscuous(true).with_negotiation(AcceptRoles);
        if let Ok(association) = options.ae_access_control(AcceptAny).establish(stream) {
            serve(association);
        }
    })
}

fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn number(tag: Tag, value: u16) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

/// As commands are encoded.
fn implicit(object: &InMemDicomObject) -> Vec<u8> {
    let mut bytes = Vec::new();
    object.write_dataset_with_ts(&mut bytes, &IMPLICIT_VR_LITTLE_ENDIAN.erased()).unwrap();
    bytes
}

/// As data sets are encoded here: it is what is offered first.
fn explicit<const N: usize>(elements: [DataElement<InMemDicomObject>; N]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let object = InMemDicomObject::from_element_iter(elements);
    object.write_dataset_with_ts(&mut bytes, &EXPLICIT_VR_LITTLE_ENDIAN.erased()).unwrap();
    bytes
}

fn command(field: u16, status: u16, data: bool, more: Vec<DataElement<InMemDicomObject>>) -> Vec<u8> {
    let head = [
        number(tags::COMMAND_FIELD, field),
        number(tags::MESSAGE_ID_BEING_RESPONDED_TO, 1),
        number(tags::COMMAND_DATA_SET_TYPE, if data { 1 } else { 0x0101 }),
        number(tags::STATUS, status),
    ];
    implicit(&InMemDicomObject::command_from_element_iter(head.into_iter().chain(more)))
}

/// Sends a message in the context of `class`; whether that went well.
fn say(server: &mut Server, class: &str, kind: PDataValueType, data: Vec<u8>) -> bool {
    let found = server.presentation_contexts().iter().find(|context| context.abstract_syntax == class);
    let presentation_context_id = found.map_or(1, |context| context.id);
    let value = PDataValue { presentation_context_id, value_type: kind, is_last: true, data };
    SyncAssociation::send(server, &Pdu::PData { data: vec![value] }).is_ok()
}

#[test]
fn archives_that_break_off_in_the_middle() {
    let find = |node: &Node| Finder::open(node).and_then(|mut finder| finder.studies(&Filter::default()));
    assert!(told(&archive(drop), echo).contains("before it had answered"));
    let abort = archive(|mut server| {
        let _ = SyncAssociation::receive(&mut server);
        let abort = Pdu::AbortRQ { source: AbortRQSource::ServiceUser };
        let _ = SyncAssociation::send(&mut server, &abort);
    });
    assert!(told(&abort, echo).contains("aborted the association before it had answered"));
    assert!(told(&abort, find).contains("aborted"));
    let release = archive(|mut server| {
        let _ = SyncAssociation::receive(&mut server);
        let _ = SyncAssociation::send(&mut server, &Pdu::ReleaseRQ);
        std::thread::sleep(WAIT);
    });
    assert!(told(&release, find).contains("ended the association"));
    let silent = archive(|server| {
        std::thread::sleep(20 * WAIT);
        drop(server);
    });
    assert!(told(&silent, find).contains("did not answer within 0.4 s"));
}

#[test]
fn answers_that_make_no_sense() {
    let find = |node: &Node| Finder::open(node).and_then(|mut finder| finder.studies(&Filter::default()));
    let garbage: [Vec<u8>; 5] = [
        b"nonsense".to_vec(),
        vec![0; 4000],
        // A length that is not there, and sequences without end.
        vec![0, 0, 0, 1, 0xff, 0xff, 0xff, 0x7f, 1, 2],
        [&[8, 0, 0x15, 0x11][..], &[0xff; 4], &[0xfe, 0xff, 0, 0xe0], &[0xff; 4]].concat().repeat(200),
        command(0x8030, 0, false, Vec::new()),
    ];
    for bytes in garbage {
        let node = archive(move |mut server| {
            let _ = SyncAssociation::receive(&mut server);
            say(&mut server, FIND, PDataValueType::Command, bytes.clone());
            std::thread::sleep(WAIT);
        });
        assert!(told(&node, find).contains("broke the protocol"));
    }
    let refusal = archive(|mut server| {
        let _ = SyncAssociation::receive(&mut server);
        say(&mut server, FIND, PDataValueType::Command, command(0x8020, 0xa700, false, Vec::new()));
        std::thread::sleep(WAIT);
    });
    assert!(told(&refusal, find).contains("(status A700)"));
}

/// A message without end, of parts that hold nothing.
#[test]
fn messages_without_end_are_ended() {
    let node = archive(|mut server| {
        let _ = SyncAssociation::receive(&mut server);
        let empty = PDataValue {
            presentation_context_id: 1,
            value_type: PDataValueType::Command,
            is_last: false,
            data: Vec::new(),
        };
        while SyncAssociation::send(&mut server, &Pdu::PData { data: vec![empty.clone(); 1000] }).is_ok() {}
    });
    assert!(told(&node, echo).contains("too long"));
}

const STUDY: &str = "1.2.3";
const SERIES: &str = "1.2.3.4";

/// An archive of one series of one image, which it says is called `instance` and sends as `data`.
fn one_image(instance: &'static str, class: &'static str, data: Vec<u8>) -> Node {
    archive(move |mut server| {
        let mut asked = 0;
        while let Ok(Pdu::PData { data: parts }) = SyncAssociation::receive(&mut server) {
            let is_data = |part: &PDataValue| part.value_type == PDataValueType::Data && part.is_last;
            if !parts.iter().any(is_data) {
                continue;
            }
            let finds = server.presentation_contexts().iter().any(|context| context.abstract_syntax == FIND);
            let done = if finds {
                asked += 1;
                let (tag, uid) = [(tags::SERIES_INSTANCE_UID, SERIES), (tags::SOP_INSTANCE_UID, "1.2.3.4.5")]
                    [usize::from(asked > 1)];
                let elements =
                    [text(tag, VR::UI, uid), text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE)];
                say(&mut server, FIND, PDataValueType::Command, command(0x8020, 0xff00, true, Vec::new()))
                    && say(&mut server, FIND, PDataValueType::Data, explicit(elements))
                    && say(&mut server, FIND, PDataValueType::Command, command(0x8020, 0, false, Vec::new()))
            } else {
                let about = vec![
                    text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, class),
                    text(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, instance),
                    number(tags::MESSAGE_ID, 1),
                ];
                let ct = uids::CT_IMAGE_STORAGE;
                say(&mut server, ct, PDataValueType::Command, command(1, 0, true, about))
                    && say(&mut server, ct, PDataValueType::Data, data.clone())
                    && SyncAssociation::receive(&mut server).is_ok()
                    && say(&mut server, GET, PDataValueType::Command, command(0x8010, 0, false, Vec::new()))
            };
            if !done {
                return;
            }
        }
    })
}

fn image() -> Vec<u8> {
    explicit([
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4.5"),
    ])
}

#[test]
fn what_an_archive_sends_names_no_file_outside_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("inner").join("series");
    let selection =
        Selection { study: STUDY.parse().unwrap(), series: Some(SERIES.parse().unwrap()), modality: None };
    let fetch =
        |node: &Node| pull(node, (&selection, Transfer::Get), (&output, Overwrite::Refuse), &|_, _| ());
    let ct = uids::CT_IMAGE_STORAGE;
    for (instance, class, data) in [
        ("../../evil", ct, image()),
        ("/tmp/evil", ct, image()),
        ("", ct, image()),
        ("1.2.3.4.5", uids::MR_IMAGE_STORAGE, image()),
        ("1.2.3.4.5", ct, b"\x08\0\x05\0CS\xf0\xffAB".to_vec()),
    ] {
        let said = told(&one_image(instance, class, data), fetch);
        assert!(said.contains("sent none of the 1 images"), "{said}");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let pulled = fetch(&one_image("1.2.3.4.5", ct, image())).unwrap();
    assert_eq!((pulled.images, pulled.missing), (1, 0));
    let file = std::fs::read(output.join("1.2.3.4.5.dcm")).unwrap();
    assert!(file.ends_with(&image()) && file[128..132] == *b"DICM");
    // And again: it is there.
    let error = fetch(&one_image("1.2.3.4.5", ct, image())).unwrap_err();
    assert!(matches!(error, NetworkError::Data(_)) && error.to_string().contains("exists already"));
}

#[test]
fn what_is_not_dicom_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no image").unwrap();
    let unreachable = node(1);
    for path in [folder.path().to_owned(), folder.path().join("notes.txt"), folder.path().join("none")] {
        let error = push(&unreachable, &[path], &|_, _| ()).unwrap_err();
        assert!(matches!(error, NetworkError::Data(_)), "{error}");
    }
}

/// Reads what a peer is sent until it ends.
#[test]
fn nothing_but_an_association_request_is_sent_to_a_stranger() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let node = peer(move |mut stream| {
        let mut seen = vec![0; 4096];
        let length = stream.read(&mut seen).unwrap_or(0);
        seen.truncate(length);
        let _ = sender.send(seen);
    });
    told(&node, echo);
    let seen = receiver.recv_timeout(WAIT).unwrap();
    assert_eq!(seen[0], 1);
    assert!(seen.windows(5).any(|part| part == b"RECON"));
}

/// A conversation that goes well, with every byte of the peer's part damaged in turn.
#[test]
fn damaged_conversations_end() {
    let accepted = Pdu::AssociationAC(AssociationAC {
        protocol_version: 1,
        calling_ae_title: "RECON".into(),
        called_ae_title: "PEER".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: vec![PresentationContextResult {
            id: 1,
            reason: PresentationContextResultReason::Acceptance,
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN.into(),
        }],
        user_variables: vec![
            UserVariableItem::MaxLength(16384),
            UserVariableItem::ImplementationClassUID("1.2.3".into()),
            UserVariableItem::ImplementationVersionName("PEER".into()),
        ],
    });
    let answer = PDataValue {
        presentation_context_id: 1,
        value_type: PDataValueType::Command,
        is_last: true,
        data: command(0x8030, 0, false, Vec::new()),
    };
    let mut conversation = Vec::new();
    for pdu in [accepted, Pdu::PData { data: vec![answer] }, Pdu::ReleaseRP] {
        write_pdu(&mut conversation, &pdu).unwrap();
    }
    let outcome = |damaged: Vec<u8>| {
        let node = peer(move |mut stream| {
            let _ = stream.write_all(&damaged);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let begin = Instant::now();
        let outcome = echo(&node);
        assert!(begin.elapsed() < 10 * WAIT);
        outcome.map_err(|error| error.to_string())
    };
    outcome(conversation.clone()).unwrap();
    let mut failures = 0;
    for at in 0..conversation.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = conversation.clone();
            damaged[at] ^= flip;
            if let Err(error) = outcome(damaged) {
                assert!(error.starts_with("127.0.0.1:") && error.lines().count() == 1, "{at}: {error}");
                failures += 1;
            }
        }
    }
    assert!(failures > conversation.len());
}
