//! Bad input: a clear error, exit code 2, nothing lost.

use crate::program::{Workplace, stderr};
use cache::{Dtype, FeatureCache, synthetic::SyntheticCache};
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

const LORT: &str = "epochs = 1\n[[method]]\nname = \"lort\"\n";

/// A grid of 1,002,000 heads in a few lines.
fn million() -> String {
    let list = |count: u32| (0..count).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    format!(
        "seeds = [{}]\nepochs = [{}]\n[[method]]\nname = \"ce\"\n",
        list(1000),
        list(1003).replacen("0, ", "", 1)
    )
}

/// Writes a file that looks as old as it was: one that is younger than its manifest has its checksum looked at.
fn write_as_of_old(path: &Path, bytes: &[u8]) {
    let modified = path.metadata().unwrap().modified().unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
}

/// The errors of sweeps that cannot run, as printed.
#[test]
fn sweeps_that_cannot_run_say_why() {
    let mut report = String::new();
    let mut case = |name: &str, cache: &SyntheticCache, grid: &str, prepare: &dyn Fn(&Workplace)| {
        let place = Workplace::new(cache);
        prepare(&place);
        let output = place.sweep(grid, "runs");
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        let message: Vec<_> =
            stderr(&output).lines().filter(|line| !line.starts_with("device:")).map(str::to_owned).collect();
        report += &format!("[{name}]\n{}\n", message.join("\n"));
        assert!(
            !place.path("runs").is_dir() || fs::read_dir(place.path("runs")).unwrap().count() == 0,
            "{name}"
        );
    };
    let normal = SyntheticCache::default();
    let nothing: &dyn Fn(&Workplace) = &|_| ();
    case("unknown method", &normal, "[[method]]\nname = \"lotr\"\n", nothing);
    case("unknown parameter", &normal, "[[method]]\nname = \"lort\"\ndelat = 0.9\n", nothing);
    case("parameter of no method", &normal, "learning_rate = 0.1\n[[method]]\nname = \"ce\"\n", nothing);
    case("value out of range", &normal, "[[method]]\nname = \"lort\"\ndelta = 2\n", nothing);
    case("empty axis", &normal, "[[method]]\nname = \"lort\"\ndelta = []\n", nothing);
    case("no seeds", &normal, &format!("seeds = []\n{LORT}"), nothing);
    case("more than a million heads", &normal, &million(), nothing);
    case("no augmented views", &normal, &format!("view = \"augmented\"\n{LORT}"), nothing);
    let unvalidated = SyntheticCache { val_per_class: 0, ..normal.clone() };
    case("no validation split", &unvalidated, &format!("protocols = [\"val\"]\n{LORT}"), nothing);
    case("no test split", &SyntheticCache { test_per_class: 0, ..normal.clone() }, LORT, nothing);
    case(
        "classes without samples",
        &SyntheticCache { class_counts: vec![9, 0, 3, 0], ..normal.clone() },
        "[[method]]\nname = \"balanced-softmax\"\n[[method]]\nname = \"ncm\"\n[[method]]\nname = \"vs\"\n",
        nothing,
    );
    case("no cache", &normal, LORT, &|place| fs::remove_dir_all(place.path("cache")).unwrap());
    case(
        "features are not finite",
        &SyntheticCache { dtype: Dtype::F16, ..normal.clone() },
        LORT,
        &|place| {
            let path = place.path("cache/train.clean/00001.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.len();
            bytes[end - 2..].copy_from_slice(&0x7c00_u16.to_le_bytes());
            write_as_of_old(&path, &bytes);
        },
    );
    case("a feature of a view that only measures is not a number", &normal, LORT, &|place| {
        let path = place.path("cache/test.flipped/00000.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let text: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
        // Row 5 of 64.
        let start = 8 + header + text["features"]["data_offsets"][0].as_u64().unwrap() as usize;
        let place = start + 4 * 5 * normal.dim;
        bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        write_as_of_old(&path, &bytes);
    });
    case("cache is a file", &normal, LORT, &|place| {
        fs::remove_dir_all(place.path("cache")).unwrap();
        fs::write(place.path("cache"), "no folder").unwrap();
    });
    case("runs is a file", &normal, LORT, &|place| fs::write(place.path("runs"), "no folder").unwrap());
    insta::assert_snapshot!(report);
}

#[test]
fn methods_without_priors_cope_with_classes_without_samples() {
    let place = Workplace::new(&SyntheticCache { class_counts: vec![30, 0, 9], ..SyntheticCache::default() });
    let grid = "epochs = 1\n[[method]]\nname = \"lort\"\n[[method]]\nname = \"cb-ce\"\n[[method]]\nname = \"tau-norm\"\n";
    let output = place.sweep(grid, "runs");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_torn_last_record_is_a_warning_and_its_head_runs_again() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(LORT, "runs");
    let whole = place.records("runs");
    let mut files = fs::read_dir(place.path("runs")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.is_file()).unwrap();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let output = place.sweep(LORT, "runs");
    assert!(output.status.success() && stderr(&output).contains("warning:"), "{}", stderr(&output));
    assert!(place.records("runs") == whole, "the head ran again to another result");
}

#[test]
fn repeated_points_run_once_and_are_told_once() {
    let place = Workplace::new(&SyntheticCache::default());
    let output =
        place.sweep(&format!("{LORT}delta = [0.9, 0.9]\n[[method]]\nname = \"los\"\ndelta = 0.9\n"), "runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stderr(&output).matches("the grid repeats points (2 times)").count(),
        1,
        "{}",
        stderr(&output)
    );
    assert_eq!(place.records("runs").len(), 1);
}

/// A folder that this user may not write to: for an ordinary user one without the permission, for root the kernel's.
fn read_only_folder(place: &Workplace) -> Option<PathBuf> {
    let locked = place.path("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let refuses = |folder: &PathBuf| match fs::create_dir(folder.join("probe")) {
        Ok(()) => fs::remove_dir(folder.join("probe")).is_err(),
        Err(error) => {
            matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
        }
    };
    [locked, PathBuf::from("/sys")].into_iter().find(refuses)
}

#[test]
fn a_folder_that_may_not_be_written_to_is_an_error_before_any_work() {
    let place = Workplace::new(&SyntheticCache::default());
    let Some(folder) = read_only_folder(&place) else {
        println!("skipped: this user may write everywhere");
        return;
    };
    // A folder that would have to be made, and one that is there.
    for out in [folder.join("runs"), folder] {
        let output = place.sweep(LORT, &out.display().to_string());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(&format!("error: cannot create `{}", out.display())), "{message}");
        assert!(message.contains("hint: choose a folder that you may write to"), "{message}");
        assert!(!message.contains("1 to do"), "the plan was begun: {message}");
    }
}

/// A limit on the size of files stands for the full disk: the system refuses the write, and the program must say so.
#[test]
fn a_full_disk_stops_the_sweep_and_loses_no_finished_head() {
    let place = Workplace::new(&SyntheticCache::default());
    let lr: Vec<String> = (1..=40).map(|i| format!("{i}e-4")).collect();
    let grid = format!("epochs = 2\nlr = [{}]\n[[method]]\nname = \"lort\"\n", lr.join(", "));
    let arguments = ["--workers", "1", "--group-memory", "0"];
    assert!(place.sweep_command(&grid, "whole").args(arguments).status().unwrap().success());
    let program = env!("CARGO_BIN_EXE_retrainer");
    // 16 blocks of 512 or 1024 bytes; the signal that comes with the refusal is ignored, as on a full disk there is none.
    let line = format!(
        "trap '' XFSZ; ulimit -f 16; exec '{program}' sweep --device cpu --cache cache --grid grid.toml --out runs {}",
        arguments.join(" ")
    );
    let full = Command::new("sh").args(["-c", &line]).current_dir(place.path("")).output().unwrap();
    let message = stderr(&full);
    assert_eq!(full.status.code(), Some(2), "{message}");
    assert!(message.contains("error: cannot write `runs/records-"), "{message}");
    assert!(message.contains("hint: raise the limit on the size of files"), "{message}");
    let kept = place.records("runs");
    assert!((1..40).contains(&kept.len()), "{} of 40 heads", kept.len());
    let roomy = place.sweep_command(&grid, "runs").args(arguments).output().unwrap();
    assert!(roomy.status.success() && !stderr(&roomy).contains("warning:"), "{}", stderr(&roomy));
    assert!(
        stderr(&roomy).contains(&format!("{} to do, {} done", 40 - kept.len(), kept.len())),
        "{}",
        stderr(&roomy)
    );
    assert!(place.records("runs") == place.records("whole"), "other records than with space");
}

#[test]
fn runs_of_two_caches_share_a_folder_and_stay_apart() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(LORT, "runs");
    fs::rename(place.path("cache"), place.path("first")).unwrap();
    SyntheticCache { seed: 1, ..SyntheticCache::default() }.write(&place.path("cache")).unwrap();
    place.sweep(LORT, "runs");
    assert_eq!(place.records("runs").len(), 2);
    let keys: Vec<_> =
        ["first", "cache"].map(|name| FeatureCache::open(&place.path(name)).unwrap().cache_key()).to_vec();
    for record in place.records("runs").values() {
        assert!(keys.contains(&record["cache_key"].as_str().unwrap().to_owned()));
    }
}

/// A sweep that lacks what to train.
const SWEEP: [&str; 7] = ["sweep", "--cache", "cache", "--out", "runs", "--device", "cpu"];

/// One of two caches has no validation split: the error says which.
#[test]
fn a_report_by_validation_names_the_cache_that_has_none() {
    let place = Workplace::new(&SyntheticCache::default());
    assert!(place.sweep(LORT, "runs").status.success());
    fs::rename(place.path("cache"), place.path("validated")).unwrap();
    let without = SyntheticCache { val_per_class: 0, ..SyntheticCache::default() };
    without.write(&place.path("cache")).unwrap();
    assert!(place.sweep(LORT, "runs").status.success());
    let output = place.run(&["report", "runs", "--select", "val"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stderr(&output), @"
    error: 1 of 1 finished runs on the cache `cache` have no validation score, for example one of `lort`
    hint: use `--select last`, or make that cache again with a `val` split
    ");
}

/// Lists are typed with a blank after the comma, names with capitals.
#[test]
fn methods_are_found_as_they_are_typed_or_the_nearest_is_told() {
    let place = Workplace::new(&SyntheticCache::default());
    let sweep = |names| place.run(&[&SWEEP[..], &["--dry-run", "--method", names]].concat());
    assert!(sweep("lort, ncm").status.success());
    let output = sweep("SeeSaw");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `seesaw`?"), "{}", stderr(&output));
}

#[test]
fn a_grid_that_is_no_text_is_told_for_what_it_is() {
    let place = Workplace::new(&SyntheticCache::default());
    let utf16: Vec<u8> = "[[method]]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let told = [[b"\xff\xfe".as_slice(), &utf16].concat(), b"\x93NUMPY\x01\x00".to_vec()].map(|bytes| {
        fs::write(place.path("grid.toml"), bytes).unwrap();
        let output = place.run(&[&SWEEP[..], &["--grid", "grid.toml"]].concat());
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    });
    insta::assert_snapshot!(told.concat(), @r#"
    error: `grid.toml` is no text in UTF-8, expected a grid file
    hint: save it as UTF-8: editors that write UTF-16 or Latin-1 offer it where they save
    error: `grid.toml` is a NumPy file, expected a grid file
    hint: a grid file is TOML: `[[method]]` and `name = "lort"` make the shortest
    "#);
}

#[test]
fn export_refuses_what_it_cannot_repeat() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(LORT, "runs");
    let id = place.records("runs").into_keys().next().unwrap();
    fs::rename(place.path("cache"), place.path("first")).unwrap();
    SyntheticCache { seed: 1, ..SyntheticCache::default() }.write(&place.path("cache")).unwrap();
    let message = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(!place.path("head").exists());
        stderr(&output).replace(&id, "RUN")
    };
    let other = message(&["export", "runs", "--run", &id, "--out", "head"]);
    let unknown = message(&["export", "runs", "--run", "zzzz", "--out", "head"]);
    insta::assert_snapshot!(format!("{other}{unknown}"), @"
    error: run `RUN` cannot be trained again: `cache` holds other features
    hint: give the cache that it was trained on with `--cache`
    error: no run `zzzz` in `runs`
    hint: `retrainer report RUNS --format json` lists the run ids of each row
    ");
}

#[test]
fn export_says_what_to_give_it_instead() {
    let place = Workplace::new(&SyntheticCache { val_per_class: 0, ..SyntheticCache::default() });
    let grid = "epochs = 1\n[[method]]\nname = \"ce\"\nlr = [1e-3, 1e38]\n";
    assert_eq!(place.sweep(grid, "runs").status.code(), Some(1));
    let records = place.records("runs");
    let of = |status: &str| records.iter().find(|(_, record)| record["status"] == status).unwrap().0.as_str();
    let (ok, diverged) = (of("ok"), of("diverged"));
    let message = |id: &str, more: &[&str]| {
        let export = ["export", "runs", "--run", id, "--out", "head", "--device", "cpu"];
        let output = place.run(&[&export[..], more].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(!place.path("head").exists());
        stderr(&output).replace(ok, "OK").replace(diverged, "DIVERGED")
    };
    // A digit that no id has, in place of the second one.
    let misspelt = format!("{}x{}", &ok[..1], &ok[2..10]);
    let mut told = vec![
        message(diverged, &[]),
        message(ok, &["--select", "val"]),
        message(&misspelt, &[]).replace(&misspelt, "MISSPELT"),
        message("", &[])
            .replace("`OK` (ce), `DIVERGED` (ce)", "BOTH")
            .replace("`DIVERGED` (ce), `OK` (ce)", "BOTH"),
    ];
    fs::rename(place.path("cache"), place.path("elsewhere")).unwrap();
    told.push(message(ok, &[]));
    let moved = ["export", "runs", "--run", ok, "--out", "head", "--device", "cpu", "--cache", "elsewhere"];
    assert!(place.run(&moved).status.success());
    insta::assert_snapshot!(told.concat(), @"
    error: run `DIVERGED` cannot be trained again: it diverged and has no weights
    hint: choose another run
    error: run `OK` cannot be trained again: the cache has no validation split to choose an epoch by
    hint: use `--select last`
    error: no run `MISSPELT` in `runs`
    hint: did you mean `OK`?
    error: run id `` is ambiguous: 2 runs start with it
    hint: give more digits of one of BOTH
    error: run `OK` was trained on the cache `cache`, which is not there
    hint: say where it is now with `--cache CACHE`
    ");
}

#[test]
fn a_report_that_has_no_place_says_what_is_there_and_what_helps() {
    let place = Workplace::new(&SyntheticCache::default());
    assert!(place.sweep(LORT, "runs").status.success());
    fs::write(place.path("file"), "somebody's own").unwrap();
    fs::create_dir(place.path("folder.md")).unwrap();
    let mut told = String::new();
    for arguments in [
        &["--all", "--out", "file"][..],
        &["--all", "--out", "/dev/null"],
        &["--all", "--out", "file/inside"],
        &["--out", "folder.md"],
        &["--out", "file/inside.md"],
        &["--method", "nope"],
        &["--method", "lor"],
        &["--baseline", "los", "--method", "tau-norm"],
    ] {
        let output = place.run(&[&["report", "runs"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        told += &format!("[{}]\n{}", arguments.join(" "), stderr(&output));
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"somebody's own");
    insta::assert_snapshot!(told);
}

/// Every command that reads records, with every kind of thing in their place; nothing waits, nothing is removed.
#[test]
fn what_is_no_folder_of_records_is_told_for_what_it_is() {
    let place = Workplace::new(&SyntheticCache::default());
    fs::create_dir(place.path("empty")).unwrap();
    fs::write(place.path("text"), "not a record\n").unwrap();
    fs::create_dir(place.path("pipes")).unwrap();
    for pipe in ["pipe", "pipes/records-1.jsonl"] {
        assert!(Command::new("mkfifo").arg(place.path(pipe)).status().unwrap().success());
    }
    let mut told = String::new();
    fs::copy(place.path("cache/manifest.json"), place.path("manifest.json")).unwrap();
    fs::copy(place.path("cache/stage1_head.safetensors"), place.path("weights")).unwrap();
    for runs in ["none", "empty", "text", "pipe", "pipes", "/dev/null", "cache", "manifest.json", "weights"] {
        let (report, all) = (vec!["report", runs], vec!["report", runs, "--all", "--out", "out"]);
        let export = vec!["export", runs, "--run", "0123", "--out", "head"];
        for command in [report, all, export] {
            let output = place.run(&command);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {}", stderr(&output));
            told += &format!(
                "[{} {runs}{}]\n{}",
                command[0],
                if command.len() == 5 { " --all" } else { "" },
                stderr(&output)
            );
        }
    }
    assert!(!place.path("head").exists() && !place.path("out/page.html").exists());
    // A sweep passes over what it cannot read, and says so.
    let output = place.sweep(LORT, "pipes");
    assert!(output.status.success() && stderr(&output).contains("not a regular file"), "{}", stderr(&output));
    insta::assert_snapshot!(told);
}

#[test]
fn a_dry_run_tells_the_memory_that_planning_takes_and_shares_what_seeds_have_in_common() {
    let place = Workplace::new(&SyntheticCache::default());
    let list = |count: usize| (1..=count).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let megabytes = |seeds: usize, epochs: usize| -> f64 {
        let grid =
            format!("seeds = [{}]\nepochs = [{}]\n[[method]]\nname = \"ce\"\n", list(seeds), list(epochs));
        let output =
            place.sweep_command(&grid, "runs").args(["--dry-run", "--workers", "1"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("memory")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (one, points, seeds) = (megabytes(1, 1), megabytes(1, 40_000), megabytes(40_000, 1));
    // Forty thousand heads of six hundred bytes; of a fifth less where they differ in their seeds alone.
    assert!(
        (20.0..26.0).contains(&(points - one)) && (15.0..20.0).contains(&(seeds - one)),
        "{one} {points} {seeds}"
    );
}

#[test]
fn a_head_of_another_cache_is_not_evaluated() {
    let place = Workplace::new(&SyntheticCache::default());
    let head = cache::Stage1Head {
        classes: 2,
        dim: 3,
        weight: vec![0.0; 6],
        bias: vec![0.0; 2],
        kind: cache::HeadKind::Linear,
    };
    head.write(&place.path("head")).unwrap();
    let output = place.run(&["evaluate", "--head", "head", "--cache", "cache"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stderr(&output), @"
    error: `head`: expected `weight` [5, 12], got [2, 3]
    hint: the head belongs to another backbone or data set: give that of these features
    ");
}

/// A cache is only read.
#[test]
fn records_do_not_go_into_a_cache() {
    let place = Workplace::new(&SyntheticCache::default());
    for out in ["cache", "cache/train.clean"] {
        let output = place.sweep_command(LORT, out).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(&format!("`{out}` is in a feature cache")), "{}", stderr(&output));
    }
    let kept = fs::read_dir(place.path("cache")).unwrap();
    assert!(kept.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with("records")));
}
