//! The priors that ship inside the binary.

/// A prior as bytes: what a bundle folder holds in its two files.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinWeights {
    /// The model card, `manifest.toml`.
    pub manifest: &'static str,
    /// The network's tensors, `weights.safetensors`.
    pub weights: &'static [u8],
}

/// The prior for axial CT slices.
pub const CT: BuiltinWeights = BuiltinWeights {
    manifest: include_str!("../weights/ct/manifest.toml"),
    weights: include_bytes!("../weights/ct/weights.safetensors"),
};

/// The prior for MR magnitude slices of the brain.
pub const MR: BuiltinWeights = BuiltinWeights {
    manifest: include_str!("../weights/mr/manifest.toml"),
    weights: include_bytes!("../weights/mr/weights.safetensors"),
};

/// The coarse model beside [`CT`], for strong noise.
pub const CT_COARSE: BuiltinWeights = BuiltinWeights {
    manifest: include_str!("../weights/ct/coarse/manifest.toml"),
    weights: include_bytes!("../weights/ct/coarse/weights.safetensors"),
};

/// The coarse model beside [`MR`], for strong noise.
pub const MR_COARSE: BuiltinWeights = BuiltinWeights {
    manifest: include_str!("../weights/mr/coarse/manifest.toml"),
    weights: include_bytes!("../weights/mr/coarse/weights.safetensors"),
};
