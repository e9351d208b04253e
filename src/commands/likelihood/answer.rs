//! How probable images are, as numbers and in words.

use serde::Serialize;

/// The answer.
#[derive(Debug, Default, Serialize)]
pub(super) struct Answer {
    /// Bits a grey value, image by image.
    pub(super) bits_per_dim: Vec<f64>,
    /// Their standard errors, where several directions tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) standard_error: Vec<f64>,
    /// Upper bounds for the sampler with noise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) bound: Vec<f64>,
    /// Their standard errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) bound_standard_error: Vec<f64>,
    /// Network calls for all images.
    pub(super) nfe: usize,
}

impl Answer {
    /// A line an image.
    pub(super) fn lines(&self) -> String {
        let error =
            |errors: &[f64], i: usize| errors.get(i).map_or_else(String::new, |e| format!(" +- {e:.4}"));
        let line = |(i, bits): (usize, &f64)| {
            let bound = self.bound.get(i).map_or_else(String::new, |bound| {
                format!(", bound {bound:.4}{}", error(&self.bound_standard_error, i))
            });
            format!("image {i}: {bits:.4}{} bits/dim{bound}", error(&self.standard_error, i))
        };
        self.bits_per_dim.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_one_line_an_image() {
        let mut answer = Answer { bits_per_dim: vec![3.25], nfe: 62, ..Answer::default() };
        assert_eq!(answer.lines(), "image 0: 3.2500 bits/dim");
        answer.bound = vec![3.5];
        answer.bound_standard_error = vec![0.01];
        assert_eq!(answer.lines(), "image 0: 3.2500 bits/dim, bound 3.5000 +- 0.0100");
        let json = serde_json::to_string(&answer).unwrap();
        assert!(json.contains("\"nfe\":62") && !json.contains("\"standard_error\""), "{json}");
    }
}
