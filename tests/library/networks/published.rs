//! Whole networks against the outputs of their authors' code.

use crate::common::records::{arch, arrays, json, network, oracle, worst_image};

/// Measured: at most 5e-6.
const TOLERANCE: f64 = 1.5e-5;

#[test]
fn outputs_are_those_of_the_published_code() {
    for name in ["ncsnpp_ve", "ncsnpp_ve_skip", "ddpmpp_vp", "ncsnv2"] {
        let Some(folder) = oracle(&format!("models/{name}")) else { return };
        let network = network(&arch(&folder), &arrays(&folder.join("ema_weights.safetensors")));
        let io = arrays(&folder.join("io.safetensors"));
        let y = network.forward(&io["x"], &io["labels"]).unwrap();
        let error = worst_image(&y, &io["y_ema"]);
        println!("{name}: {error:.1e}");
        assert!(error < TOLERANCE, "{name}: {error:e}");
    }
}

#[test]
fn parameters_have_the_published_names_shapes_and_order() {
    for name in ["ncsnpp_ve", "ncsnpp_ve_skip", "ddpmpp_vp", "ddpm"] {
        let Some(folder) = oracle(&format!("models/{name}")) else { return };
        let meta = json(&folder.join("meta.json"));
        let listed = |p: &serde_json::Value| {
            let name = p[0].as_str().unwrap().trim_start_matches("module.").to_owned();
            let shape: Vec<u64> = p[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            (name, shape)
        };
        let expected: Vec<_> =
            meta["param_order_requires_grad"].as_array().unwrap().iter().map(listed).collect();
        let parameters = arch(&folder).parameters();
        let shape = |s: &[usize]| s.iter().map(|n| *n as u64).collect::<Vec<_>>();
        let found: Vec<_> =
            parameters.iter().filter(|p| p.trainable).map(|p| (p.name.clone(), shape(&p.shape))).collect();
        assert_eq!(found, expected, "{name}");
        let fixed: Vec<_> = parameters.iter().filter(|p| !p.trainable).map(|p| p.name.as_str()).collect();
        let fourier = meta["non_ema"].as_array().unwrap().len();
        assert_eq!(fixed, ["sigmas", "all_modules.0.W"][..1 + fourier], "{name}");
    }
}

#[test]
fn ncsnv2_asks_for_what_its_checkpoint_holds() {
    let Some(folder) = oracle("models/ncsnv2") else { return };
    let weights = arrays(&folder.join("ema_weights.safetensors"));
    let parameters = arch(&folder).parameters();
    assert_eq!(parameters.len(), weights.len());
    assert!(parameters.iter().all(|p| weights[&p.name].dims() == p.shape));
}
