//! A DICOM archive for tests: Orthanc, where it is installed.

use super::Folder;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
/// Where packages put it; not every user has the second in the path.
const PLACES: [&str; 2] = ["Orthanc", "/usr/sbin/Orthanc"];

/// A running Orthanc, which ends with the test.
pub(crate) struct Orthanc {
    child: Child,
    port: u16,
    _folder: Folder,
}

impl Orthanc {
    /// Starts one in a folder of its own, with `settings` more in its configuration (JSON members, each with a comma in
    /// front); none, and a line past the harness's capture, where it is not installed.
    pub(crate) fn start(test: &str, settings: &str) -> Option<Self> {
        let folder = Folder::new();
        let (port, http) = (free_port(), free_port());
        let storage = folder.path("storage").display().to_string();
        let configuration = format!(
            r#"{{"Name":"test","StorageDirectory":"{storage}","IndexDirectory":"{storage}","Plugins":[],
            "HttpServerEnabled":false,"HttpPort":{http},"RemoteAccessAllowed":false,"AuthenticationEnabled":false,
            "DicomAet":"ORTHANC","DicomPort":{port},"DicomCheckCalledAet":true,"DicomAlwaysAllowEcho":true,
            "DicomAlwaysAllowStore":true,"DicomAlwaysAllowFind":true,"DicomAlwaysAllowGet":true{settings}}}"#
        );
        let file = folder.bytes("orthanc.json", configuration.as_bytes());
        let Some(child) = PLACES.iter().find_map(|place| spawn(place, &file)) else {
            let _ = writeln!(std::io::stderr(), "skipped: {test}: Orthanc is not installed");
            return None;
        };
        let mut orthanc = Self { child, port, _folder: folder };
        orthanc.wait();
        Some(orthanc)
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.child.try_wait().expect("a process").is_none(), "Orthanc ended");
            assert!(begin.elapsed() < START, "Orthanc does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &str, configuration: &Path) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg(configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().ok()
}

/// A port that nobody uses at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
