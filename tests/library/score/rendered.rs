//! Tables of the documentation that tests write and guard.

use std::path::PathBuf;

/// With this variable set, tables are written instead of compared.
const WRITE: &str = "RECON_WRITE_TABLE";

/// Compares a table with the one in `docs/samplers.md` between the markers of this name, or writes it there.
///
/// `rows` have cells between bars, the header first. Cells that are no numbers must be the same; numbers, or per cent,
/// may differ by `tolerance`, since processors round differently, and counts must be the same.
pub(crate) fn guard(name: &str, rows: &[String], tolerance: f64) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/samplers.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let from = text.find(&begin).expect("the page has the markers of the table") + begin.len();
    let to = from + text[from..].find(&end).expect("the page has the end marker of the table");
    if std::env::var_os(WRITE).is_some() {
        let table = rows.join("\n");
        std::fs::write(&path, format!("{}{table}\n{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    let old: Vec<&str> = text[from..to].lines().collect();
    assert_eq!(old.len(), rows.len(), "{name}: rows; write the table with {WRITE}=1");
    for (old, new) in old.iter().zip(rows) {
        assert!(alike(old, new, tolerance), "{name}: was {old}\nis  {new}\nwrite the table with {WRITE}=1");
    }
}

fn alike(old: &str, new: &str, tolerance: f64) -> bool {
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let (old, new) = (cells(old), cells(new));
    let number = |cell: &str| cell.trim_end_matches(" %").parse::<f64>();
    let same = |(old, new): (&String, &String)| match (number(old), number(new)) {
        (Ok(a), Ok(b)) if old.contains('.') => (a - b).abs() <= tolerance,
        _ => old == new,
    };
    old.len() == new.len() && old.iter().zip(&new).all(same)
}

#[test]
fn numbers_are_compared_as_numbers() {
    assert!(alike("| a | 3 | 0.50 |", "| a | 3 | 0.52 |", 0.03));
    assert!(
        alike("| a | -0.9 % |", "| a | -1.1 % |", 0.3) && !alike("| a | -0.9 % |", "| a | +0.9 % |", 0.3)
    );
    assert!(!alike("| a | 3 | 0.50 |", "| a | 3 | 0.54 |", 0.03));
    assert!(!alike("| a | 3 | 0.50 |", "| a | 4 | 0.50 |", 2.0));
    assert!(!alike("| a | 3 |", "| b | 3 |", 2.0));
    assert!(!alike("| a | 3 |", "| a | 3 | 4 |", 2.0));
}
