//! Lists of inputs in a table, comma- or tab-separated, with what is said of each.

use super::plan::Entry;
use crate::Task;
use std::path::Path;

/// More than any list has, in bytes.
const MOST_BYTES: u64 = 1 << 26;

/// Gives every row to `take`: what it says, and its input. The columns are `input`, and any of `task`, `method`, `output_dir`,
/// `output` and the options of the task; an empty field says nothing.
///
/// # Errors
/// Says in one line what cannot be read, and what `take` refuses with the number of the line.
pub(super) fn read(
    path: &Path,
    mut take: impl FnMut(Entry, &str) -> Result<(), String>,
) -> Result<(), String> {
    let text =
        recon_data::read_text(path, MOST_BYTES).map_err(|error| format!("{}: {error}", path.display()))?;
    let tabs = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(if tabs { b'\t' } else { b',' }).trim(csv::Trim::All).comment(Some(b'#'));
    let mut reader = builder.from_reader(text.as_bytes());
    let wrong = |error: csv::Error| format!("{}: is not a table: {error}; correct it", path.display());
    let headers = reader.headers().map_err(wrong)?.clone();
    let Some(input) = headers.iter().position(|name| name == "input") else {
        return Err(format!("{}: has no column named input; add one", path.display()));
    };
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(wrong)?;
        let place = |what: String| format!("{}, line {}: {what}", path.display(), number + 2);
        let said = entry(headers.iter().zip(&record)).map_err(place)?;
        take(said, record.get(input).unwrap_or_default()).map_err(place)?;
    }
    Ok(())
}

fn entry<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Entry, String> {
    let mut said = Entry::default();
    for (name, value) in fields.filter(|(_, value)| !value.is_empty()) {
        match name {
            "input" => {}
            "task" => {
                let known = Task::ALL.into_iter().find(|task| task.name() == value);
                said.task = Some(
                    known.ok_or_else(|| format!("task {value}: is not one of ct, mri, mar and denoise"))?,
                );
            }
            "method" => said.method = Some(value.to_owned()),
            "output_dir" => said.output_dir = Some(value.into()),
            "output" => said.output = Some(value.to_owned()),
            option => {
                let value = match value {
                    "true" => true.into(),
                    "false" => false.into(),
                    text => text.into(),
                };
                said.options.insert(option.to_owned(), value);
            }
        }
    }
    Ok(said)
}
