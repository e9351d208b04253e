//! What a user should know of an input.

/// Lines about an input, in the order in which they came up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What was understood.
    pub notes: Vec<String>,
    /// What is probably wrong, with what would mend it. Warnings stand in the sidecar as well.
    pub warnings: Vec<String>,
}

impl Remarks {
    /// Warnings alone.
    pub fn warning(warnings: Vec<String>) -> Self {
        Self { notes: Vec::new(), warnings }
    }

    /// Adds what was understood.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// Adds what is probably wrong.
    pub fn warn(&mut self, line: impl Into<String>) {
        self.warnings.push(line.into());
    }
}
