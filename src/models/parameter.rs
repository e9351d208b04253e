//! What a network's parameters are called and how large they are.

/// One tensor of a network, by the name that its checkpoints use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Full name.
    pub name: String,
    /// Shape, outermost axis first.
    pub shape: Vec<usize>,
    /// Whether training changes it; what training leaves alone is missing from unnamed lists of averages.
    pub trainable: bool,
}

impl Parameter {
    /// A parameter that training changes.
    pub fn trainable(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into(), trainable: true }
    }

    /// A tensor that training leaves as it was drawn.
    pub fn fixed(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into(), trainable: false }
    }
}
