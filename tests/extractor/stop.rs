//! Runs that are killed or stopped, and the same command again: the same result as without.

use crate::{
    dump::{DATA, MACHINE, trained},
    images::cifar10,
    program::{Files, Workplace, cache_files, files},
};
use std::{
    process::{Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// How a run is ended in its middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stop {
    /// `kill -9`: the program gets no chance to do anything.
    Kill,
    /// Ctrl-C.
    Interrupt,
    /// A scheduler's request.
    Terminate,
    /// The terminal is gone.
    HangUp,
}

impl Stop {
    fn signal(self) -> &'static str {
        match self {
            Self::Kill => "-KILL",
            Self::Interrupt => "-INT",
            Self::Terminate => "-TERM",
            Self::HangUp => "-HUP",
        }
    }
}

/// Starts the program and stops it as soon as `reached` says so.
pub(crate) fn stop_when(
    place: &Workplace,
    line: &str,
    stop: Stop,
    reached: impl Fn() -> bool,
) -> (ExitStatus, String) {
    let mut child = place.command(line).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "`{line}` ended before it could be stopped");
        assert!(started.elapsed() < Duration::from_secs(120), "`{line}` does not get there");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args([stop.signal(), &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

fn check_status(stop: Stop, status: ExitStatus, stderr: &str) {
    use std::os::unix::process::ExitStatusExt;
    if stop == Stop::Kill {
        assert_eq!(status.signal(), Some(9), "{stderr}");
    } else {
        let expected = if stop == Stop::Interrupt { 1 } else { 75 };
        assert_eq!(status.code(), Some(expected), "{stderr}");
        assert!(stderr.contains("stopped on request"), "{stderr}");
    }
}

/// Lines of `train.jsonl` without what time decides.
fn log_without_times(place: &Workplace, folder: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(place.path(folder).join("train.jsonl")).unwrap();
    let without_times = |line: &str| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields = record.as_object_mut().unwrap();
        assert!(fields.remove("seconds").is_some() && fields.remove("images_per_second").is_some());
        record
    };
    text.lines().map(without_times).collect()
}

const EPOCHS: usize = 5;
const TRAIN: &str = "train --dataset cifar10 --data data --device cpu --threads 1 --backbone resnet18 --width 0.25 \
                     --epochs 5 --batch-size 16 --out";

/// A folder with `data/` and the uninterrupted run `whole/`.
fn trained_without_a_stop() -> &'static Workplace {
    static PLACE: OnceLock<Workplace> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Workplace::new();
        cifar10(&place, "data", 10, 1);
        place.ok(&format!("{TRAIN} whole"));
        place
    })
}

fn training_goes_on(stop: Stop) {
    let place = trained_without_a_stop();
    let folder = format!("{stop:?}");
    let log = place.path(&folder).join("train.jsonl");
    let epochs = || std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let (status, stderr) = stop_when(place, &format!("{TRAIN} {folder}"), stop, || epochs() >= 1);
    check_status(stop, status, &stderr);
    assert!((1..EPOCHS).contains(&epochs()), "stopped in the middle");
    place.ok(&format!("{TRAIN} {folder}"));
    let checkpoint = |folder: &str| std::fs::read(place.path(folder).join("checkpoint.safetensors")).unwrap();
    assert!(checkpoint("whole") == checkpoint(&folder), "checkpoints differ");
    assert_eq!(log_without_times(place, &folder), log_without_times(place, "whole"));
    assert_eq!(log_without_times(place, "whole").len(), EPOCHS);
}

#[test]
fn a_killed_training_ends_with_the_same_bytes() {
    training_goes_on(Stop::Kill);
}

#[test]
fn a_training_stopped_on_request_ends_with_the_same_bytes() {
    training_goes_on(Stop::Interrupt);
}

#[test]
fn a_training_that_a_scheduler_stops_says_that_it_goes_on() {
    training_goes_on(Stop::Terminate);
}

/// `nohup`: what was ignored when the program was started stays so.
#[test]
fn a_hang_up_stops_a_dump_unless_it_is_ignored() {
    let place = trained();
    let line = dump_line("hung-up");
    let shard = place.path("hung-up/train.clean/00002.safetensors");
    let (status, stderr) = stop_when(place, &line, Stop::HangUp, || shard.exists());
    check_status(Stop::HangUp, status, &stderr);
    let program = env!("CARGO_BIN_EXE_extractor");
    let script = format!("trap '' HUP; '{program}' {line} & pid=$!; sleep 0.3; kill -HUP $pid; wait $pid");
    let run = Command::new("sh").args(["-c", &script]).current_dir(place.path("")).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
}

/// Two trainings in one folder would each take the other's checkpoint for its own.
#[test]
fn a_second_training_in_the_same_folder_is_refused_and_the_first_goes_on() {
    let place = trained_without_a_stop();
    let first = {
        let mut command = place.command(&format!("{TRAIN} twice"));
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    let log = place.path("twice/train.jsonl");
    let started = Instant::now();
    while !log.exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "the first training does not start");
        std::thread::sleep(Duration::from_millis(1));
    }
    let second = place.run(&format!("{TRAIN} twice"));
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    assert!(second.stderr.contains("error: another process is writing into `twice`"), "{}", second.stderr);
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let checkpoint = |folder: &str| std::fs::read(place.path(folder).join("checkpoint.safetensors")).unwrap();
    assert!(checkpoint("twice") == checkpoint("whole"), "checkpoints differ");
}

/// The weights do not depend on the log, but whoever plots it must know.
#[test]
fn a_missing_line_of_the_log_is_said_and_a_users_own_files_stay() {
    let place = trained_without_a_stop();
    place.ok(&format!("{TRAIN} logged"));
    let log = place.path("logged/train.jsonl");
    let lines: Vec<String> = std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    std::fs::write(
        &log,
        [&lines[0], "no line of ours", &lines[2], &lines[4]].map(|line| format!("{line}\n")).concat(),
    )
    .unwrap();
    place.write("logged/notes.tmp", "mine");
    place.write("logged/.longtail-killed000000.tmp", "half a checkpoint");
    let run = place.ok(&format!("{TRAIN} logged"));
    assert!(run.stderr.contains("lacks the lines of these finished epochs: 2, 4;"), "{}", run.stderr);
    assert_eq!(log_without_times(place, "logged").len(), 3);
    assert!(
        place.path("logged/notes.tmp").exists() && !place.path("logged/.longtail-killed000000.tmp").exists()
    );
}

fn dump_line(out: &str) -> String {
    format!(
        "dump --checkpoint base {DATA} --data data {MACHINE} --augmented 6 --batch-size 4 --shard-rows 4 --out {out}"
    )
}

/// The files of uninterrupted dumps: with batch normalisation evaluating, and training.
fn dumped_without_a_stop(batch_norm: &str) -> &'static Files {
    static FILES: [OnceLock<Files>; 2] = [OnceLock::new(), OnceLock::new()];
    FILES[usize::from(batch_norm == "train")].get_or_init(|| {
        let place = trained();
        let out = format!("never-stopped-{batch_norm}");
        place.ok(&dump_line(&format!("{out} --batch-norm {batch_norm}")));
        cache_files(&place.path(&out))
    })
}

fn a_dump_goes_on(stop: Stop, batch_norm: &str) {
    let place = trained();
    let stopped = format!("{stop:?}-stopped-{batch_norm}");
    let line = dump_line(&format!("{stopped} --batch-norm {batch_norm}"));
    let shard = place.path(&stopped).join("train.augmented-00/00002.safetensors");
    let (status, stderr) = stop_when(place, &line, stop, || shard.exists());
    check_status(stop, status, &stderr);
    assert!(!place.path(&stopped).join("manifest.json").exists(), "stopped in the middle");
    let refused = place.run(&format!("verify {stopped}"));
    assert!(refused.code == Some(2) && refused.stderr.contains("unfinished"), "{}", refused.stderr);
    // Finished shards are kept, not written again.
    let written = |path: &std::path::Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let before = written(&shard);
    place.ok(&line);
    assert_eq!(written(&shard), before);
    assert!(cache_files(&place.path(&stopped)) == *dumped_without_a_stop(batch_norm), "the caches differ");
}

#[test]
fn a_killed_dump_ends_with_the_same_bytes() {
    a_dump_goes_on(Stop::Kill, "eval");
}

#[test]
fn a_killed_dump_in_training_mode_ends_with_the_same_bytes() {
    a_dump_goes_on(Stop::Kill, "train");
}

#[test]
fn a_dump_stopped_on_request_ends_with_the_same_bytes() {
    a_dump_goes_on(Stop::Interrupt, "eval");
}

#[test]
fn a_dump_in_training_mode_stopped_on_request_ends_with_the_same_bytes() {
    a_dump_goes_on(Stop::Interrupt, "train");
}

#[test]
fn an_unfinished_dump_is_not_continued_with_other_settings() {
    let place = trained();
    let line = format!("dump --checkpoint base {DATA} --data data {MACHINE} --augmented 12 --batch-size 4");
    let shard = place.path("other/train.augmented-01/00000.safetensors");
    stop_when(place, &format!("{line} --shard-rows 4 --out other"), Stop::Kill, || shard.exists());
    for changed in ["--shard-rows 4 --augmented 1", "--shard-rows 40", "--shard-rows 4 --dtype f32"] {
        let line =
            line.replace("--augmented 12", if changed.contains("augmented") { "" } else { "--augmented 12" });
        let refused = place.run(&format!("{line} {changed} --out other"));
        assert_eq!(refused.code, Some(2), "{changed}: {}", refused.stderr);
        assert!(refused.stderr.contains("other settings"), "{changed}: {}", refused.stderr);
    }
}

/// A limit on the size of files stands for the full disk: the system refuses the write, and the program must say so.
#[test]
fn a_full_disk_is_an_error_and_the_dump_goes_on_where_there_is_space() {
    let place = trained();
    for batch_norm in ["eval", "train"] {
        let line = |out: &str| {
            format!(
                "dump --checkpoint base {DATA} --data data {MACHINE} --dtype f32 --batch-norm {batch_norm} --out {out}"
            )
        };
        let full = format!("full-{batch_norm}");
        let program = env!("CARGO_BIN_EXE_extractor");
        // 16 blocks of 512 or 1024 bytes; the signal that comes with the refusal must not end the program.
        let script = format!("ulimit -f 16; exec '{program}' {}", line(&full));
        let run = Command::new("sh").args(["-c", &script]).current_dir(place.path("")).output().unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.contains("error: could not write")
                && stderr.contains("hint: raise the limit on the size of files"),
            "{stderr}"
        );
        assert!(!place.path(&full).join("manifest.json").exists());
        assert!(!place.path(&full).join("train.clean/00000.safetensors").exists());
        place.ok(&line(&full));
        let roomy = format!("roomy-{batch_norm}");
        place.ok(&line(&roomy));
        assert!(cache_files(&place.path(&full)) == cache_files(&place.path(&roomy)), "the caches differ");
    }
}

/// As above, with files of 16 blocks at most: a checkpoint is larger.
#[test]
fn a_full_disk_leaves_no_checkpoint_and_the_training_goes_on_where_there_is_space() {
    let place = trained_without_a_stop();
    let program = env!("CARGO_BIN_EXE_extractor");
    let script = format!("ulimit -f 16; exec '{program}' {TRAIN} full");
    let run = Command::new("sh").args(["-c", &script]).current_dir(place.path("")).output().unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("error: could not write")
            && stderr.contains("hint: raise the limit on the size of files"),
        "{stderr}"
    );
    let left: Vec<_> =
        std::fs::read_dir(place.path("full")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["train.jsonl"]);
    let refused = place
        .run("dump --checkpoint full --dataset cifar10 --data data --device cpu --threads 1 --out no-cache");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    place.ok(&format!("{TRAIN} full"));
    let checkpoint = |folder: &str| std::fs::read(place.path(folder).join("checkpoint.safetensors")).unwrap();
    assert!(checkpoint("full") == checkpoint("whole"), "checkpoints differ");
    assert_eq!(log_without_times(place, "full"), log_without_times(place, "whole"));
}

/// The lock is a file lock on what announces the dump; here the test holds it.
#[test]
fn two_dumps_in_training_mode_do_not_write_one_cache_at_once() {
    let place = trained();
    let line = dump_line("locked --batch-norm train");
    let shard = place.path("locked/train.augmented-00/00002.safetensors");
    stop_when(place, &line, Stop::Kill, || shard.exists());
    let announced = std::fs::File::open(place.path("locked/manifest.partial.json")).unwrap();
    announced.lock().unwrap();
    let before = unfinished_files(place, "locked");
    let run = place.run(&line);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("error: another process is writing into `locked`"), "{}", run.stderr);
    assert!(unfinished_files(place, "locked") == before, "something was changed");
    drop(announced);
    place.ok(&line);
    assert!(cache_files(&place.path("locked")) == *dumped_without_a_stop("train"), "the caches differ");
}

/// The files of an unfinished dump, without those that a killed writer left.
fn unfinished_files(place: &Workplace, folder: &str) -> Files {
    files(&place.path(folder)).into_iter().filter(|(name, _)| !name.contains(".tmp")).collect()
}

/// Whether a process catches SIGTERM, by the system's word.
fn catches_termination(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok()).unwrap_or(0);
    caught >> 14 & 1 == 1
}

/// Before device, data and weights: from there on a request to stop never ends the process without a word.
#[test]
fn a_stop_is_heeded_from_its_first_moment() {
    let place = Workplace::new();
    cifar10(&place, "data", 10, 1);
    let mut child = place.command(&format!("{TRAIN} out")).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !catches_termination(child.id()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        assert!(started.elapsed() < Duration::from_secs(120), "it never catches the signal");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    check_status(Stop::Terminate, output.status, &String::from_utf8(output.stderr).unwrap());
}
