//! Ends a program at instants all over its run, gives the same command again, and compares what is there in the end.
//!
//! `KILLS=50 cargo test -p extractor -p retrainer --test extractor_cli --test retrainer_cli kills` does so at 50 instants of each
//! command; by default there are two.

use std::{
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Names and bytes of what a command made.
pub(crate) type Made = Vec<(String, Vec<u8>)>;

/// The ways to end a process: without warning, as a scheduler does, and Ctrl-C; with the statuses that may follow.
const SIGNALS: [(&str, &[i32]); 3] = [("-KILL", &[]), ("-TERM", &[75]), ("-INT", &[1])];

/// How many times each command is ended.
fn instants() -> u32 {
    std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(2)
}

/// Checks a command that works in an empty folder of its own: `command` starts it there, `made` is what it leaves.
pub(crate) fn survives(name: &str, command: impl Fn(&Path) -> Command, made: impl Fn(&Path) -> Made) {
    let whole = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let output = command(whole.path()).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let (length, expected) = (started.elapsed(), made(whole.path()));
    assert!(!expected.is_empty(), "{name} made nothing");
    let mut ended = 0;
    for index in 0..instants() {
        // Multiples of the golden ratio fall everywhere, and never twice on the same place.
        let fraction = (0.37 + 0.618_034 * f64::from(index)).fract();
        let (signal, statuses) = SIGNALS[index as usize % SIGNALS.len()];
        let place = tempfile::tempdir().unwrap();
        let status = end_after(length.mul_f64(fraction), signal, command(place.path()));
        let what = format!("{name} {signal} at {fraction:.2} of {length:.1?}");
        check_status(status, signal, statuses, &what);
        ended += u32::from(!status.success());
        if !status.success() {
            let again = command(place.path()).output().unwrap();
            let stderr = String::from_utf8_lossy(&again.stderr);
            // The last step may have been done: commands that make a new thing refuse then to make it again.
            assert!(again.status.success() || made(place.path()) == expected, "{what}: {stderr}");
        }
        assert!(made(place.path()) == expected, "{what}: the results differ");
        let left = leftovers(place.path());
        assert!(left.is_empty(), "{what}: {left:?} is left");
    }
    assert!(instants() < 6 || ended > 0, "{name} always ended before it could be stopped");
}

fn end_after(wait: Duration, signal: &str, mut command: Command) -> ExitStatus {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(wait);
    // Not waited for yet, so that the number is still this process's.
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap()
}

/// A process that is ended is ended by the signal before it listens to it, or says with its status that it stopped, or was done.
fn check_status(status: ExitStatus, signal: &str, statuses: &[i32], what: &str) {
    use std::os::unix::process::ExitStatusExt;
    let number = match signal {
        "-KILL" => 9,
        "-TERM" => 15,
        _ => 2,
    };
    let fine = status.success()
        || status.signal() == Some(number)
        || status.code().is_some_and(|code| statuses.contains(&code));
    assert!(fine, "{what}: {status}");
}

/// Temporary files and announcements of work that was begun, in a folder and below.
fn leftovers(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name.contains("partial") {
            found.push(name);
        } else if path.is_dir() {
            found.extend(leftovers(&path));
        }
    }
    found
}
