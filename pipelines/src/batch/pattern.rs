//! Names of outputs, made of what is known of an input.
//!
//! `{stem}` is the name of the input without its ending, `{ext}` the ending that a result has by default, `{folder}` the name
//! of the folder that the input lies in, `{path}` where it lies below the folder that was named, without its ending, `{task}`
//! and `{method}` what is done, and `{index}` its number in the plan, counted from 1 and with four digits.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// What stands for the names in braces.
pub(super) type Values<'a> = BTreeMap<&'a str, String>;

/// A pattern with its names replaced: a path below the output folder.
///
/// # Errors
/// When a name is unknown, a brace is not closed, or the path leads out of the folder.
pub(super) fn filled(pattern: &str, values: &Values<'_>) -> Result<PathBuf, String> {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) =
            after.split_once('}').ok_or_else(|| format!("{pattern}: a brace is not closed"))?;
        let value = values.get(name).ok_or_else(|| unknown(name, values))?;
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    let path = PathBuf::from(text);
    if path.components().all(|part| matches!(part, Component::Normal(_))) && path != Path::new("") {
        return Ok(path);
    }
    Err(format!("{}: leads outside the output folder; name a path inside it", path.display()))
}

fn unknown(name: &str, values: &Values<'_>) -> String {
    let known: Vec<String> = values.keys().map(|key| format!("{{{key}}}")).collect();
    format!("output: there is no {{{name}}}; use {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_nothing_leads_out() {
        let values =
            Values::from([("stem", "a".to_owned()), ("ext", ".nii".to_owned()), ("path", "../x".to_owned())]);
        assert_eq!(filled("sub/{stem}_recon{ext}", &values), Ok(PathBuf::from("sub/a_recon.nii")));
        for (pattern, why) in [
            ("{name}", "no {name}"),
            ("{stem", "closed"),
            ("{path}", "leads out"),
            ("", "leads out"),
            ("/etc/{stem}", "leads out"),
        ] {
            let error = filled(pattern, &values).expect_err("refused");
            assert!(error.contains(why), "{error}");
        }
    }
}
