//! The priors that ship inside the binary.

/// A prior as bytes: what a bundle folder holds in its two files.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinWeights {
    /// The model card, `manifest.toml`.
    pub manifest: &'static str,
    /// The network's tensors, `weights.safetensors`; none in a build without the feature `weights`.
    pub weights: Option<&'static [u8]>,
}

macro_rules! shipped {
    ($folder:literal) => {
        BuiltinWeights {
            manifest: include_str!(concat!("../weights/", $folder, "/manifest.toml")),
            #[cfg(feature = "weights")]
            weights: Some(include_bytes!(concat!("../weights/", $folder, "/weights.safetensors"))),
            #[cfg(not(feature = "weights"))]
            weights: None,
        }
    };
}

/// The prior for axial CT slices.
pub static CT: BuiltinWeights = shipped!("ct");

/// The prior for MR magnitude slices of the brain.
pub static MR: BuiltinWeights = shipped!("mr");

/// The coarse model beside [`CT`], for strong noise.
pub static CT_COARSE: BuiltinWeights = shipped!("ct/coarse");

/// The coarse model beside [`MR`], for strong noise.
pub static MR_COARSE: BuiltinWeights = shipped!("mr/coarse");

/// The prior for CT that is told which views were measured.
pub static CT_CONDITIONAL: BuiltinWeights = shipped!("ct/conditional");

/// The prior for MR that is told which lines were measured.
pub static MR_CONDITIONAL: BuiltinWeights = shipped!("mr/conditional");
