//! Broken bundles are refused with a line that says what is wrong; good ones give the same bits everywhere.

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use recon::models::{
    Architecture, Dtype, FilmUnet, Manifest, Modality, ModelSource, Training, Tuned, UnetConfig,
    ValueMapping, WeightsCard, open, write_bundle,
};
use recon::score::ScoreModel;
use recon::train::initial_parameters;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn config() -> UnetConfig {
    UnetConfig {
        channels: vec![8, 16],
        blocks: vec![1, 2],
        middle: 1,
        embedding: 8,
        frequencies: 4,
        inputs: 1,
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: "tiny".into(),
        version: "0".into(),
        modality: Some(Modality::Ct),
        summary: "test".into(),
        architecture: Architecture::FilmUnet(FilmUnet {
            size: config(),
            sigma_data: 0.3,
            sigma_min: 0.01,
            sigma_max: 1.0,
        }),
        value: Some(ValueMapping::Percentile { percentile: 99.5 }),
        training: Training {
            steps: 0,
            seconds: 0,
            objective: String::new(),
            how: String::new(),
            data: vec![],
        },
        tuned: Tuned::default(),
        typical: None,
        side: None,
        family: None,
        weights: WeightsCard { sha256: String::new(), dtype: Dtype::F32, parameters: 0 },
    }
}

fn parameters() -> BTreeMap<String, Tensor> {
    initial_parameters(&config(), 1).unwrap()
}

fn refusal(folder: &Path) -> String {
    match open(&ModelSource::Path(folder.to_owned()), &Device::Cpu) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

/// The refusal of a bundle of altered tensors.
fn refusal_of(alter: impl FnOnce(&mut BTreeMap<String, Tensor>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = parameters();
    alter(&mut tensors);
    write_bundle(folder.path(), &manifest(), &tensors, Dtype::F32).unwrap();
    refusal(folder.path())
}

fn filled(value: f32, shape: &[usize]) -> Tensor {
    Tensor::full(value, shape, &Device::Cpu).unwrap()
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let missing = refusal_of(|t| {
        t.remove("mid.0.film.bias");
    });
    assert!(missing.contains("lacks tensor(s) mid.0.film.bias"), "{missing}");
    let surplus = refusal_of(|t| {
        t.insert("extra".into(), filled(0.0, &[2]));
    });
    assert!(surplus.contains("surplus tensor(s) extra"), "{surplus}");
    let shape = refusal_of(|t| {
        t.insert("stem.bias".into(), filled(0.0, &[9]));
    });
    assert!(shape.contains("stem.bias has shape [9], the card says [8]"), "{shape}");
    let nan = refusal_of(|t| {
        t.insert("stem.bias".into(), filled(f32::NAN, &[8]));
    });
    assert!(nan.contains("stem.bias is not finite"), "{nan}");
}

#[test]
fn altered_and_hostile_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(folder.path()).contains("manifest.toml"));
    let card = write_bundle(folder.path(), &manifest(), &parameters(), Dtype::F32).unwrap();
    let weights = folder.path().join("weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, &bytes).unwrap();
    assert!(refusal(folder.path()).contains("SHA-256"));
    // A header that claims 2⁶² bytes, with a digest that fits.
    let hostile = (1u64 << 62).to_le_bytes();
    fs::write(&weights, hostile).unwrap();
    let mut hostile_card = card.clone();
    hostile_card.weights.sha256 = recon_data::digest::sha256_bytes(&hostile);
    fs::write(folder.path().join("manifest.toml"), toml::to_string(&hostile_card).unwrap()).unwrap();
    assert!(refusal(folder.path()).contains("not a safetensors file"));
    fs::write(&weights, vec![0; 4 << 20]).unwrap();
    assert!(refusal(folder.path()).contains("is larger than"));
}

#[test]
fn impossible_cards_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.toml");
    let text = toml::to_string(&manifest()).unwrap();
    let cases = [
        (text.replace("sigma_data = 0.3", "sigma_data = nan"), "sigma_data"),
        (text.replace("sigma_min = 0.01", "sigma_min = 7.0"), "sigma_min"),
        (text.replace("channels = [8, 16]", "channels = [8, 17]"), "17"),
        (text.replace("channels = [8, 16]", "channels = [9223372036854775800]"), "channels"),
        (text.replace("film-unet", "transformer"), "transformer"),
        ("not toml".into(), "manifest.toml"),
    ];
    for (card, said) in cases {
        fs::write(&path, card).unwrap();
        let message = refusal(folder.path());
        assert!(message.contains(said) && !message.contains('\n'), "{message}");
    }
}

#[test]
fn half_precision_rounds_and_single_does_not() {
    for (dtype, exact) in [(Dtype::F16, false), (Dtype::F32, true)] {
        let folder = tempfile::tempdir().unwrap();
        write_bundle(folder.path(), &manifest(), &parameters(), dtype).unwrap();
        let (_, read) = recon::models::read_bundle(folder.path()).unwrap();
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(flat(&read["stem.weight"]) == flat(&parameters()["stem.weight"]), exact);
    }
}

#[test]
fn the_shipped_priors_denoise_the_same_with_any_number_of_threads() {
    for (modality, height) in [(Modality::Ct, 0.5f32), (Modality::Mr, 0.6)] {
        let prior = open(&ModelSource::Builtin(modality), &Device::Cpu).unwrap();
        let clean: Vec<f32> = (0..64 * 72)
            .map(|p| if ((p / 72) as f32 - 32.0).hypot((p % 72) as f32 - 36.0) < 20.0 { height } else { 0.0 })
            .collect();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
        let noisy: Vec<f32> = clean.iter().map(|c| c + 0.1 * normal()).collect();
        let x = Tensor::from_vec(noisy.clone(), (1, 1, 64, 72), &Device::Cpu).unwrap();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| prior.denoise(&x, 0.1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        let one = run(1);
        assert!(one == run(2) && one == run(5));
        let error = |v: &[f32]| v.iter().zip(&clean).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        println!("{modality:?}: error {} of {}", error(&one), error(&noisy));
        assert!(error(&one) < 0.5 * error(&noisy), "{modality:?}: {} of {}", error(&one), error(&noisy));
    }
}
