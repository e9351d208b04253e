//! A Slurm on loopback, for one test: its own keys, ports and folder, and nothing left of it.

use crate::common::{Folder, recon};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// As long as anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A controller, a node of 8 processors, and what they trust each other by.
pub(super) struct Slurm {
    folder: Folder,
    daemons: Vec<Child>,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) state: String,
    /// Exit code and signal, such as `4:0`.
    pub(super) exit: String,
    pub(super) restarts: u32,
}

/// Says on stderr, past the capture of the harness, what is left out.
pub(super) fn skipped(test: &str, why: &str) {
    let _ = std::io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes());
}

/// Whether the tests run as root, who alone may start the daemons and mount disks.
pub(super) fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|about| about.uid() == 0)
}

/// A program, also of those that are not for everybody.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until something is there.
pub(super) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Slurm {
    /// Starts one, where there is a Slurm and the right to; else says that `test` is skipped.
    pub(super) fn start(test: &str) -> Option<Self> {
        let [Some(munged), Some(controller), Some(node)] = ["munged", "slurmctld", "slurmd"].map(program)
        else {
            skipped(test, "needs Slurm; apt-get install slurm-wlm munge");
            return None;
        };
        if !is_root() {
            skipped(test, "only root may start Slurm");
            return None;
        }
        let folder = Folder::new();
        std::fs::set_permissions(folder.path(""), PermissionsExt::from_mode(0o755)).expect("set");
        let key = folder.bytes("key", &std::array::from_fn::<u8, 128, _>(|k| (k * 37 % 251) as u8));
        std::fs::set_permissions(key, PermissionsExt::from_mode(0o600)).expect("set");
        let mut slurm = Self { folder, daemons: Vec::new() };
        slurm.configure();
        let file = |name: &str| slurm.folder.path(name).display().to_string();
        let trust = ["socket", "key", "pid", "log", "seed"].map(|name| match name {
            "socket" => format!("--socket={}", file("munge.sock")),
            "key" => format!("--key-file={}", file("key")),
            other => format!("--{other}-file={}", file(&format!("munged.{other}"))),
        });
        let configured = ["-D".to_owned(), "-f".to_owned(), file("slurm.conf")];
        slurm.daemon(&munged, ["--foreground".to_owned(), "--force".to_owned()].iter().chain(&trust));
        wait_for("munged", || slurm.folder.path("munge.sock").exists().then_some(()));
        slurm.daemon(&controller, configured.iter());
        slurm.daemon(&node, configured.iter().chain(&["-N".to_owned(), "localhost".to_owned()]));
        wait_for("the node", || slurm.said("sinfo -h -o %t").contains("idle").then_some(()));
        Some(slurm)
    }

    fn configure(&self) {
        let here = self.folder.path("");
        for name in ["state", "spool"] {
            std::fs::create_dir(self.folder.path(name)).expect("made");
        }
        let text = include_str!("slurm.conf")
            .replace("{folder}", here.to_str().expect("UTF-8").trim_end_matches('/'))
            .replace("{controller port}", &port().to_string())
            .replace("{node port}", &port().to_string());
        self.folder.bytes("slurm.conf", text.as_bytes());
    }

    fn daemon<'a>(&mut self, program: &Path, arguments: impl Iterator<Item = &'a String>) {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().expect("started"));
    }

    /// The program, in a folder, where it finds this Slurm.
    pub(super) fn recon(&self, folder: &Folder, arguments: &str) -> assert_cmd::Command {
        let mut command = folder.recon(arguments);
        command.env("SLURM_CONF", self.configuration());
        command
    }

    /// Where its configuration is, for `SLURM_CONF`.
    pub(super) fn configuration(&self) -> PathBuf {
        self.folder.path("slurm.conf")
    }

    /// What a command of Slurm says.
    pub(super) fn said(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().expect("a command"));
        command.args(words).env("SLURM_CONF", self.configuration());
        String::from_utf8(command.output().expect("started").stdout).expect("UTF-8")
    }

    /// The tasks of a job array, in their order.
    pub(super) fn tasks(&self, job: &str) -> Vec<Job> {
        let text = self.said(&format!("scontrol show job -o {job}"));
        let field = |line: &str, name: &str| {
            let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        let mut jobs: Vec<(u32, Job)> = text
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| {
                let restarts = field(line, "Restarts").parse().expect("a number");
                let job = Job { state: field(line, "JobState"), exit: field(line, "ExitCode"), restarts };
                (field(line, "ArrayTaskId").parse().unwrap_or(0), job)
            })
            .collect();
        jobs.sort_by_key(|(task, _)| *task);
        jobs.into_iter().map(|(_, job)| job).collect()
    }

    /// The tasks of a job array when all have ended.
    pub(super) fn ended(&self, job: &str, count: usize) -> Vec<Job> {
        let is_over = |job: &Job| ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"].contains(&&*job.state);
        wait_for("the end of all tasks", || {
            let tasks = self.tasks(job);
            (tasks.len() == count && tasks.iter().all(is_over)).then_some(tasks)
        })
    }

    /// Submits the plan of a folder, and gives the number of the job.
    pub(super) fn submit(&self, folder: &Folder, options: &str) -> String {
        let output =
            self.recon(folder, &format!("batch submit --slurm plan.toml {options}")).output().expect("run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let job = String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned();
        assert!(job.parse::<u32>().is_ok(), "{job:?} is no number of a job; {said}");
        job
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        self.said("scancel -u root");
        let begin = Instant::now();
        while !self.said("squeue -h").is_empty() && begin.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(100));
        }
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// The program by its path.
pub(super) fn binary() -> PathBuf {
    recon("").get_program().into()
}
