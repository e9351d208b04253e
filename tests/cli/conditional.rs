//! Conditional priors from the command line: in one case, in a batch, in an evaluation.

use crate::common::{Folder, phantoms, read};
use ndarray::Axis;
use serde_json::Value;

const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ladder/bundle");

fn sidecar(folder: &Folder, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.path(name)).expect("read")).expect("JSON")
}

fn begun() -> Folder {
    let folder = Folder::new();
    folder.array("images.npy", phantoms(3, 40, 48).view());
    folder
}

fn form(more: &str) -> String {
    format!("mri images.npy --method conditional --model {BUNDLE} {more}")
}

/// Whether nothing is warned of but that the model does not know such images.
fn strange(report: &serde_json::Value) -> bool {
    let warnings = report["warnings"].as_array().expect("warnings");
    warnings.iter().all(|warning| warning.as_str().is_some_and(|text| text.contains("trained on")))
        && report["slices"][0]["denoising_error"].as_f64().is_some_and(|error| error > 0.0)
}

#[test]
fn a_slice_is_the_same_alone_in_its_volume_in_a_batch_and_on_any_thread() {
    let folder = begun();
    folder.recon(&form("--threads 1 -o all.npy")).assert().success();
    folder.recon(&form("--threads 2 --slices 1..2 -o one.npy")).assert().success();
    let all = read(&folder.path("all.npy"));
    let one = read(&folder.path("one.npy")).into_shape_with_order((40, 48)).expect("one slice");
    assert_eq!(all.index_axis(Axis(0), 1), one.into_dyn());
    let plan = format!(
        "task = \"mri\"\nmethod = \"conditional\"\noutput_dir = \"out\"\noptions = {{ model = \"{BUNDLE}\" }}\n\
         [[case]]\ninput = \"images.npy\"\noutput = \"batch.npy\"\n"
    );
    std::fs::write(folder.path("plan.toml"), plan).expect("written");
    folder.recon("batch plan.toml").assert().success();
    assert_eq!(read(&folder.path("out/batch.npy")), all);
    let report = sidecar(&folder, "all.json");
    // Six rungs and the trial of the result, which is no brain.
    assert_eq!(report["nfe"].as_u64(), Some(3 * 7));
    assert!(strange(&report), "{report}");
    assert_eq!(report["model"]["name"], "mr/conditional");
    assert!(report["data_residual"].as_f64().is_some_and(|residual| residual < 1e-5));
    // A sidecar says everything that it takes to do it again.
    folder.recon("run all.json -o again.npy").assert().success();
    assert_eq!(read(&folder.path("again.npy")), all);
}

#[test]
fn other_measurements_are_left_to_the_default_method_and_that_is_told() {
    let folder = begun();
    let steps = "--set score.steps=1 --set score.passes=1";
    let told = folder.recon(&form(&format!("--phase-axis rows {steps} -o rows.npy"))).assert().success();
    let said = String::from_utf8_lossy(&told.get_output().stderr).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("--method score instead")).collect();
    assert!(lines.len() == 1 && lines[0].contains("left out along rows"), "{said}");
    let report = sidecar(&folder, "rows.json");
    assert!(report["warnings"][0].as_str().is_some_and(|warning| warning.contains("--method score instead")));
    assert!(report["slices"][2]["remark"].as_str().is_some_and(|remark| remark.contains("along rows")));
    assert_eq!(report["case"]["method"]["fallback"]["steps"], 1);
    folder.recon("mri images.npy --phase-axis rows --steps 1 --passes 1 -o score.npy").assert().success();
    assert_eq!(read(&folder.path("rows.npy")), read(&folder.path("score.npy")));
}

#[test]
fn an_evaluation_takes_it_beside_others() {
    let folder = begun();
    std::fs::create_dir(folder.path("data")).expect("made");
    std::fs::rename(folder.path("images.npy"), folder.path("data/a.npy")).expect("moved");
    let told = folder
        .recon(&format!(
            "eval --protocol mri-8x --data data --limit 1 --method zero-filled,conditional --set conditional.model={BUNDLE} -o out"
        ))
        .assert()
        .success();
    let rows = std::fs::read_to_string(folder.path("out/results.csv")).expect("read");
    assert!(rows.contains("conditional"), "{rows}");
    assert!(!String::from_utf8_lossy(&told.get_output().stderr).contains("instead"));
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let folder = begun();
    let refused = |form: &str| {
        let told = folder.recon(form).assert().failure();
        String::from_utf8_lossy(&told.get_output().stderr).into_owned()
    };
    assert!(
        refused("mri images.npy --method conditional --model mr -o x.npy").contains("unconditional prior")
    );
    assert!(
        refused(&format!("mri images.npy --method score --model {BUNDLE} -o x.npy"))
            .contains("--method conditional")
    );
    assert!(refused(&form("--samples 2 -o x.npy")).contains("one estimate"));
    assert!(refused(&form("--flips none -o x.npy")).contains("upright or turn or all"));
    assert!(
        refused("mar images.npy --metal-mask images.npy --method conditional -o x.npy")
            .contains("conditional")
    );
    assert!(refused(&format!("sample --model {BUNDLE} -o x.npy")).contains("conditional prior"));
    folder.recon(&format!("model verify {BUNDLE}")).assert().success();
    let told = folder.recon(&format!("model info {BUNDLE}")).assert().success();
    assert!(String::from_utf8_lossy(&told.get_output().stdout).contains("2x to 24x"));
}

const VIEWS_BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/views/bundle");

#[test]
fn parallel_views_of_a_slice_of_a_batch_and_of_a_sinogram_are_one_case() {
    let folder = Folder::new();
    folder.array("images.npy", (phantoms(2, 32, 32) * 0.02).view());
    let views = "--views 10 --spacing 1.5 --unit attenuation";
    let form = |more: &str| format!("ct --method conditional --model {VIEWS_BUNDLE} --steps 3 {more}");
    folder.recon(&form(&format!("images.npy {views} --threads 1 -o all.npy"))).assert().success();
    folder
        .recon(&form(&format!("images.npy {views} --threads 2 --slices 1..2 -o one.npy")))
        .assert()
        .success();
    let all = read(&folder.path("all.npy"));
    let one = read(&folder.path("one.npy")).into_shape_with_order((32, 32)).expect("one slice");
    assert_eq!(all.index_axis(Axis(0), 1), one.into_dyn());
    let report = sidecar(&folder, "all.json");
    assert_eq!(report["nfe"].as_u64(), Some(2 * 4));
    assert!(strange(&report), "{report}");
    assert_eq!(report["model"]["name"], "ct/conditional");
    assert!(report["data_residual"].as_f64().is_some_and(|residual| residual < 0.02));
    folder.recon(&format!("simulate ct images.npy {views} -o y.npy")).assert().success();
    let sinogram = "--sinogram y.npy --size 32x32 --spacing 1.5";
    folder.recon(&form(&format!("{sinogram} --unit attenuation -o found.npy"))).assert().success();
    assert_eq!(read(&folder.path("found.npy")), all);
    // Line integrals that have no unit are left to the default method, and so is noise.
    let steps = "--set score.steps=1";
    for (other, reason) in [
        (format!("{sinogram} {steps} -o other.npy"), "have no unit"),
        (format!("images.npy {views} --photons 1e5 {steps} -o noisy.npy"), "the data have noise"),
        (format!("images.npy --views 120 --unit attenuation {steps} -o many.npy"), "120 views are outside"),
    ] {
        let told = folder.recon(&form(&other)).assert().success();
        let said = String::from_utf8_lossy(&told.get_output().stderr).into_owned();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("--method score instead")).collect();
        assert!(lines.len() == 1 && lines[0].contains(reason), "{said}");
    }
}
