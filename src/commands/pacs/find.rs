//! `recon pacs find`: what an archive has.

use super::NodeArgs;
use crate::commands::session::context;
use crate::commands::session::failure::shown;
use anyhow::Result;
use clap::{Args, ValueEnum};
use recon_data::network::{DateRange, Filter, Finder, Identity, ModalityCode, Series, Study, Text, Uid};
use serde_json::{Map, Value, json};

/// Arguments of `recon pacs find`.
#[derive(Args, Debug)]
pub struct FindArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    /// What to list.
    #[arg(long, value_name = "LEVEL", default_value = "study")]
    pub level: Level,
    /// Patient ID; * and ? are wildcards.
    #[arg(long, value_name = "ID", help_heading = "Filter")]
    pub patient_id: Option<Text>,
    /// Patient name, FAMILY^GIVEN; * and ? are wildcards.
    #[arg(long, value_name = "NAME", help_heading = "Filter")]
    pub patient_name: Option<Text>,
    /// UID of the study.
    #[arg(long, value_name = "UID", help_heading = "Filter")]
    pub study_uid: Option<Uid>,
    /// Accession number.
    #[arg(long, value_name = "NUMBER", help_heading = "Filter")]
    pub accession: Option<Text>,
    /// Studies or series of this modality: CT, MR, ...
    #[arg(long, value_name = "CODE", help_heading = "Filter")]
    pub modality: Option<ModalityCode>,
    /// Date of the study, YYYYMMDD or YYYYMMDD-YYYYMMDD.
    #[arg(long, value_name = "DATE", allow_hyphen_values = true, help_heading = "Filter")]
    pub date: Option<DateRange>,
    /// Print one JSON array on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Also print patient names and IDs, accession numbers, dates and descriptions.
    #[arg(long, help_heading = "Output")]
    pub show_identifiers: bool,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Studies.
    Study,
    /// Series.
    Series,
}

/// A study, its patient's number in this list, and its series where they are asked for.
struct Found {
    study: Study,
    patient: Option<usize>,
    series: Vec<Series>,
}

/// A line of the list: names and values.
type Row = Vec<(&'static str, Value)>;

/// Runs `recon pacs find`.
///
/// # Errors
/// See [`crate::commands::session::failure`].
pub fn run(args: &FindArgs) -> Result<()> {
    let rows: Vec<Row> = found(args)?.iter().flat_map(|found| rows(found, args)).collect();
    if args.json {
        let object =
            |row: Row| Value::Object(row.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>());
        return context::print(&Value::Array(rows.into_iter().map(object).collect()).to_string());
    }
    match rows.is_empty() {
        true => context::print("nothing matches"),
        false => context::print(&table(&rows)),
    }
}

fn found(args: &FindArgs) -> Result<Vec<Found>> {
    let node = args.node.node();
    let filter = Filter {
        patient_id: args.patient_id.clone(),
        patient_name: args.patient_name.clone(),
        study: args.study_uid.clone(),
        accession: args.accession.clone(),
        modality: args.modality.clone(),
        date: args.date.clone(),
    };
    let mut finder = Finder::open(&node)?;
    let mut patients: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for study in finder.studies(&filter)? {
        let series = match args.level {
            Level::Study => Vec::new(),
            Level::Series => finder.series(&study.uid, &filter)?,
        };
        let patient = study.identity.patient_id.as_ref().map(|id| number(&mut patients, id));
        found.push(Found { study, patient, series });
    }
    finder.close();
    Ok(found)
}

/// The number of a patient in this list, from 1.
fn number(patients: &mut Vec<String>, id: &str) -> usize {
    let known = patients.iter().position(|known| known == id);
    1 + known.unwrap_or_else(|| {
        patients.push(id.to_owned());
        patients.len() - 1
    })
}

fn rows(found: &Found, args: &FindArgs) -> Vec<Row> {
    let Found { study, patient, series } = found;
    let of_study = || {
        let mut row: Row = vec![("study_uid", json!(study.uid)), ("patient", json!(patient))];
        row.extend(args.show_identifiers.then(|| identity(&study.identity)).into_iter().flatten());
        row
    };
    match args.level {
        Level::Study => {
            let mut row = of_study();
            row.push(("modalities", json!(study.modalities)));
            row.extend([("series", json!(study.series)), ("images", json!(study.images))]);
            vec![row]
        }
        Level::Series => {
            let one = |series: &Series| {
                let mut row = of_study();
                row.push(("series_uid", json!(series.uid)));
                row.extend([("modality", json!(series.modality)), ("number", json!(series.number))]);
                row.push(("images", json!(series.images)));
                let shown = args.show_identifiers.then(|| json!(series.description));
                row.extend(shown.map(|description| ("series_description", description)));
                row
            };
            series.iter().map(one).collect()
        }
    }
}

fn identity(identity: &Identity) -> Row {
    let Identity { patient_id, patient_name, accession, date, description } = identity;
    vec![
        ("patient_id", json!(patient_id)),
        ("patient_name", json!(patient_name)),
        ("accession", json!(accession)),
        ("date", json!(date)),
        ("description", json!(description)),
    ]
}

/// Columns of one width each.
fn table(rows: &[Row]) -> String {
    let names: Vec<String> = rows.first().into_iter().flatten().map(|(name, _)| (*name).to_owned()).collect();
    let cells = |row: &Row| row.iter().map(|(_, value)| words(value)).collect();
    let lines: Vec<Vec<String>> = std::iter::once(names).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A value as it may go to a terminal.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => shown(text),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_command_no_terminal() {
        let row = |a: &str, b: usize| vec![("uid", json!(a)), ("images", json!(b))];
        assert_eq!(
            table(&[row("1.2\u{1b}3", 5), row("1.2.3.4", 120)]),
            "uid      images\n1.2 3    5\n1.2.3.4  120"
        );
    }

    #[test]
    fn patients_are_numbered_as_they_come() {
        let mut patients = Vec::new();
        let numbers: Vec<usize> = ["b", "a", "b"].iter().map(|id| number(&mut patients, id)).collect();
        assert_eq!(numbers, [1, 2, 1]);
    }
}
