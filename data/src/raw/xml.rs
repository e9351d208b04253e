//! The header of ISMRMRD, as far as the layout of k-space needs it.

/// Longest header that is looked at, bytes.
const LONGEST: usize = 4 << 20;
/// Elements inside one another.
const DEEPEST: usize = 32;

/// What the first encoding of an ISMRMRD header says. Numbers that are missing or make no sense are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Header {
    /// Encoded matrix along (readout, step 1, step 2), with oversampling.
    pub(super) encoded: Option<[usize; 3]>,
    /// Encoded field of view, mm.
    pub(super) encoded_mm: Option<[f64; 3]>,
    /// Matrix of the image, in the same order.
    pub(super) recon: Option<[usize; 3]>,
    /// Field of view of the image, mm.
    pub(super) recon_mm: Option<[f64; 3]>,
    /// Step 1 and 2 that are the centre of k-space.
    pub(super) center: [Option<usize>; 2],
    /// Shape of the trajectory, in lower case.
    pub(super) trajectory: Option<String>,
}

impl Header {
    /// Reads a header; `None` if it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let values = values(text.get(..LONGEST).unwrap_or(text))?;
        let value = |path: &str| {
            let full = format!("ismrmrdHeader/encoding/{path}");
            values.iter().find(|(name, _)| *name == full).map(|(_, text)| text.as_str())
        };
        let three = |path: &str| ["x", "y", "z"].map(|axis| value(&format!("{path}/{axis}")));
        let matrix = |space: &str| {
            let [x, y, z] = three(&format!("{space}/matrixSize"))
                .map(|text| text?.parse::<usize>().ok().filter(|n| (1..=1 << 16).contains(n)));
            Some([x?, y?, z?])
        };
        let view = |space: &str| {
            let [x, y, z] = three(&format!("{space}/fieldOfView_mm"))
                .map(|text| text?.parse::<f64>().ok().filter(|mm| mm.is_finite() && *mm > 0.0));
            Some([x?, y?, z?])
        };
        let center = |step: &str| value(&format!("encodingLimits/{step}/center"))?.parse().ok();
        let is_header = values.iter().any(|(name, _)| name.starts_with("ismrmrdHeader/"));
        is_header.then(|| Self {
            encoded: matrix("encodedSpace"),
            encoded_mm: view("encodedSpace"),
            recon: matrix("reconSpace"),
            recon_mm: view("reconSpace"),
            center: [center("kspace_encoding_step_1"), center("kspace_encoding_step_2")],
            trajectory: value("trajectory").map(str::to_lowercase),
        })
    }

    /// Samples along a readout of `length` that the field of view of the image needs: all of them, unless fewer are enough.
    pub(super) fn needed(&self, length: usize) -> usize {
        let ratio = match (self.encoded_mm, self.recon_mm, self.encoded, self.recon) {
            (Some(encoded), Some(recon), ..) => recon[0] / encoded[0],
            (_, _, Some(encoded), Some(recon)) => recon[0] as f64 / encoded[0] as f64,
            _ => 1.0,
        };
        let needed = (length as f64 * ratio).round() as usize;
        // Nobody oversamples eight times: such a header is wrong.
        if (length.div_ceil(8)..length).contains(&needed) { needed } else { length }
    }
}

/// Paths of elements, names without prefix joined by `/`, and their text, in the order of the file.
fn values(text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->")?.1;
            continue;
        }
        let (tag, next) = after.split_once('>')?;
        rest = next;
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let content = before.trim();
            if !content.is_empty() {
                found.push((open.join("/"), content.to_owned()));
            }
            open.pop()?;
            // What belongs to other encodings, such as that of a separate calibration, is not this one.
            if open.len() == 1 && local_name(name) == "encoding" {
                return Some(found);
            }
        } else if !tag.ends_with('/') {
            open.push(local_name(tag));
        }
        if open.len() > DEEPEST {
            return None;
        }
    }
    Some(found)
}

fn local_name(tag: &str) -> &str {
    let name = tag.split_whitespace().next().unwrap_or_default();
    name.rsplit(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"<?xml version="1.0"?><!-- a > b -->
<ns:ismrmrdHeader xmlns:ns="http://www.ismrm.org/ISMRMRD"><ns:encoding>
 <encodedSpace><matrixSize><x>640</x><y>368</y><z>1</z></matrixSize>
  <fieldOfView_mm><x>280</x><y>161</y><z>4.5</z></fieldOfView_mm></encodedSpace>
 <reconSpace><matrixSize><x>320</x><y>320</y><z>1</z></matrixSize>
  <fieldOfView_mm><x>140</x><y>140</y><z>4.5</z></fieldOfView_mm></reconSpace>
 <encodingLimits><kspace_encoding_step_1><center>160</center></kspace_encoding_step_1><slice/></encodingLimits>
 <trajectory>Cartesian</trajectory></ns:encoding>
<encoding><trajectory>spiral</trajectory></encoding></ns:ismrmrdHeader>"#;

    #[test]
    fn the_first_encoding_is_read() {
        let header = Header::parse(TEXT).unwrap();
        assert_eq!((header.encoded, header.recon), (Some([640, 368, 1]), Some([320, 320, 1])));
        assert_eq!((header.center, header.trajectory.as_deref()), ([Some(160), None], Some("cartesian")));
        assert_eq!((header.needed(640), header.needed(641)), (320, 321));
    }

    #[test]
    fn what_makes_no_sense_is_absent() {
        let header =
            Header::parse(&TEXT.replace("640", "0").replace("280", "0").replace("320", "1e9")).unwrap();
        assert_eq!((header.encoded, header.encoded_mm, header.recon), (None, None, None));
        assert_eq!(header.needed(640), 640);
        for text in ["", "<a>", "<a></a></a>", "no markup", "<a", &"<a>".repeat(100), "<x><!-- "] {
            assert!(Header::parse(text).is_none(), "{text}");
        }
    }
}
