//! ARCH.toml: what is read, what is refused, and how it becomes a model card.

use recon::models::{ArchFile, Manifest, NetworkConfig};

const NCSNPP: &str = r#"
architecture = "ncsnpp"
[model]
nf = 16
ch_mult = [1, 2]
num_res_blocks = 1
attn_resolutions = [16]
embedding_type = "fourier"
resblock_type = "biggan"
progressive_input = "input_skip"
[data]
image_size = [24, 32]
num_channels = 2
[sde]
kind = "ve"
sigma_min = 0.01
sigma_max = 50.0
"#;

fn changed(from: &str, to: &str) -> Result<ArchFile, String> {
    assert!(NCSNPP.contains(from), "{from}");
    ArchFile::parse(&NCSNPP.replace(from, to))
}

#[test]
fn upstreams_further_keys_are_read_over() {
    let more =
        changed("nf = 16", "nf = 16\nname = \"ncsnpp\"\nnormalization = \"GroupNorm\"\nema_rate = 0.999")
            .unwrap();
    assert_eq!(more, ArchFile::parse(NCSNPP).unwrap());
    let NetworkConfig::Ncsnpp(config) = &more.network else { panic!("another network") };
    assert_eq!(config.fir_kernel, [1.0, 3.0, 3.0, 1.0]);
    assert_eq!((more.data.image_size.rows(), more.data.image_size.cols()), (24, 32));
}

#[test]
fn what_cannot_be_is_refused_with_its_name() {
    for (from, to, named) in [
        ("nf = 16", "nf = 18", "18"),
        ("nf = 16", "nf = 16000", "nf"),
        ("nf = 16", "nf = 16\nnormalization = \"BatchNorm\"", "normalization"),
        ("nf = 16", "nf = 16\nfir_size = 3", "fir_size"),
        ("nf = 16", "nf = 16\nconv_size = 5", "conv_size"),
        ("nf = 16", "nf = 16\nfir_kernel = [1, -1]", "fir_kernel"),
        ("ch_mult = [1, 2]", "ch_mult = []", "ch_mult"),
        ("ch_mult = [1, 2]", "ch_mult = [1, 1000000000000]", "ch_mult"),
        ("num_res_blocks = 1", "num_res_blocks = 1000000", "num_res_blocks"),
        ("\"biggan\"", "\"vgg\"", "vgg"),
        ("\"ncsnpp\"", "\"resnet\"", "resnet"),
        ("sigma_min = 0.01", "sigma_min = 51.0", "sigma_min"),
        ("kind = \"ve\"", "kind = \"vp\"", "sigma_max"),
        ("kind = \"ve\"", "kind = \"ve\"\ncontinuous = false", "fourier"),
        ("image_size = [24, 32]", "image_size = 0", "image_size"),
        ("[sde]", "[side]", "side"),
    ] {
        let error = changed(from, to).unwrap_err();
        assert!(error.contains(named) && !error.contains('\n'), "{to}: {error}");
    }
    let without = NCSNPP.split("[sde]").next().unwrap();
    assert!(ArchFile::parse(without).unwrap_err().contains("[sde]"));
}

#[test]
fn the_card_of_a_published_network_survives_a_round_trip() {
    let arch = ArchFile::parse(NCSNPP).unwrap();
    let card = arch.manifest("theirs", "imported");
    assert_eq!(card.problem(), None);
    let text = toml::to_string(&card).unwrap();
    assert_eq!(toml::from_str::<Manifest>(&text).unwrap(), card);
    for (from, to) in [("[network]", "sigma_data = 1.0\n[network]"), ("[data]", "[date]")] {
        assert!(toml::from_str::<Manifest>(&text.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn every_published_network_has_parameters() {
    for (name, count) in [("ncsn", 173), ("ncsnv2", 154), ("ncsnv2deeper", 192), ("ncsnv2deepest", 230)] {
        let text = format!(
            "architecture = \"{name}\"\n[model]\nngf = 8\nnum_classes = 10\nsigma_begin = 1.0\nsigma_end = 0.01\n\
             [data]\nimage_size = 32\nchannels = 1\n"
        );
        assert_eq!(ArchFile::parse(&text).unwrap().parameters().len(), count, "{name}");
    }
}
