//! `recon tune` on small images with a small network, whole runs; and cards with settings.

use crate::common::{Folder, phantom};
use ndarray::Array3;
use recon::models::{
    Architecture, Dtype, FilmUnet, Manifest, Modality, Training, Tuned, UnetConfig, ValueMapping,
    WeightsCard, write_bundle,
};
use recon::train::initial_parameters;
use serde_json::Value;
use std::path::Path;

/// A network of random weights in `model`, and two scans in `data`.
fn setup(modality: Modality) -> Folder {
    let folder = Folder::new();
    let size =
        UnetConfig { channels: vec![8], blocks: vec![1], middle: 0, embedding: 8, frequencies: 2, inputs: 1 };
    let tensors = initial_parameters(&size, 1).expect("a network");
    let value = match modality {
        Modality::Ct => {
            ValueMapping::Hounsfield { offset_hu: 1000.0, scale_hu: 2000.0, unit_attenuation: 0.0384 }
        }
        Modality::Mr => ValueMapping::Percentile { percentile: 99.5 },
    };
    let card = Manifest {
        name: "tiny".into(),
        version: "1".into(),
        modality: Some(modality),
        summary: "random weights".into(),
        architecture: Architecture::FilmUnet(FilmUnet {
            size,
            sigma_data: 0.3,
            sigma_min: 0.01,
            sigma_max: 1.0,
        }),
        value: Some(value),
        training: Training::default(),
        tuned: Tuned::default(),
        typical: None,
        side: None,
        family: None,
        weights: WeightsCard { sha256: String::new(), dtype: Dtype::F32, parameters: 0 },
    };
    write_bundle(&folder.path("model"), &card, &tensors, Dtype::F32).expect("written");
    scans(&folder, modality);
    folder
}

fn scans(folder: &Folder, modality: Modality) {
    let values = |value: f32| match modality {
        Modality::Ct if value > 0.0 => 100.0 * value,
        Modality::Ct => -1000.0,
        Modality::Mr => value,
    };
    std::fs::create_dir(folder.path("data")).expect("made");
    let mut volume = Array3::zeros((5, 24, 24));
    for (k, mut slice) in volume.outer_iter_mut().enumerate() {
        slice.assign(&phantom(24, 24, k as f32 * 0.02).mapv(values));
    }
    folder.array("data/volume.npy", volume.view());
    folder.array("data/single.npy", phantom(22, 26, 0.0).mapv(values).view());
}

fn json(folder: &Folder, arguments: &str) -> Value {
    let output = folder.recon(arguments).assert().success().get_output().stdout.clone();
    serde_json::from_slice(&output).expect("one JSON object")
}

/// The method of the case that a dry run prints.
fn method(output: &[u8]) -> Value {
    let case: toml::Value = toml::from_str(&String::from_utf8_lossy(output)).expect("a case as TOML");
    serde_json::to_value(&case["method"]).expect("numbers and words")
}

/// The trials of a log without their times.
fn trials(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("written");
    let trial = |line: &str| {
        let mut trial: Value = serde_json::from_str(line).expect("JSON");
        assert!(trial["seconds"].take().is_number());
        trial
    };
    text.lines().map(trial).collect()
}

/// Adds lines to the model's card.
fn add_to_card(folder: &Folder, card: &str, text: &str) {
    let path = folder.path(card);
    let old = std::fs::read_to_string(&path).expect("a card");
    std::fs::write(path, format!("{old}\n{text}\n")).expect("written");
}

const CT: &str = "tune --protocol ct-23 --data data --model model --steps 2 --limit 4 -q --threads 1 --json";

#[test]
fn the_best_settings_are_what_the_commands_then_take() {
    let folder = setup(Modality::Ct);
    let report = json(&folder, &format!("{CT} -o out --trials 6"));
    let log = trials(&folder.path("out/trials.jsonl"));
    assert_eq!((log.len(), &report["trials"], &report["slices"]), (6, &6.into(), &3.into()));
    assert_eq!((&log[0]["origin"], &log[1]["origin"]), (&"program".into(), &"search".into()));
    let (best, before) = (report["best"]["psnr"].as_f64(), report["psnr_before"].as_f64());
    assert!(best >= before && before == log[0]["psnr"].as_f64(), "{report}");
    // The same slices by recon eval, which reads the card.
    let eval = "eval --protocol ct-23 --data data --method score --limit 4 -q --threads 1 --json";
    for (model, expected) in [("out/model", best), ("model --steps 2", before)] {
        let name = model.replace(['/', ' '], "-");
        let run = json(&folder, &format!("{eval} -o eval-{name} --model {model}"));
        let mean = run["summary"][0]["psnr"]["mean"].as_f64();
        let difference = mean.zip(expected).map(|(mean, expected)| (mean - expected).abs());
        assert!(difference.is_some_and(|d| d < 2e-6), "{model}: {mean:?}, {expected:?}");
    }
    let ct = json(&folder, "ct data/single.npy --model out/model --json -q --threads 1 -o a.npy");
    let settings = &ct["case"]["method"];
    assert_eq!(settings["steps"], 2);
    for (name, value) in report["best"]["settings"].as_object().expect("settings") {
        assert_eq!(settings[name.replace('_', "-")].as_f64(), value.as_f64(), "{name}");
    }
    let card = std::fs::read_to_string(folder.path("out/model/manifest.toml")).expect("a card");
    assert!(card.contains("[tuned.ct.score.found]") && card.contains("protocol = \"ct-23\""), "{card}");
    let info = folder.recon("model info out/model").assert().success().get_output().stdout.clone();
    assert!(String::from_utf8_lossy(&info).contains("tuned       ct by score: "));
}

#[test]
fn a_search_that_was_cut_takes_the_same_way() {
    let folder = setup(Modality::Mr);
    let run =
        "tune --protocol mri-8x --data data --model model --method pc --steps 2 --limit 3 -q --threads 1";
    folder.recon(&format!("{run} -o whole --trials 14")).assert().success();
    let whole = std::fs::read_to_string(folder.path("whole/trials.jsonl")).expect("written");
    let lines: Vec<&str> = whole.lines().collect();
    for (kept, torn) in [(3, 0), (12, 25)] {
        let begun = format!("begun-{kept}");
        std::fs::create_dir(folder.path(&begun)).expect("made");
        let settings = std::fs::read(folder.path("whole/settings.json")).expect("there");
        folder.bytes(&format!("{begun}/settings.json"), &settings);
        let head = format!("{}\n{}", lines[..kept].join("\n"), &lines[kept][..torn]);
        let log = folder.bytes(&format!("{begun}/trials.jsonl"), head.as_bytes());
        folder.recon(&format!("{run} -o {begun} --trials 14")).assert().success();
        assert_eq!(trials(&log), trials(&folder.path("whole/trials.jsonl")));
        let text = std::fs::read_to_string(&log).expect("there");
        assert!(text.starts_with(&lines[..kept].join("\n")), "earlier trials were made again");
    }
    folder.recon(&format!("{run} -o other --trials 14 --seed 1")).assert().success();
    assert_ne!(
        trials(&folder.path("other/trials.jsonl"))[1..],
        trials(&folder.path("whole/trials.jsonl"))[1..]
    );
}

#[test]
fn flags_environment_and_config_win_over_the_card() {
    let folder = setup(Modality::Ct);
    let score = "steps = 3\nsigma_start = 0.4\nsigma_end = 0.004\ndata_weight = 77.0\ncg_iterations = 5\n\
                 temperature = 0.5\neta = 0.25";
    add_to_card(
        &folder,
        "model/manifest.toml",
        &format!(
            "[tuned.ct.score]\n{score}\n[tuned.ct.pc]\nsteps = 5\nsnr = 0.1\nlambda = 0.6\n[tuned.mar.score]\nsteps = 4"
        ),
    );
    folder.bytes("c.toml", b"[ct]\neta = 0.75\n");
    let settings = |run: &mut assert_cmd::Command| {
        let output = run.assert().success().get_output().stdout.clone();
        method(&output)
    };
    let run = "ct data/single.npy --model model --dry-run";
    let card = settings(&mut folder.recon(run));
    assert_eq!(
        (&card["steps"], &card["sigma-start"], &card["sigma-end"]),
        (&3.into(), &0.4.into(), &0.004.into())
    );
    assert_eq!((&card["data-weight"], &card["cg-iterations"]), (&77.0.into(), &5.into()));
    assert_eq!((&card["temperature"], &card["eta"]), (&0.5.into(), &0.25.into()));
    assert_eq!(settings(&mut folder.recon(&format!("{run} --config c.toml")))["eta"], 0.75);
    assert_eq!(settings(folder.recon(&format!("{run} --config c.toml")).env("RECON_ETA", "0.5"))["eta"], 0.5);
    let flags = format!("{run} --eta 1 --cg-iterations 2 --steps 9");
    let flags = settings(folder.recon(&flags).env("RECON_ETA", "0.5"));
    assert_eq!(
        (&flags["eta"], &flags["cg-iterations"], &flags["steps"]),
        (&1.0.into(), &2.into(), &9.into())
    );
    assert_eq!(flags["data-weight"], 77.0);
    let pc = settings(&mut folder.recon(&format!("{run} --method pc")));
    assert_eq!((&pc["steps"], &pc["snr"], &pc["lambda"]), (&5.into(), &0.1.into(), &0.6.into()));
    let samples = settings(&mut folder.recon(&format!("{run} --samples 2")));
    assert_eq!(samples["temperature"], 1.0);
    let mar = settings(&mut folder.recon("mar data/single.npy --model model --dry-run"));
    assert_eq!(mar["steps"], 4);
    assert_ne!(mar["data-weight"], 77.0);
}

#[test]
fn hostile_settings_are_refused_in_one_line() {
    let folder = setup(Modality::Ct);
    let good = std::fs::read_to_string(folder.path("model/manifest.toml")).expect("a card");
    for (table, said) in [
        ("[tuned.ct.score]\nsteps = 0", "steps"),
        ("[tuned.ct.score]\nstride = 2", "stride"),
        ("[tuned.ct.score]\nsigma_start = nan\nsigma_end = 0.1", "sigma_start"),
        ("[tuned.ct.score]\neta = \"high\"", "eta"),
        ("[tuned.ct.magic]\nsteps = 2", "magic"),
        ("[tuned.mri.score]\nsteps = 2", "tuned.mri"),
        ("[tuned.ct.pc]\nlambda = -1.0", "lambda"),
    ] {
        folder.bytes("model/manifest.toml", format!("{good}\n{table}\n").as_bytes());
        for run in [
            "ct data/single.npy --model model -o a.npy",
            "ct data/single.npy --model model --dry-run",
            "eval --protocol ct-23 --data data --model model --method score -o out",
            "tune --protocol ct-23 --data data --model model -o out",
        ] {
            let output = folder.recon(run).assert().code(3).get_output().stderr.clone();
            let log = String::from_utf8_lossy(&output).into_owned();
            let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error: ")).collect();
            assert!(errors.len() == 1 && errors[0].contains(said), "{table}, {run}: {log}");
        }
    }
    assert_eq!(folder.names(), ["data", "model"]);
}

#[test]
fn a_card_is_tuned_in_place_and_then_tried_first() {
    let folder = setup(Modality::Ct);
    let weights = std::fs::read(folder.path("model/weights.safetensors")).expect("there");
    add_to_card(&folder, "model/manifest.toml", "[tuned.mar.score]\nsteps = 4\n[tuned.ct.pc]\nsnr = 0.1");
    json(&folder, &format!("{CT} -o first --trials 5 --write"));
    assert!(!folder.path("first/model").exists());
    let card = std::fs::read_to_string(folder.path("model/manifest.toml")).expect("a card");
    for table in ["[tuned.ct.score]", "[tuned.ct.pc]", "[tuned.mar.score]"] {
        assert!(card.contains(table), "{table}: {card}");
    }
    assert_eq!(std::fs::read(folder.path("model/weights.safetensors")).expect("there"), weights);
    // A search goes on although it has changed the card it began with.
    assert_eq!(json(&folder, &format!("{CT} -o first --trials 6 --write"))["trials"], 6);
    let second = json(&folder, &format!("{CT} -o second --trials 1 --write"));
    let origins: Vec<_> =
        trials(&folder.path("second/trials.jsonl")).iter().map(|t| t["origin"].clone()).collect();
    let improved = second["best"]["psnr"].as_f64() > second["psnr_before"].as_f64();
    assert_eq!(origins.len(), if improved { 2 } else { 1 }, "those tried first are always tried");
    assert!(!improved || origins[1] == "card");
}

#[test]
fn time_ends_a_search_but_not_before_the_first_settings() {
    let folder = setup(Modality::Ct);
    let report = json(&folder, &format!("{CT} -o out --for 0.001s"));
    assert_eq!((&report["status"], &report["trials"]), (&"late".into(), &1.into()));
    assert!(folder.path("out/model/weights.safetensors").is_file());
    let more = json(&folder, &format!("{CT} -o out --trials 3 --for 1h"));
    assert_eq!((&more["status"], &more["trials"]), (&"complete".into(), &3.into()));
}

#[test]
fn given_settings_are_held() {
    let folder = setup(Modality::Ct);
    let run = format!("{CT} -o out --trials 3 --sigma-start 0.7 --cg-iterations 4");
    let report = json(&folder, &run);
    let held = &report["held"];
    assert_eq!((&held["sigma-start"], &held["cg-iterations"]), (&0.7.into(), &4.into()));
    assert!(held["data-weight"].is_null(), "what is searched is not held: {held}");
    for trial in trials(&folder.path("out/trials.jsonl")) {
        let names: Vec<_> = trial["settings"].as_object().expect("settings").keys().cloned().collect();
        assert_eq!(names, ["data_weight", "momentum", "sigma_end"]);
    }
    let plan = folder.recon("ct data/single.npy --model out/model --dry-run").assert().success();
    assert_eq!(method(&plan.get_output().stdout)["sigma-start"], 0.7);
    let noisy = json(&folder, &format!("{CT} -o noisy --trials 2 --temperature 0.5"));
    assert!(noisy["best"]["settings"]["eta"].is_number(), "with noise there is a share of fresh noise");
    assert!(noisy["best"]["settings"]["momentum"].is_null(), "and no momentum");
}

#[test]
fn what_cannot_be_tuned_is_said_with_the_right_code() {
    let folder = setup(Modality::Ct);
    folder.recon(&format!("{CT} -o out --trials 2")).assert().success();
    for (run, code) in [
        (format!("{CT} -o out --seed 1"), 5),
        (format!("{CT} -o out --steps 3").replacen("--steps 2", "", 1), 5),
        (format!("{CT} -o out --eta 0.5 --temperature 0.5"), 5),
        (format!("{CT} -o out --limit 2").replacen("--limit 4", "", 1), 5),
        (CT.replace("ct-23", "ct-lowdose") + " -o out", 5),
        (CT.replace("--model model", "--model ct --write") + " -o b", 2),
        (format!("{CT} -o b --samples 2"), 2),
        (format!("{CT} -o b --snr 0.2"), 2),
        (format!("{CT} -o b --method pc --snr 0.2 --lambda 0.3"), 2),
        (format!("{CT} -o b --for never"), 2),
        (format!("{CT} -o b --trials 0"), 2),
        (CT.replace("--model model", "--model nowhere") + " -o b", 3),
        (CT.replace("--data data", "--data nowhere") + " -o b", 3),
        (CT.replace("ct-23", "mri-8x") + " -o b", 3),
        (format!("{CT} -o data/single.npy"), 2),
    ] {
        folder.recon(&run).assert().code(code);
    }
    let log = folder.path("out/trials.jsonl");
    let text = std::fs::read_to_string(&log).expect("there");
    std::fs::write(&log, text.replace("\"trial\":0", "\"trial\":9")).expect("written");
    folder.recon(&format!("{CT} -o out")).assert().code(3);
    std::fs::write(&log, "").expect("emptied");
    folder.recon(&format!("{CT} -o out")).assert().code(5);
    assert_eq!(json(&folder, &format!("{CT} -o out --trials 2 --force"))["trials"], 2);
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_a_search_that_goes_on() {
    use std::io::BufRead as _;
    let folder = setup(Modality::Ct);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_recon"))
        .args(
            "tune --protocol ct-23 --data data --model model --steps 2 --limit 4 --threads 1 -o out"
                .split(' '),
        )
        .args(["--trials", "100000"])
        .current_dir(folder.path(""))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = std::io::BufReader::new(child.stderr.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("trial 2: "))));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    // The pipe is read to its end, so that the program never waits for a reader.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("ended").code(), Some(130), "{rest:?}");
    let done = trials(&folder.path("out/trials.jsonl"));
    assert!(done.len() >= 3);
    assert!(folder.path("out/model/manifest.toml").is_file());
    let report = json(&folder, &format!("{CT} -o out --trials {}", done.len() + 1));
    assert_eq!(report["trials"], done.len() + 1);
    assert_eq!(trials(&folder.path("out/trials.jsonl"))[..done.len()], done[..]);
}
