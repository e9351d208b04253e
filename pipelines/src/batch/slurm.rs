//! A batch as a job array of Slurm: the text of its script, and the words that may stand in it.

use crate::Refused;
use std::path::Path;

/// A job array whose tasks work through a batch, each its own part.
#[derive(Clone, Debug)]
pub struct JobArray<'a> {
    /// The program.
    pub program: &'a Path,
    /// The plan.
    pub plan: &'a Path,
    /// The folder of what tasks say, a file each.
    pub logs: &'a Path,
    /// How many tasks there are.
    pub tasks: usize,
    /// How many of them run at a time, if not all may.
    pub throttle: Option<usize>,
    /// Whether a task goes on in another job when its time is over or its machine is gone.
    pub requeue: bool,
    /// How often a case that fails is tried again.
    pub retries: u32,
    /// Further options of sbatch, such as `--partition=long`, one a word.
    pub options: &'a [String],
}

/// Before the end of its time a job is told of it, by this many seconds; Slurm may do so up to a minute earlier.
const NOTICE: u32 = 120;
/// The least time of a job in seconds: less would be hardly more than the notice.
const LEAST: u64 = 300;
/// As often a task goes on in another job, in case a slice takes longer than a job may.
const RESTARTS: u32 = 100;

impl JobArray<'_> {
    /// The script, for sbatch.
    ///
    /// # Errors
    /// When a path or an option cannot stand in it.
    pub fn script(&self) -> Result<String, Refused> {
        let Self { tasks, retries, .. } = *self;
        let (program, plan) = (shell_word(text_of(self.program)?), shell_word(text_of(self.plan)?));
        let directives: Vec<String> = self.directives()?.iter().map(|option| directive(option)).collect();
        let (directives, again) = (directives.concat(), if self.requeue { REQUEUE } else { "" });
        let again = again.replace("{restarts}", &RESTARTS.to_string());
        Ok(format!(
            r#"#!/bin/bash
# Made by `recon batch submit`. Submit it again to continue with what is not done.
{directives}
# Slurm tells the script that the time is almost over, and the script tells the program, which finishes its slices.
notice= heard= program=
trap 'notice=yes heard=yes; kill -USR1 $program' USR1
trap 'heard=yes; kill -TERM $program' TERM INT
{program} batch {plan} --resume --retries {retries} --shard "$SLURM_ARRAY_TASK_ID/{tasks}" &
program=$! heard=yes
# A signal ends the wait and not the program.
while [[ $heard ]]; do
    heard=
    wait "$program"
    code=$?
done
{again}exit "$code"
"#
        ))
    }

    fn directives(&self) -> Result<Vec<String>, Refused> {
        let Self { tasks, requeue, .. } = *self;
        let throttle = self.throttle.map(|most| format!("%{most}")).unwrap_or_default();
        let name = self.plan.file_stem().unwrap_or_default().to_string_lossy();
        // Slurm would take % for one of its patterns.
        let logs = text_of(self.logs)?.replace('%', "%%");
        let mut all = vec![
            format!("--job-name=recon-{name}"),
            format!("--array=1-{tasks}{throttle}"),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--output={logs}/%A_%a.log"),
            "--open-mode=append".to_owned(),
            format!("--signal=B:USR1@{NOTICE}"),
            if requeue { "--requeue" } else { "--no-requeue" }.to_owned(),
        ];
        all.extend(self.options.iter().cloned());
        match all.iter().find(|option| !is_option(option)) {
            Some(option) => Err(Refused::Usage(format!(
                "{option}: is not an sbatch option in one word; write --name or --name=value"
            ))),
            None => Ok(all),
        }
    }
}

/// What a script ends with that asks for another job. Only a notice leads there: a job that was cancelled stays so.
const REQUEUE: &str = r#"if [[ $notice && $code -gt 128 && ${SLURM_RESTART_COUNT:-0} -lt {restarts} ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
"#;

fn is_option(word: &str) -> bool {
    let name = word.strip_prefix("--").unwrap_or_default().split('=').next().unwrap_or_default();
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !word.contains(char::is_control)
}

fn text_of(path: &Path) -> Result<&str, Refused> {
    // Slurm takes a backslash in a name of a log for the end of its patterns.
    path.to_str().filter(|text| !text.contains('\\') && !text.contains(char::is_control)).ok_or_else(|| {
        Refused::Usage(format!("{}: cannot be written in a Slurm script; rename it", path.display()))
    })
}

/// A word for a shell.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// An option as a line of `#SBATCH` has it: in quotes where it must be, in which a backslash takes the meaning from the
/// character after it.
fn directive(option: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=.,:/%@+".contains(c);
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    if value.chars().all(plain) {
        return format!("#SBATCH {option}\n");
    }
    let value = ['\\', '"', '#'].iter().fold(value.to_owned(), |text, c| text.replace(*c, &format!("\\{c}")));
    format!("#SBATCH {name}=\"{value}\"\n")
}

/// A name of a partition, an account or GPUs, such as `long`, `gpu,short` or `a100:2`.
///
/// # Errors
/// Says what was expected.
pub fn label(text: &str) -> Result<String, String> {
    let fine = |c: char| c.is_alphanumeric() || "-_.,:".contains(c);
    let label = Some(text).filter(|text| text.starts_with(char::is_alphanumeric) && text.chars().all(fine));
    label.map(str::to_owned).ok_or_else(|| "give a name, of letters, digits and . , : _ -".to_owned())
}

/// Memory of a job: `16G`, `500M`; a bare number is megabytes.
///
/// # Errors
/// Says what was expected.
pub fn memory(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text).parse::<u64>();
    let fine = number.is_ok_and(|number| number > 0);
    if fine {
        Ok(text.to_owned())
    } else {
        Err("give memory in Slurm's notation, such as 16G or 500M".to_owned())
    }
}

/// Time of a job: `90` (minutes), `1:30:00`, `2-12` (days and hours), `2-12:30`.
///
/// # Errors
/// Says what was expected.
pub fn time(text: &str) -> Result<String, String> {
    let seconds = seconds(text).ok_or(
        "give a time in Slurm's notation: minutes, hours:minutes:seconds or days-hours, such as 8:00:00",
    )?;
    if seconds < LEAST {
        return Err("is less than five minutes, the last two of which are for stopping; give more".to_owned());
    }
    Ok(text.to_owned())
}

fn seconds(text: &str) -> Option<u64> {
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let fields: Vec<u64> = rest
        .split(':')
        .map(|field| field.parse().ok().filter(|&number: &u64| number <= 1_000_000))
        .collect::<Option<_>>()?;
    let days = days
        .map(|days| days.parse().ok().filter(|&days: &u64| days <= 1000))
        .map_or(Some(None), |d| d.map(Some))?;
    // Without days the first of two fields is minutes, with days it is hours.
    let (hours, minutes, seconds) = match (days, &fields[..]) {
        (Some(_), &[h]) => (h, 0, 0),
        (Some(_), &[h, m]) => (h, m, 0),
        (None, &[m]) => (0, m, 0),
        (None, &[m, s]) => (0, m, s),
        (_, &[h, m, s]) => (h, m, s),
        _ => return None,
    };
    Some(((days.unwrap_or(0) * 24 + hours) * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array<'a>(logs: &'a str, options: &'a [String]) -> JobArray<'a> {
        JobArray {
            program: Path::new("/opt/it's here/recon"),
            plan: Path::new("/data/plan.toml"),
            logs: Path::new(logs),
            tasks: 4,
            throttle: Some(2),
            requeue: true,
            retries: 1,
            options,
        }
    }

    #[test]
    fn a_script_says_everything_once() {
        let options = ["--partition=long".to_owned(), "--mail-user=a b#c".to_owned()];
        let script = array("/out/100% of it/logs", &options).script().expect("a script");
        for line in [
            "#SBATCH --job-name=recon-plan",
            "#SBATCH --array=1-4%2",
            r#"#SBATCH --output="/out/100%% of it/logs/%A_%a.log""#,
            "#SBATCH --signal=B:USR1@120",
            "#SBATCH --requeue",
            "#SBATCH --partition=long",
            r##"#SBATCH --mail-user="a b\#c""##,
            r#"'/opt/it'\''s here/recon' batch '/data/plan.toml' --resume --retries 1 --shard "$SLURM_ARRAY_TASK_ID/4" &"#,
            r#"    scontrol requeue "$SLURM_JOB_ID""#,
        ] {
            assert_eq!(script.lines().filter(|other| *other == line).count(), 1, "{line} in\n{script}");
        }
        let once = JobArray { requeue: false, throttle: None, ..array("/logs", &[]) };
        let script = once.script().expect("a script");
        assert!(script.contains("#SBATCH --no-requeue\n") && script.contains("--array=1-4\n"), "{script}");
        assert!(!script.contains("scontrol"), "{script}");
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for option in ["rm", "-p", "--", "--a;b", "--x=1\n#SBATCH --y", "--=x"] {
            assert!(array("/logs", &[option.to_owned()]).script().is_err(), "{option:?}");
        }
        assert!(array("/a\nb", &[]).script().is_err());
        assert!(array("/a\\b", &[]).script().is_err());
    }

    #[test]
    fn values_are_those_of_slurm() {
        for good in ["90", "5:00", "1:30:00", "2-12", "2-12:30", "2-12:30:15"] {
            assert_eq!(time(good).as_deref(), Ok(good));
        }
        for bad in ["", "4", "4:59", "1h", "1:2:3:4", "-1", "1-", "x-1", "1e3"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (seconds("2-12"), seconds("5:30"), seconds("1-0:1")),
            (Some(216_000), Some(330), Some(86_460))
        );
        assert!(
            memory("16G").is_ok()
                && memory("500").is_ok()
                && memory("16 G").is_err()
                && memory("0M").is_err()
        );
        assert!(
            label("a100:2").is_ok() && label("-x").is_err() && label("a b").is_err() && label("").is_err()
        );
    }
}
