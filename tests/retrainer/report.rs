//! `retrainer report` on records written by the library, as a user sees it.

use experiment::{
    metrics::{MetricValues, TOP1},
    protocol::{PerScore, Protocol, Score, State, Unseen},
    records::{FORMAT_VERSION, Params, RunRecord, RunWriter, Status, Versions, run_id},
    report::{TABLES, figures::FIGURES},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn record(method: &str, params: &str, seed: u64, val: Option<f64>, top1: f64) -> RunRecord {
    let params: Params = serde_json::from_str(params).unwrap();
    let mut test = MetricValues::EMPTY;
    test.set(TOP1.all, Some(top1));
    test.set(TOP1.few, Some(top1 / 2.0));
    let val: PerScore<f64> = val.map(|top1| (Score::Top1, top1)).into_iter().collect();
    let last = State { epoch: 20, val, test: Unseen::new(test) };
    let chosen = (!last.val.is_empty()).then(|| (Protocol::Val, last.clone()));
    RunRecord {
        run_id: run_id("cache", method, &params, seed, "f32"),
        cache_key: "cache".to_owned(),
        cache: "caches/demo".to_owned(),
        method: method.to_owned(),
        params,
        seed,
        status: Status::Ok,
        added: None,
        diverged_at: None,
        curve: None,
        metrics: [(Protocol::BestOnTest, last.clone()), (Protocol::Last, last)]
            .into_iter()
            .chain(chosen)
            .collect(),
        per_class: None,
        per_class_at: BTreeMap::new(),
        seconds: 0.25,
        versions: Versions {
            retrainer: "0".to_owned(),
            torch: "0".to_owned(),
            commit: "0".to_owned(),
            format: FORMAT_VERSION,
        },
        device: "cpu".to_owned(),
        precision: "f32".to_owned(),
    }
}

/// Two seeds of `ce`, and of `lort` at two smoothing values; the better one on validation is the worse one on test.
pub fn write(runs: &Path, validated: bool) {
    let mut writer = RunWriter::create(runs).unwrap();
    for seed in [0, 1] {
        for (method, params, val, top1) in [
            ("ce", "{}", 0.4, [0.40, 0.42]),
            ("lort", r#"{"delta":0.9}"#, 0.5, [0.45, 0.49]),
            ("lort", r#"{"delta":0.98}"#, 0.3, [0.60, 0.62]),
        ] {
            let val = validated.then_some(val);
            writer.append(&record(method, params, seed, val, top1[usize::from(seed == 1)])).unwrap();
        }
    }
    writer.finish().unwrap();
}

pub fn report(runs: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retrainer")).arg("report").arg(runs).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn rows(runs: &Path, arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = report(runs, &[&["--format", "json"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_default_selects_on_validation_and_prints_one_table_without_color() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let output = report(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout), @"
    caches/demo (cache), select val
    #  method  hyper-parameters  seeds           all  many  medium           few   gain  magnitude  spread  95% ±  s/head  run
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    1  lort    delta=0.9             2  47.00 ± 2.83     -       -  23.50 ± 1.41  +6.00          -       -  25.41   0.250  e0209600f5
    2  ce                            2  41.00 ± 1.41     -       -  20.50 ± 0.71      -          -       -  12.71   0.250  9cb06e7a60
    select val: epoch and hyper-parameters chosen by validation accuracy; test seen once
    accuracies in percent, mean ± standard deviation over 2 seeds; many > 100, medium 20 to 100, few < 20 training samples per class
    gain: difference to `ce` in percentage points; none is marked: these runs do not record which test images they have right, so chance over images is unknown
    ! `lort`: selected delta=0.9 is the smallest of 2 values, the best may lie beyond: widen the grid
    ");
}

#[test]
fn json_rows_follow_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let lort = |rows: &[serde_json::Value]| rows.iter().find(|row| row["method"] == "lort").unwrap().clone();
    let validated = lort(&rows(folder.path(), &[]));
    assert_eq!((&validated["select"], &validated["n_seeds"]), (&"val".into(), &2.into()));
    assert_eq!(validated["params"], serde_json::json!({ "delta": 0.9 }));
    assert!((validated["top1.all"]["mean"].as_f64().unwrap() - 0.47).abs() < 1e-12);
    assert!((validated["top1.all"]["best"].as_f64().unwrap() - 0.49).abs() < 1e-12);
    assert_eq!(lort(&rows(folder.path(), &["--select", "best-on-test"]))["params"]["delta"], 0.98);
    assert_eq!(rows(folder.path(), &["--select", "last"]).len(), 3);
}

#[test]
fn without_validation_scores_the_default_is_last_and_val_an_error_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    assert!(rows(folder.path(), &[]).iter().all(|row| row["select"] == "last"));
    let output = report(folder.path(), &["--select", "val"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("error: 6 of 6 finished runs on the cache `"), "{stderr}");
    assert!(stderr.contains("hint: use `--select last`"), "{stderr}");
}

#[test]
fn the_extension_of_the_output_chooses_the_format_and_a_failure_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, out) = (folder.path().join("runs"), folder.path().join("table.md"));
    write(&runs, true);
    let out_argument = out.to_str().unwrap();
    assert!(report(&runs, &["--out", out_argument]).status.success());
    let table = fs::read_to_string(&out).unwrap();
    assert!(table.starts_with("### caches/demo"), "{table}");
    assert_eq!(
        report(&runs, &["--out", out_argument, "--select", "last", "--method", "lotr"]).status.code(),
        Some(2)
    );
    assert_eq!(fs::read_to_string(&out).unwrap(), table);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a temporary file is left");
    let unknown = report(&runs, &["--out", folder.path().join("table.xyz").to_str().unwrap()]);
    assert!(text(&unknown.stderr).contains("hint: give `--format`"), "{}", text(&unknown.stderr));
    let nowhere = report(&runs, &["--out", folder.path().join("none/table.md").to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn a_damaged_record_file_is_a_warning_and_the_rest_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    fs::write(folder.path().join("records-0.jsonl"), "{\"run_id\":\n{\"run_id\": \"torn").unwrap();
    let output = report(folder.path(), &["--format", "csv"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout).lines().count(), 3);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("records-0.jsonl:1: not a record"), "{stderr}");
    assert!(stderr.contains("records-0.jsonl:2: unfinished last line"), "{stderr}");
}

#[test]
fn nothing_to_report_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for runs in [folder.path().to_owned(), folder.path().join("none")] {
        let output = report(&runs, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains("hint: run `retrainer sweep --out RUNS` first"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn who_may_read_a_report_is_decided_by_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    write(&runs, true);
    for (umask, mode) in [("022", 0o644), ("007", 0o660)] {
        let script = format!("umask {umask} && exec \"$@\"");
        let out = folder.path().join(format!("{umask}.md"));
        let command = ["-c", &script, "sh", env!("CARGO_BIN_EXE_retrainer"), "report"];
        let status = Command::new("sh").args(command).arg(&runs).arg("--out").arg(&out).status().unwrap();
        assert!(status.success());
        assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, mode, "umask {umask}");
    }
}

/// Names and bytes of the files of a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn everything_is_a_folder_of_page_tables_and_figures_with_the_same_bytes_wherever_the_runs_are() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here/runs");
    let there = folder.path().join("a/longer/way/elsewhere");
    crate::figures::write(&here);
    copy(&here, &there);
    let all = |runs: &Path, out: &str| -> (PathBuf, BTreeMap<String, Vec<u8>>) {
        let out = folder.path().join(out);
        let output = report(runs, &["--all", "--out", out.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let files = contents(&out);
        (out, files)
    };
    let (out, first) = all(&here, "first");
    let tables = TABLES.iter().flat_map(|table| ["csv", "md", "tex"].map(|kind| (table.name, kind)));
    let figures = FIGURES.iter().flat_map(|figure| ["png", "svg"].map(|kind| (figure.name, kind)));
    let files = [("page", "html")].into_iter().chain(tables).chain(figures);
    let names: BTreeSet<String> = files.map(|(name, kind)| format!("{name}.{kind}")).collect();
    assert_eq!(first.keys().cloned().collect::<BTreeSet<_>>(), names);
    assert_eq!(all(&here, "first").1, first, "written over");
    assert_eq!(all(&there, "second/below").1, first, "from a copy of the runs");
    let own_year = 1970 + std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 31_556_952;
    for (name, bytes) in first.iter().filter(|(name, _)| !name.ends_with(".png")) {
        let text = text(bytes);
        for private in [folder.path(), &out, &std::env::current_dir().unwrap()] {
            assert!(!text.contains(private.to_str().unwrap()), "{name} names {}", private.display());
        }
        assert!(!text.contains(&format!("{own_year}-")), "{name} has a date");
    }
}

/// The groups of the field under their own rule are those that records have numbers of.
#[test]
fn groups_are_those_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    crate::figures::write(&runs);
    let shown = rows(&runs, &["--groups", "100,20", "--classes", "ends=0,5"]);
    assert!(!shown.is_empty());
    for row in &shown {
        for (group, field) in [("> 100", "many"), ("20 to 100", "medium"), ("< 20", "few")] {
            let mean = |key: String| row[key]["mean"].as_f64().unwrap();
            let (own, field) = (mean(format!("top1.group.{group}")), mean(format!("top1.{field}")));
            // Accuracies of classes are f32 in records.
            assert!((own - field).abs() < 1e-6, "{row}");
        }
    }
    let told = report(&runs, &["--groups", "quantiles:2", "--classes", "ends=0,5", "--format", "markdown"]);
    let table = text(&told.stdout);
    assert!(table.contains("| all | 1/2 (500 to 80) | 2/2 (40 to 5) | ends | gain |"), "{table}");
    assert!(table.contains("sets of classes: ends (2 classes)"), "{table}");
    for (arguments, words) in [
        (["--groups", "20,100"], "thresholds that fall"),
        (["--classes", "ends"], "a name and classes"),
        (["--classes", "ends=6"], "classes are counted from 0 to 5"),
    ] {
        let output = report(&runs, &arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

#[test]
fn a_table_class_by_class_says_what_each_is_taken_for() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    crate::figures::write(&runs);
    let told = report(&runs, &["--table", "classes", "--format", "markdown"]);
    let table = text(&told.stdout);
    assert!(
        table.contains(
            "| class | name | n | group | test | lort | stage1 | difference | most confused with | share |"
        ),
        "{table}"
    );
    let first =
        "| 0 | class 0 | 500 | many | 40 | 82.50 ± 17.68 | 100.00 ± 0.00 | -17.50 | class 1 | 12.50 |";
    assert!(table.contains(first), "{table}");
    assert!(table.contains("`lort` (delta="), "{table}");
    let shown = rows(&runs, &["--table", "classes", "--method", "ce"]);
    assert_eq!(shown.len(), 6);
    for row in &shown {
        // A class without a wrong image is taken for no other.
        let all_right = row["top1.ce"]["mean"].as_f64().unwrap() >= 1.0;
        assert_eq!(row["confused_with"].is_string(), !all_right, "{row}");
    }
}
