//! What a file, a disk, a terminal or a neighbour may do to the program.
#![cfg(unix)]

use super::common::{Folder, phantom, recon};
use ndarray::Array2;
use recon_data::{Geometry, Modality, Overwrite, Provenance, Source, Unit, Volume, write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn program() -> Command {
    Command::new(recon("").get_program())
}

fn image(folder: &Folder) {
    folder.array("i.npy", phantom(24, 24, 0.0).view());
}

/// What a command ends with, and says on stderr.
fn ends(folder: &Folder, arguments: &str) -> (i32, String) {
    let output = folder.recon(arguments).output().expect("started");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// One line, of an error with this code.
fn refused(folder: &Folder, arguments: &str, code: i32) -> String {
    let (found, said) = ends(folder, arguments);
    assert_eq!(found, code, "{arguments}: {said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{arguments}: {said}");
    said
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("started").success());
}

#[test]
fn names_that_are_not_text_are_names() {
    let folder = Folder::new();
    image(&folder);
    let odd = folder.path("").join(std::ffi::OsStr::from_bytes(b"n\xff.npy"));
    std::fs::copy(folder.path("i.npy"), &odd).expect("copied");
    let mut command = folder.recon("ct --views 5 --method fbp -q -o");
    let done =
        command.arg(folder.path("").join(std::ffi::OsStr::from_bytes(b"o\xfe.npy"))).arg(&odd).output();
    assert!(done.expect("started").status.success());
    assert!(folder.path("").join(std::ffi::OsStr::from_bytes(b"o\xfe.npy")).exists());
    let sidecar = std::fs::read_to_string(folder.path("o\u{fffd}.json")).expect("written");
    assert!(sidecar.contains("n\u{fffd}.npy"));
}

#[test]
fn messages_that_cannot_be_written_cost_nothing() {
    let folder = Folder::new();
    image(&folder);
    for arguments in ["ct i.npy --views 5 --method fbp -o a.npy", "mri i.npy --method zero-filled -o b.npy"] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
        let mut command = program();
        command.current_dir(folder.path("")).args(arguments.split(' ')).stderr(full).stdout(Stdio::null());
        assert!(command.status().expect("started").success(), "{arguments}");
    }
    assert!(folder.path("a.npy").exists() && folder.path("b.json").exists());
}

#[test]
fn what_is_not_a_file_is_refused_at_once() {
    let folder = Folder::new();
    image(&folder);
    for name in ["p.npy", "p.toml", "p.pth"] {
        pipe(&folder.path(name));
    }
    std::os::unix::fs::symlink(folder.path("loop.npy"), folder.path("loop.npy")).expect("made");
    refused(&folder, "info p.npy", 3);
    refused(&folder, "info loop.npy", 3);
    refused(&folder, "ct p.npy -o o.npy", 3);
    refused(&folder, "ct i.npy --config p.toml -o o.npy", 3);
    refused(&folder, "run p.toml", 3);
    refused(&folder, "info /dev/zero", 3);
    folder.bytes("arch.toml", b"x = 1");
    refused(&folder, "model import p.pth --arch arch.toml -o bundle", 3);
    refused(&folder, "model import i.npy --arch p.toml -o bundle", 3);
}

#[test]
fn a_count_of_threads_beyond_the_machine_starts_none() {
    let folder = Folder::new();
    image(&folder);
    refused(&folder, "ct i.npy --method fbp --threads 1000000 -o o.npy", 2);
    let mut command = folder.recon("ct i.npy --method fbp -q -o o.npy");
    assert!(command.env("SLURM_CPUS_PER_TASK", "1000000").output().expect("started").status.success());
}

#[test]
fn texts_of_files_command_no_terminal() {
    let folder = Folder::new();
    folder.bytes("bad.toml", b"a = \"\x1b]0;title\x07\x1b[2J\n\xc2\x9b");
    image(&folder);
    for arguments in
        ["ct i.npy --config bad.toml -o o.npy", "run bad.toml", "model import i.npy --arch bad.toml -o b"]
    {
        let said = refused(&folder, arguments, 3);
        assert!(!said.trim_end().chars().any(char::is_control), "{said:?}");
    }
    std::fs::create_dir(folder.path("bundle")).expect("made");
    let card = recon_data::weights::CT.manifest.replacen(
        "summary = \"",
        "summary = \"\\u001b[31m\\nerror: forged ",
        1,
    );
    folder.bytes("bundle/manifest.toml", card.as_bytes());
    let output = folder.recon("model info bundle").output().expect("started");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        !text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("error: forged")),
        "{text}"
    );
    let long = format!("\"{}\" = 1", "x".repeat(500_000));
    folder.bytes("long.toml", long.as_bytes());
    assert!(refused(&folder, "ct i.npy --config long.toml -o o.npy", 2).len() < 1200);
}

#[test]
fn new_folders_are_as_private_as_the_user_has_them() {
    let folder = Folder::new();
    image(&folder);
    std::fs::set_permissions(folder.path(""), PermissionsExt::from_mode(0o777)).expect("set");
    for (mask, mode) in [("077", 0o700), ("022", 0o755), ("027", 0o750)] {
        let binary = program().get_program().to_string_lossy().into_owned();
        let line = format!("umask {mask}; {binary} ct i.npy --unit hu --method fbp -q -o d{mask}");
        let status = Command::new("sh").args(["-c", &line]).current_dir(folder.path("")).status();
        assert!(status.expect("started").success());
        let found = folder.path(&format!("d{mask}")).metadata().expect("made").permissions().mode() & 0o777;
        assert_eq!(found, mode, "umask {mask}");
    }
}

#[test]
fn signals_end_a_slice_within_two_seconds() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let folder = Folder::new();
        folder.array("large.npy", phantom(384, 384, 0.0).view());
        let mut command = program();
        command.current_dir(folder.path("")).stderr(Stdio::null());
        let mut child =
            command.args("ct large.npy --views 60 -o o.npy --threads 1".split(' ')).spawn().expect("started");
        std::thread::sleep(Duration::from_secs(4));
        assert!(child.try_wait().expect("a child").is_none(), "the slice is done already");
        let begin = Instant::now();
        let kill = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(kill.expect("started").success());
        let status = child.wait().expect("a child");
        assert_eq!(status.code(), Some(code), "{signal}");
        assert!(begin.elapsed() < Duration::from_millis(2500), "{signal}: {:?}", begin.elapsed());
        assert!(!folder.path("o.npy").exists());
    }
}

#[test]
fn a_disk_that_is_full_is_not_the_fault_of_an_input() {
    let folder = Folder::new();
    image(&folder);
    // A limit on the size of files ends a write as a full disk does.
    let binary = program().get_program().to_string_lossy().into_owned();
    folder.array("big.npy", Array2::<f32>::ones((600, 600)).view());
    let line =
        format!("trap '' XFSZ; ulimit -f 1000; {binary} ct big.npy --views 2 --method fbp -q -o o.npy");
    let output =
        Command::new("sh").args(["-c", &line]).current_dir(folder.path("")).output().expect("started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("free space") && !folder.path("o.npy").exists(), "{said}");
}

#[test]
fn an_input_is_never_an_output() {
    let folder = Folder::new();
    image(&folder);
    let before = std::fs::read(folder.path("i.npy")).expect("there");
    refused(&folder, "ct i.npy --method fbp -o i.npy --force", 2);
    std::os::unix::fs::symlink(folder.path("i.npy"), folder.path("other.npy")).expect("made");
    refused(&folder, "ct i.npy --method fbp -o other.npy --force", 2);
    assert_eq!(std::fs::read(folder.path("i.npy")).expect("there"), before);
}

/// An image of one slice as DICOM, in this unit.
fn dicom(folder: &Folder, name: &str, unit: Unit) {
    let voxels = (phantom(32, 32, 0.0) * 1500.0 - 1000.0).insert_axis(ndarray::Axis(0));
    let volume = Volume { voxels, geometry: Geometry::default(), unit };
    let path = folder.path(name);
    write(&path, &volume, &Source::Npy, &Provenance::default(), Overwrite::Force).expect("written");
}

#[test]
fn images_of_another_kind_are_refused_and_units_of_files_are_theirs() {
    let folder = Folder::new();
    dicom(&folder, "mr.dcm", Unit::Arbitrary);
    dicom(&folder, "ct.dcm", Unit::Hounsfield);
    assert_eq!(recon_data::read(&folder.path("mr.dcm")).expect("good").modality, Some(Modality::Mr));
    for command in ["ct", "mar"] {
        assert!(
            refused(&folder, &format!("{command} mr.dcm --method fbp -o o.npy"), 3).contains("recon mri")
        );
    }
    assert!(refused(&folder, "ct ct.dcm --unit attenuation --method fbp -o o.npy", 2).contains("--unit"));
    image(&folder);
    assert!(refused(&folder, "ct i.npy --method fbp -q -o o.dcm", 2).contains("--unit hu"));
    let (code, said) = ends(&folder, "ct ct.dcm --views 90 --method fbp -o back.npy");
    assert_eq!(code, 0, "{said}");
    let told: f64 = said
        .lines()
        .find_map(|line| line.strip_prefix("fbp ")?.split_whitespace().next()?.parse().ok())
        .expect("a table");
    let output = folder.recon("compare ct.dcm back.npy --json").output().expect("started");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!((found["psnr"].as_f64().expect("a number") - told).abs() < 0.01, "{found} {told}");
}

#[test]
fn what_has_no_effect_on_measured_data_is_refused() {
    let folder = Folder::new();
    image(&folder);
    assert_eq!(ends(&folder, "simulate mri i.npy --accel 2 --mask-out m.npy -o k.npy -q").0, 0);
    for idle in ["--accel 4", "--mask random", "--center-fraction 0.1", "--mask-offset 1"] {
        let said = refused(&folder, &format!("mri --kspace k.npy {idle} --method tv -o o.npy"), 2);
        assert!(said.contains("--kspace"), "{said}");
    }
    assert_eq!(ends(&folder, "mri --kspace k.npy --mask m.npy --method zero-filled -q -o o.npy").0, 0);
}
