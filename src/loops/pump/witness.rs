//! Whether another process of this machine has died: known at once, where beats would tell it after seconds.
//!
//! The name of a process in the database carries the machine, the process number and when the process was started. Whoever
//! runs on the same start of the same machine, in the same space of process numbers, can ask the kernel. Everybody else, and
//! every answer that is not certain, is left to the beats.

use std::sync::LazyLock;

use rustix::process::{Pid, test_kill_process};
use sha2::{Digest as _, Sha256};

/// Which start of which machine this is, and which space of process numbers.
static PLACE: LazyLock<Option<String>> = LazyLock::new(|| {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let numbers = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let digest = Sha256::digest(format!("{}\n{}\n{}", boot.trim(), numbers.display(), host.trim()));
    Some(hex::encode(digest.get(..8)?))
});

/// A new name for this process: never given before, and telling as much as the machine tells.
pub(super) fn name() -> String {
    let id = uuid::Uuid::now_v7().simple();
    let pid = std::process::id();
    match (PLACE.as_deref(), started(pid)) {
        (Some(place), Some((_, at))) => format!("{id}.{place}.{pid}.{at}"),
        _ => id.to_string(),
    }
}

/// Whether the process of this name has certainly died.
pub(super) fn is_gone(name: &str) -> bool {
    gone(name).unwrap_or(false)
}

fn gone(name: &str) -> Option<bool> {
    let mut parts = name.split('.').skip(1);
    let (place, pid, at) = (parts.next()?, parts.next()?, parts.next()?);
    if Some(place) != PLACE.as_deref() {
        return None;
    }
    let number: u32 = pid.parse().ok()?;
    let asked = Pid::from_raw(i32::try_from(number).ok()?)?;
    if test_kill_process(asked) == Err(rustix::io::Errno::SRCH) {
        return Some(true);
    }
    // there is one of this number: an heir of the number, or a dead one that nobody has buried
    let (state, started) = started(number)?;
    Some(started != at || matches!(state, 'Z' | 'X'))
}

/// The state of a process, and when it was started, as the kernel counts.
fn started(pid: u32) -> Option<(char, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the second field is the name of the program, and may hold anything
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_gone_and_a_dead_one_is() {
        let own = name();
        assert!(!is_gone(&own));
        let (before, at) = own.rsplit_once('.').unwrap();
        let heir = format!("{before}.{}", at.parse::<u64>().unwrap() + 1);
        assert!(is_gone(&heir), "the same number, started at another time");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (_, at) = started(child.id()).unwrap();
        let place = PLACE.as_deref().unwrap();
        let name = format!("x.{place}.{}.{at}", child.id());
        child.wait().unwrap();
        assert!(is_gone(&name));
    }

    #[test]
    fn what_runs_elsewhere_is_left_to_the_beats() {
        assert!(!is_gone("0192f"));
        assert!(!is_gone("0192f.0000000000000000.999999999.5"));
    }
}
