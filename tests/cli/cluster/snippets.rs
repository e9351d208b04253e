//! The shell snippets of `docs/cluster.md`, in their order, in a folder with a small study and an empty home.

use super::server::{Slurm, binary, program, skipped};
use crate::common::{Folder, phantom};
use ndarray::Axis;
use recon_data::{Geometry, Overwrite, Provenance, Source, Unit, Volume, write};
use std::path::Path;
use std::process::Command;

/// The fenced blocks that are marked `sh run`, with the program that each needs.
fn snippets(page: &str) -> Vec<(Option<&str>, &str)> {
    let mut found = Vec::new();
    for block in page.split("\n```sh run").skip(1) {
        let (mark, rest) = block.split_once('\n').expect("a line");
        let (text, _) = rest.split_once("\n```").expect("an end");
        found.push((mark.trim().strip_prefix("needs="), text));
    }
    found
}

fn scans(folder: &Folder) {
    std::fs::create_dir_all(folder.path("study/scans")).expect("made");
    std::fs::create_dir_all(folder.path("home")).expect("made");
    for (k, name) in ["a", "b", "c"].iter().enumerate() {
        let voxels = (phantom(24, 24, k as f32 / 50.0) * 1500.0 - 1000.0).insert_axis(Axis(0));
        let volume = Volume { voxels, geometry: Geometry::default(), unit: Unit::Hounsfield };
        let path = folder.path(&format!("study/scans/{name}.nii.gz"));
        write(&path, &volume, &Source::Npy, &Provenance::default(), Overwrite::Force).expect("written");
    }
}

#[test]
fn every_snippet_of_the_page_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/cluster.md")).expect("the page");
    let blocks = snippets(&page);
    assert!(blocks.len() >= 5, "the page has lost its snippets");
    let test = "every_snippet_of_the_page_works";
    let slurm = Slurm::start(test);
    let folder = Folder::new();
    scans(&folder);
    let folders = [binary().parent().expect("a folder").to_owned(), "/usr/bin".into(), "/bin".into()];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).expect("a path");
    for (needs, text) in blocks {
        let missing = needs.filter(|&name| program(name).is_none() || name == "sbatch" && slurm.is_none());
        if let Some(name) = missing {
            skipped(test, &format!("a snippet that needs {name}"));
            continue;
        }
        let mut command = Command::new("sh");
        command.args(["-euc", text]).current_dir(folder.path("")).env("PATH", &path);
        command.env("HOME", folder.path("home")).env("RECIPES", root.join("pipelines/recipes"));
        if let Some(slurm) = &slurm {
            command.env("SLURM_CONF", slurm.configuration());
        }
        let output = command.output().expect("started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{said}");
        let done = String::from_utf8_lossy(&output.stdout);
        if ["batch status", "status.json"].iter().any(|asked| text.contains(asked)) {
            let all = done.contains("3 of 3 cases done") || done.contains("\"done\":3");
            assert!(all, "{text}\n{done}\n{said}");
        }
    }
}
