//! Who works on a case, so that others can tell whether they still do.

use serde::{Deserialize, Serialize};

/// A process on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Name of the machine.
    pub host: String,
    /// What is different after it was started again, and in another container on it.
    pub boot: String,
    /// Number of the process.
    pub pid: u32,
    /// When the process began, in ticks since the machine did: numbers of processes are used again.
    pub began: u64,
}

impl Worker {
    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self { host: host(), boot: boot(), pid, began: began(pid).unwrap_or(0) }
    }

    /// Whether the process is there, if it would be on this machine; others cannot be seen from here.
    pub fn is_alive(&self) -> Option<bool> {
        let here = !self.boot.is_empty() && self.host == host() && self.boot == boot();
        here.then(|| began(self.pid) == Some(self.began))
    }
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn host() -> String {
    let name = text("/proc/sys/kernel/hostname");
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// The boot of the machine and the namespace of process numbers; empty where the system does not tell.
fn boot() -> String {
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    match text("/proc/sys/kernel/random/boot_id") {
        id if id.is_empty() => id,
        id => format!("{id} {}", namespace.display()),
    }
}

/// The 22nd field of the process's `stat`; the second, its name, may hold spaces and brackets.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    // A zombie has ended.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_while_it_lives() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("started");
        let worker = Worker { pid: child.id(), began: began(child.id()).expect("seen"), ..Worker::this() };
        assert_eq!(worker.is_alive(), Some(true));
        // The same number given to another process.
        assert_eq!(Worker { began: worker.began + 1, ..worker.clone() }.is_alive(), Some(false));
        assert_eq!(Worker { host: "elsewhere".into(), ..worker.clone() }.is_alive(), None);
        child.kill().expect("killed");
        // Not waited for, so a zombie soon.
        let gone = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            worker.is_alive() == Some(false)
        });
        assert!(gone);
        child.wait().expect("gone");
        assert_eq!(worker.is_alive(), Some(false));
        assert_eq!(Worker::this().is_alive(), Some(true));
    }
}
