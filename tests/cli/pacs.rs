//! `recon pacs` with a real archive, and with none.

use crate::common::Folder;
use crate::common::orthanc::{Orthanc, free_port};
use dicom_core::header::Header as _;
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject, open_file};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// A derived series of three slices in the folder `series`.
fn derived(folder: &Folder) -> PathBuf {
    let stack = crate::common::phantoms(3, 24, 24) * 1500.0 - 1000.0;
    folder.array("scan.npy", stack.view());
    folder.recon("ct scan.npy --unit hu --views 20 --method fbp -o series").assert().success();
    folder.path("series")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn opened(path: &Path) -> DefaultDicomObject {
    open_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn value(object: &InMemDicomObject, tag: dicom_core::Tag) -> String {
    object.element(tag).expect("there").to_str().expect("text").trim_end_matches('\0').to_owned()
}

/// Every element with its value, also in sequences, whose lengths an archive may write otherwise.
fn elements(object: &InMemDicomObject) -> Vec<(dicom_core::Tag, dicom_core::VR, Vec<u8>)> {
    let mut found = Vec::new();
    for element in object {
        let bytes = element.to_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        found.push((element.tag(), element.vr(), bytes));
        found.extend(element.items().unwrap_or_default().iter().flat_map(elements));
    }
    found
}

/// What the program says and its exit code.
fn said(folder: &Folder, form: &str) -> (Option<i32>, String, String) {
    let output = folder.recon(form).output().expect("ran");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_derived_series_goes_to_an_archive_and_comes_back_as_it_was() {
    let Some(orthanc) = Orthanc::start("a_derived_series_goes_to_an_archive", "") else { return };
    let (folder, at) = (Folder::new(), orthanc.address());
    let series = derived(&folder);
    let node = format!("{at} --called-aet ORTHANC");
    let (code, stdout, _) = said(&folder, &format!("pacs echo {node}"));
    assert!(code == Some(0) && stdout.starts_with(&format!("{at}: answers after ")), "{stdout}");
    let (_, nothing, _) = said(&folder, &format!("pacs find {node}"));
    assert_eq!(nothing, "nothing matches\n");

    let (code, _, stderr) = said(&folder, &format!("pacs push {node} series"));
    assert!(code == Some(0) && stderr.contains("stored 3 images"), "{stderr}");

    let first = opened(&files(&series)[0]);
    let (study, of_series) =
        (value(&first, tags::STUDY_INSTANCE_UID), value(&first, tags::SERIES_INSTANCE_UID));
    let (code, stdout, _) = said(&folder, &format!("pacs find {node} --json --modality ct"));
    let found: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(code, Some(0));
    assert_eq!(found[0]["study_uid"], study);
    assert_eq!((&found[0]["images"], &found[0]["patient"]), (&3.into(), &1.into()));
    assert!(!stdout.contains("ANON") && !stdout.contains("description"), "{stdout}");
    let (_, shown, _) = said(&folder, &format!("pacs find {node} --patient-id AN* --show-identifiers"));
    assert!(shown.contains("ANON") && shown.contains(&study), "{shown}");
    let (_, listed, _) = said(&folder, &format!("pacs find {node} --level series --study-uid {study}"));
    assert!(listed.contains(&of_series) && listed.contains("CT"), "{listed}");
    let (_, nothing, _) = said(&folder, &format!("pacs find {node} --modality mr --date 19000101-19001231"));
    assert_eq!(nothing, "nothing matches\n");

    let (code, stdout, stderr) = said(&folder, &format!("pacs pull {node} --study-uid {study} -o back"));
    assert!(code == Some(0) && stderr.contains("3 images of 1 series"), "{stderr}");
    assert_eq!(stdout.trim_end(), Path::new("back").join(&of_series).display().to_string());
    let back = folder.path("back").join(&of_series);
    assert_eq!(files(&back).len(), 3);
    for sent in files(&series) {
        let sent = opened(&sent);
        let came = opened(&back.join(format!("{}.dcm", value(&sent, tags::SOP_INSTANCE_UID))));
        assert!(elements(&sent) == elements(&came), "the whole data set, pixels among it");
        assert_eq!(sent.meta().transfer_syntax(), came.meta().transfer_syntax());
    }
    let form = format!("compare series back/{of_series} --tolerance 0");
    folder.recon(&form).assert().success();

    // What is there is not written over, and one series can be had alone.
    let pull = format!("pacs pull {node} --study-uid {study} --series-uid {of_series}");
    let (code, _, stderr) = said(&folder, &format!("{pull} -o back/{of_series}"));
    assert!(code == Some(5) && stderr.contains("exists already"), "{stderr}");
    folder.recon(&format!("{pull} -o back/{of_series} --force")).assert().success();
    folder.recon(&format!("{pull} -o alone -q")).assert().success().stderr("");
    assert_eq!(files(&folder.path("alone")).len(), 3);
    let (code, _, stderr) = said(&folder, &format!("pacs pull {node} --study-uid 1.2.3 -o none"));
    assert!(code == Some(3) && stderr.contains("has no series that match"), "{stderr}");
    assert!(!folder.path("none").exists());
}

#[test]
fn an_archive_may_send_over_a_connection_of_its_own() {
    let port = free_port();
    let settings = format!(r#","DicomModalities":{{"us":["RECON","127.0.0.1",{port}]}}"#);
    let Some(orthanc) = Orthanc::start("an_archive_may_send", &settings) else { return };
    let (folder, at) = (Folder::new(), orthanc.address());
    let series = derived(&folder);
    let node = format!("{at} --called-aet ORTHANC --timeout 20s");
    folder.recon(&format!("pacs push {node} series")).assert().success();
    let study = value(&opened(&files(&series)[0]), tags::STUDY_INSTANCE_UID);
    let pull = format!("pacs pull {node} --study-uid {study}");
    let (code, stdout, stderr) = said(&folder, &format!("{pull} --listen {port} -o back"));
    assert!(code == Some(0) && stderr.contains("3 images of 1 series"), "{stderr}");
    let back = folder.path(stdout.trim_end());
    for sent in files(&series) {
        let sent = opened(&sent);
        let came = opened(&back.join(format!("{}.dcm", value(&sent, tags::SOP_INSTANCE_UID))));
        assert!(elements(&sent) == elements(&came), "the whole data set, pixels among it");
    }
    // The archive does not know this name, and the port is taken.
    let (code, _, stderr) = said(&folder, &format!("{pull} --listen {port} --calling-aet OTHER -o other"));
    assert!(code == Some(7) && stderr.lines().count() == 1, "{stderr}");
    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("free again");
    let (code, _, stderr) = said(&folder, &format!("{pull} --listen {port} -o taken"));
    assert!(code == Some(7) && stderr.contains(&format!("to port {port} of 127.0.0.1")), "{stderr}");
    assert!(!folder.path("other").exists() && !folder.path("taken").exists());
}

/// A file in another transfer syntax, of another instance.
fn deflated(from: &Path, to: &Path) {
    let mut object = opened(from).into_inner();
    let uid = "2.25.1234567890";
    object.put(dicom_core::DataElement::new(
        tags::SOP_INSTANCE_UID,
        dicom_core::VR::UI,
        dicom_core::PrimitiveValue::from(uid),
    ));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid(uid);
    object.with_meta(meta).expect("complete").write_to_file(to).expect("written");
}

#[test]
fn what_an_archive_refuses_is_counted_with_the_reason() {
    let settings = r#","DeflatedTransferSyntaxAccepted":false"#;
    let Some(orthanc) = Orthanc::start("what_an_archive_refuses", settings) else { return };
    let (folder, at) = (Folder::new(), orthanc.address());
    let series = derived(&folder);
    std::fs::create_dir(folder.path("mixed")).expect("made");
    deflated(&files(&series)[0], &folder.path("mixed/deflated.dcm"));
    std::fs::copy(&files(&series)[1], folder.path("mixed/plain.dcm")).expect("copied");
    let node = format!("{at} --called-aet ORTHANC");
    let (code, _, stderr) = said(&folder, &format!("pacs push {node} mixed"));
    assert_eq!(code, Some(4), "{stderr}");
    let reason =
        "refused 1 images: it does not take objects of class 1.2.840.10008.5.1.4.1.1.2 stored as Deflated";
    assert!(stderr.contains(reason) && stderr.contains("stored 1 images"), "{stderr}");
    assert!(stderr.contains("error: ") && stderr.contains("refused 1 of 2 images; see above"), "{stderr}");
    let (code, _, stderr) = said(&folder, &format!("pacs push {node} mixed/deflated.dcm"));
    assert!(code == Some(7) && stderr.contains("refused all 1 images"), "{stderr}");
    // A name that is not its own.
    let (code, _, stderr) = said(&folder, &format!("pacs echo {at} --called-aet OTHER"));
    assert!(code == Some(7) && stderr.contains("is not called OTHER"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn an_archive_that_knows_nobody_refuses() {
    let settings =
        r#","DicomAlwaysAllowStore":false,"DicomAlwaysAllowFind":false,"DicomAlwaysAllowGet":false"#;
    let settings = settings.to_owned();
    let Some(orthanc) = Orthanc::start("an_archive_that_knows_nobody", &settings) else { return };
    let (folder, at) = (Folder::new(), orthanc.address());
    derived(&folder);
    let node = format!("{at} --called-aet ORTHANC");
    folder.recon(&format!("pacs echo {node}")).assert().success();
    for form in ["push NODE series", "find NODE", "pull NODE --study-uid 1.2.3 -o out"] {
        let (code, _, stderr) = said(&folder, &format!("pacs {}", form.replace("NODE", &node)));
        assert!(code == Some(7) && stderr.contains(&at), "{form}: {code:?} {stderr}");
        assert!(stderr.lines().last().is_some_and(|line| line.starts_with("error: ")), "{form}: {stderr}");
    }
    assert!(!folder.path("out").exists());
}

#[test]
fn without_an_archive_there_is_one_line_and_a_code() {
    let folder = Folder::new();
    folder.bytes("notes.dcm", b"no image");
    let port = free_port();
    let one_line = |form: &str, expected: i32| {
        let (code, stdout, stderr) = said(&folder, form);
        assert_eq!((code, stderr.lines().count()), (Some(expected), 1), "{form}: {stderr}");
        assert!(stdout.is_empty() && stderr.starts_with("error: "), "{form}: {stderr}");
        stderr
    };
    assert!(one_line(&format!("pacs echo 127.0.0.1:{port}"), 7).contains("cannot be reached"));
    assert!(one_line("pacs echo no.such.host.invalid:104", 7).contains("cannot be resolved"));
    for wrong in ["pacs", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":104", "a/b:104"] {
        one_line(&format!("pacs echo {wrong}"), 2);
    }
    one_line(&format!("pacs echo 127.0.0.1:{port} --called-aet SEVENTEEN_LETTERS"), 2);
    one_line(&format!("pacs find 127.0.0.1:{port} --date 2026-01-01"), 2);
    one_line(&format!("pacs pull 127.0.0.1:{port} --study-uid ../.. -o out"), 2);
    one_line(&format!("pacs push 127.0.0.1:{port} notes.dcm"), 3);
    one_line(&format!("pacs push 127.0.0.1:{port} missing"), 3);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("an address");
    assert!(one_line(&format!("pacs echo {silent} --timeout 0.3s"), 7).contains("within 0.3 s"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    assert!(one_line(&format!("pacs find {silent} --timeout 5s"), 7).contains("does not speak DICOM"));
    assert_eq!(folder.names(), ["notes.dcm"]);
}
