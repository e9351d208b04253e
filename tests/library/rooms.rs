//! Which part of the library may know which: arrows run one way.

use std::path::{Path, PathBuf};

/// The rooms of the library; each knows itself and those before it.
const ROOMS: [&str; 8] = ["device", "kernels", "knobs", "score", "settings", "models", "methods", "train"];
/// The rooms of the score-based stack, in the same order.
const SCORE: [&str; 10] =
    ["tensors", "process", "model", "moves", "measure", "uncertainty", "flow", "exact", "samplers", "ladder"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The names that follow `prefix` in a source without its comments.
fn named<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let word = |rest: &'a str| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    };
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.match_indices(prefix).map(move |(at, _)| &line[at + prefix.len()..]))
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split(',').map(|part| word(part.trim_start())).collect(),
            None => vec![word(rest)],
        })
        .collect()
}

/// Every arrow below `folder` that runs up in the order of `rooms`.
fn upwards(folder: &str, rooms: &[&str], prefix: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let rank = |name: &str| rooms.iter().position(|room| *room == name);
    let mut arrows = Vec::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).expect("below it");
        let room = inside.iter().next().and_then(|name| Path::new(name).file_stem()).expect("a name");
        let Some(own) = rank(&room.to_string_lossy()) else { continue };
        let text = std::fs::read_to_string(&path).expect("text");
        let up = named(&text, prefix).into_iter().filter(|name| rank(name).is_some_and(|other| other > own));
        arrows.extend(up.map(|name| format!("{} -> {name}", inside.display())));
    }
    arrows
}

#[test]
fn arrows_between_rooms_run_one_way() {
    assert_eq!(upwards("src", &ROOMS, "crate::"), Vec::<String>::new());
    assert_eq!(upwards("src/score", &SCORE, "crate::score::"), Vec::<String>::new());
}

#[test]
fn an_arrow_upwards_is_seen() {
    assert_eq!(
        named("use crate::{models, score::Noise};\n// crate::train\nx(crate::train::run)", "crate::"),
        ["models", "score", "train"]
    );
    assert!(!upwards("src", &["train", "kernels"], "crate::").is_empty());
}
