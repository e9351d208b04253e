//! The Snakemake recipe on Slurm. It takes most of a minute and a file in `/etc`, so `RECON_SNAKEMAKE=1` asks for it.

use super::server::{Slurm, binary, program, skipped};
use super::{PLAN, alone, images, study};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Slurm looks for its configuration: what Snakemake submits does not inherit `SLURM_CONF`.
const CONFIGURATION: &str = "/etc/slurm/slurm.conf";

/// That file, until it is dropped.
struct Configured(PathBuf);

impl Configured {
    /// None where this machine has its own.
    fn of(slurm: &Slurm) -> Option<Self> {
        let place = PathBuf::from(CONFIGURATION);
        let text = std::fs::read(slurm.configuration()).expect("there");
        (!place.exists()).then(|| std::fs::write(&place, text).map(|()| Self(place)).ok()).flatten()
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn snakemake_runs_a_plan_on_slurm() {
    let test = "snakemake_runs_a_plan_on_slurm";
    if std::env::var_os("RECON_SNAKEMAKE").is_none_or(|value| value != "1") {
        return skipped(test, "RECON_SNAKEMAKE=1 asks for it");
    }
    let snakemake = program("snakemake").expect("RECON_SNAKEMAKE=1, and no snakemake on the PATH");
    let Some(slurm) = Slurm::start(test) else { return };
    let Some(_configured) = Configured::of(&slurm) else {
        return skipped(test, "this machine has a slurm.conf of its own, or none can be written");
    };
    let folder = study(4, 24, PLAN);
    let whole = alone(&folder);
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/recipes");
    // It does not hear SIGTERM while it waits for accounts that nobody keeps.
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "240"]).arg(snakemake).arg("--profile").arg(recipes.join("profiles/slurm"));
    command.arg("--snakefile").arg(recipes.join("Snakefile")).current_dir(folder.path(""));
    let accounts =
        "--slurm-no-account --slurm-status-command squeue --slurm-init-seconds-before-status-checks 3";
    command.args(accounts.split(' ')).args(["--config", "plan=plan.toml", "shards=2", "mem_mb=500"]);
    command.arg(format!("recon={}", binary().display())).env("HOME", folder.path("home"));
    let output = command.output().expect("started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(images(&folder.path("out")), whole);
    let status = std::fs::read_to_string(folder.path("plan-marks/status.json")).expect("written");
    assert!(status.contains("\"done\":4"), "{status}");
}
