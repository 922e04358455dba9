//! `retrainer sweep`: every head once, whatever happens in between.

use crate::program::{Workplace, bytes, stderr, stdout, wait_until};
use cache::{HeadKind, synthetic::SyntheticCache};
use experiment::{
    methods::METHODS,
    metrics::{TOP1, TOP5},
    records::{RunStore, run_id},
    select::{Protocol, select, selected_detail},
};
use std::collections::BTreeSet;

const GRID: &str = r#"
seeds = [0, 1]
epochs = 3
batch_size = 16
[[method]]
name = "stage1"
[[method]]
name = "tau-norm"
tau = [0.5, 1.0]
[[method]]
name = "lort"
delta = [0.5, 0.98]
lr = [1e-3, 1e-2]
[[method]]
name = "focal"
lr = 1e-2
weight_decay = [0.0, 1e-2]
"#;

#[test]
fn a_sweep_records_every_head_once_and_resumes_to_nothing() {
    let place = Workplace::new(&SyntheticCache::default());
    let output = place.sweep(GRID, "runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(place.records("runs").len(), 15);
    assert!(stderr(&place.sweep(GRID, "runs")).contains("nothing to do"));
    assert_eq!(place.records("runs").len(), 15);
}

#[test]
fn a_grown_grid_adds_only_what_is_new() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(GRID, "runs");
    let before = place.records("runs");
    place.sweep(&GRID.replace("[1e-3, 1e-2]", "[1e-3, 1e-2, 1e-1]"), "runs");
    let after = place.records("runs");
    assert_eq!(after.len(), 19);
    assert!(before.iter().all(|(id, record)| after[id] == *record));
}

#[test]
fn a_sweep_that_was_killed_ends_like_one_that_was_not() {
    let place = Workplace::new(&SyntheticCache::default());
    // One head a group and one worker: records come one by one, so that the kill falls between them.
    let slow = GRID.replace("epochs = 3", "epochs = 30");
    let arguments = ["--workers", "1", "--group-memory", "0"];
    assert!(place.sweep_command(&slow, "whole").args(arguments).status().unwrap().success());
    let mut killed = place.sweep_command(&slow, "runs").args(arguments).spawn().unwrap();
    wait_until("a record", || bytes(&place.path("runs")) > 0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let partly = place.records("runs").len();
    assert!(partly < 15, "the kill came too late: {partly}");
    let output = place.sweep_command(&slow, "runs").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let (whole, parts) = (place.records("whole"), place.records("runs"));
    assert!(whole.keys().eq(parts.keys()), "other records than in one piece");
    for (id, record) in &whole {
        let top1 = |record: &serde_json::Value| record["metrics"]["last"]["top1.all"].as_f64().unwrap();
        assert!((top1(record) - top1(&parts[id])).abs() < 1e-9, "{record}");
    }
}

#[test]
fn a_sweep_stopped_on_request_says_so_and_goes_on() {
    let place = Workplace::new(&SyntheticCache::default());
    let slow = GRID.replace("epochs = 3", "epochs = 60");
    let arguments = ["--workers", "1", "--group-memory", "0"];
    let mut command = place.sweep_command(&slow, "runs");
    let stopped = command.args(arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("a record", || bytes(&place.path("runs")) > 0);
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &stopped.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let output = stopped.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("stopped on request"), "{}", stderr(&output));
    assert!(place.records("runs").len() < 15, "the stop came too late");
    assert!(place.sweep_command(&slow, "runs").args(arguments).status().unwrap().success());
    assert_eq!(place.records("runs").len(), 15);
}

#[test]
fn group_sizes_and_worker_counts_do_not_change_accuracies() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(GRID, "wide");
    place.sweep_command(GRID, "narrow").args(["--workers", "1", "--group-memory", "0"]).status().unwrap();
    let (wide, narrow) = (place.records("wide"), place.records("narrow"));
    assert!(wide.keys().eq(narrow.keys()));
    for (id, record) in &wide {
        let top1 = |record: &serde_json::Value| record["metrics"]["last"]["top1.all"].as_f64().unwrap();
        assert!((top1(record) - top1(&narrow[id])).abs() < 1e-9, "{record}");
    }
}

#[test]
fn partitions_share_the_work_without_overlap() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(GRID, "whole");
    for part in ["1/2", "2/2"] {
        let output = place.sweep_command(GRID, "runs").args(["--partition", part]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let (whole, parts) = (place.records("whole"), place.records("runs"));
    assert!(whole.keys().eq(parts.keys()), "other records than in one piece");
    for (id, record) in &whole {
        let top1 = |record: &serde_json::Value| record["metrics"]["last"]["top1.all"].as_f64().unwrap();
        assert!((top1(record) - top1(&parts[id])).abs() < 1e-9, "{record}");
    }
}

#[test]
fn diverged_heads_are_recorded_and_the_exit_code_says_so() {
    let place = Workplace::new(&SyntheticCache::default());
    let output = place.sweep("epochs = 2\n[[method]]\nname = \"ce\"\nlr = [1e-3, 1e38]\n", "runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 of 2 heads diverged"));
    // The same command has the same result, however much of it was done before.
    let again = place.sweep("epochs = 2\n[[method]]\nname = \"ce\"\nlr = [1e-3, 1e38]\n", "runs");
    assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
    assert!(stderr(&again).contains("1 recorded heads diverged") && stderr(&again).contains("nothing to do"));
    let without = place.sweep("epochs = 2\n[[method]]\nname = \"ce\"\nlr = 1e-3\n", "runs");
    assert_eq!(without.status.code(), Some(0), "{}", stderr(&without));
    let statuses: Vec<_> = place.records("runs").values().map(|record| record["status"].clone()).collect();
    assert!(statuses.contains(&"ok".into()) && statuses.contains(&"diverged".into()));
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let place = Workplace::new(&SyntheticCache::default());
    let output = place.sweep_command(GRID, "runs").args(["--dry-run", "--workers", "2"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!place.path("runs").exists());
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"at least .*", "at least  [time]");
    settings.bind(|| {
        insta::assert_snapshot!(stdout(&output), @"
        cache     a99b8bb2a34e4224
        features  N = 228, D = 12, C = 5; val 40, test 100, clean + flipped
        heads     15 to do, 0 done
        groups    5 of up to 3 heads, 2 workers
        memory    101 MB beside the mapped cache
        work      0.003 GFLOP in matrix products
        at least  [time]
        array     not worth one: a task should have ten minutes of work
        ")
    });
}

#[test]
fn a_method_can_be_swept_over_its_default_grid_without_a_file() {
    let place = Workplace::new(&SyntheticCache::default());
    let sweep = |methods: &str| {
        place.run(&[
            "sweep", "--device", "cpu", "--cache", "cache", "--out", "runs", "--seeds", "4", "--method",
            methods,
        ])
    };
    let output = sweep("los,tau-norm");
    assert!(output.status.success(), "{}", stderr(&output));
    let records = place.records("runs");
    let of = |method: &str| records.values().filter(|record| record["method"] == method).collect::<Vec<_>>();
    assert_eq!((of("lort").len(), of("tau-norm").len(), records.len()), (6 * 4, 21, 45));
    assert!(of("lort").iter().all(|record| record["seed"] == 4 && record["params"]["epochs"] == 20.0));
    let output = sweep("lort,tau-nrom");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stderr(&output), @"
    error: default grids:6:8: unknown method `tau-nrom`
    hint: did you mean `tau-norm`?
    ");
    // What `methods --format json` says is what runs.
    let output = place.run(&["methods", "--format", "json"]);
    let methods: Vec<serde_json::Value> = serde_json::from_str(&stdout(&output)).unwrap();
    let lort = methods.iter().find(|method| method["name"] == "lort").unwrap();
    assert!(lort["grid"].as_str().unwrap().starts_with("delta = ["));
}

#[test]
fn precision_is_part_of_a_runs_identity_and_of_its_row() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = "seeds = [0, 1]\nepochs = 2\n[[method]]\nname = \"lort\"\n";
    let sweep = |precision: &str| {
        let output = place.sweep_command(grid, "runs").args(["--precision", precision]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(sweep("f32").contains("2 to do"));
    assert!(sweep("bf16").contains("of bf16 inputs"));
    // A CPU's products are f32: what was asked for is there already.
    let tf32 = sweep("tf32");
    assert!(tf32.contains("note: a CPU has no tf32") && tf32.contains("nothing to do"), "{tf32}");
    // The grid may say it too.
    assert!(stderr(&place.sweep(&format!("precision = \"bf16\"\n{grid}"), "runs")).contains("nothing to do"));
    let records = place.records("runs");
    let of = |precision: &str| records.values().filter(|record| record["precision"] == precision).count();
    assert_eq!((of("f32"), of("bf16"), records.len()), (2, 2, 4));
    let output = place.run(&["report", "runs", "--select", "last", "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&stdout(&output)).unwrap();
    let narrow = rows.iter().filter(|row| row["params"]["precision"] == "bf16").count();
    assert_eq!((rows.len(), narrow), (2, 1), "two rows of two seeds each");
    // Exported weights are those that were measured.
    let (id, record) = records.iter().find(|(_, record)| record["precision"] == "bf16").unwrap();
    let output =
        place.run(&["export", "runs", "--run", id, "--out", "head", "--select", "last", "--device", "cpu"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = place.run(&["evaluate", "--head", "head", "--cache", "cache", "--format", "json"]);
    let metrics: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(metrics["top1.all"], record["metrics"]["last"]["top1.all"]);
}

#[test]
fn a_sweep_with_nothing_left_needs_nothing_and_keeps_the_manifest() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(GRID, "runs");
    // As records of a program that kept no manifests.
    std::fs::remove_dir_all(place.path("runs/caches")).unwrap();
    let dry = place.sweep_command(GRID, "runs").arg("--dry-run").output().unwrap();
    assert!(stdout(&dry).contains("heads     0 to do, 15 done"), "{}", stdout(&dry));
    assert!(stdout(&dry).ends_with("work      0.000 GFLOP in matrix products\n"), "{}", stdout(&dry));
    assert!(!place.path("runs/caches").exists());
    assert!(stderr(&place.sweep(GRID, "runs")).contains("nothing to do"));
    assert_eq!(std::fs::read_dir(place.path("runs/caches")).unwrap().count(), 1);
}

#[test]
fn the_preset_everything_runs_every_method() {
    let place = Workplace::new(&SyntheticCache::default());
    let output = place.run(&[
        "sweep",
        "--device",
        "cpu",
        "--cache",
        "cache",
        "--preset",
        "everything",
        "--out",
        "runs",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let records = place.records("runs");
    for method in METHODS {
        let mut of = records.values().filter(|record| record["method"] == method.name);
        let record = of.next().unwrap_or_else(|| panic!("`{}` was not run", method.name));
        // Better than chance, on five classes that overlap.
        let top1 = record["metrics"]["last"]["top1.all"].as_f64().unwrap();
        assert!(record["status"] == "ok" && top1 > 0.25, "{record}");
    }
}

#[test]
fn augmented_views_take_turns_and_change_the_result() {
    let place = Workplace::new(&SyntheticCache { augmented: 2, ..SyntheticCache::default() });
    let grid = "epochs = 3\nbatch_size = 16\nview = [\"clean\", \"augmented\"]\n[[method]]\nname = \"ce\"\nlr = 1e-2\n";
    assert!(place.sweep(grid, "runs").status.success());
    let values: Vec<_> =
        place.records("runs").into_values().map(|record| record["metrics"]["last"].clone()).collect();
    assert_ne!(values[0], values[1]);
}

/// One protocol after another: each sweep does what is missing, and the report joins their records.
#[test]
fn a_protocol_that_was_left_out_can_be_added_later() {
    let place = Workplace::new(&SyntheticCache::default());
    let sweep = |protocols: &str| {
        let output = place.sweep_command(GRID, "runs").args(["--protocols", protocols]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    let report = |select: &str| place.run(&["report", "runs", "--select", select, "--format", "json"]);
    assert!(sweep("last").contains("15 to do"));
    let failed = report("val");
    assert_eq!(failed.status.code(), Some(2));
    assert!(stderr(&failed).contains("--select-by top1"), "{}", stderr(&failed));
    assert!(report("last").status.success());
    // Heads without training have one state, which serves every protocol.
    assert!(sweep("val").contains("12 to do, 3 done"));
    assert!(sweep("best-on-test").contains("12 to do, 3 done"));
    assert!(sweep("last,val,best-on-test").contains("nothing to do"));
    // The same numbers as of a sweep that recorded everything at once.
    place.sweep(GRID, "whole");
    for select in ["last", "val", "best-on-test"] {
        let rows = |runs: &str| -> Vec<serde_json::Value> {
            let output = place.run(&["report", runs, "--select", select, "--format", "json"]);
            let rows: Vec<serde_json::Value> = serde_json::from_str(&stdout(&output)).unwrap();
            let told = ["method", "params", "select", "metrics"];
            rows.iter().map(|row| told.map(|name| row[name].clone()).into()).collect()
        };
        assert_eq!(rows("whole").len(), if select == "last" { 9 } else { 4 });
        assert_eq!(rows("whole"), rows("runs"), "{select}");
    }
}

#[test]
fn a_record_has_the_curves_that_its_protocols_looked_at() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep_command(GRID, "val").args(["--protocols", "val"]).status().unwrap();
    place.sweep(GRID, "all");
    for (runs, has_test) in [("val", false), ("all", true)] {
        for record in place.records(runs).values() {
            let trained = ["lort", "focal"].contains(&record["method"].as_str().unwrap());
            let length = |name: &str| record["curve"][name].as_array().map(Vec::len);
            assert_eq!(length("val.top1.all"), trained.then_some(3));
            assert_eq!(length("top1.all"), (trained && has_test).then_some(3));
            if trained && has_test {
                let curve = record["curve"]["top1.all"].as_array().unwrap();
                let best = curve.iter().map(|score| score.as_f64().unwrap()).fold(0.0, f64::max);
                let recorded = record["metrics"]["best_on_test"]["top1.all"].as_f64().unwrap();
                assert!((best - recorded).abs() < 2e-6);
            }
        }
    }
}

/// A sweep without the score is completed by one with it, and a report by it tells its numbers under its own name.
#[test]
fn epochs_and_settings_are_chosen_by_validation_nll_where_it_is_asked_for() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = GRID.replace("epochs = 3", "epochs = 6");
    assert!(place.sweep(&grid, "runs").status.success());
    let before = place.records("runs");
    assert!(before.values().all(|record| record["metrics"].get("val_nll_selected").is_none()));
    let report = |arguments: &[&str]| place.run(&[&["report", "runs", "--select-by"], arguments].concat());
    let old = report(&["nll"]);
    assert_eq!(old.status.code(), Some(2));
    assert!(stderr(&old).contains("have no state for `val-nll`"), "{}", stderr(&old));
    assert!(stderr(&old).contains("again with `--select-by nll`"), "{}", stderr(&old));
    let sweep = |runs| place.sweep_command(&grid, runs).args(["--select-by", "nll"]).output().unwrap();
    let first = sweep("runs");
    assert!(first.status.success());
    assert!(stderr(&first).contains("next: retrainer report runs --select-by nll\n"), "{}", stderr(&first));
    let again = sweep("runs");
    assert!(stderr(&again).contains("nothing to do"), "{}", stderr(&again));
    assert!(sweep("new").status.success());
    let records = place.records("new");
    for record in records.values().filter(|record| record["curve"].is_object()) {
        let curve: Vec<f64> =
            record["curve"]["val.nll"].as_array().unwrap().iter().map(|nll| nll.as_f64().unwrap()).collect();
        let lowest = curve.iter().copied().fold(f64::INFINITY, f64::min);
        let first = curve.iter().position(|&nll| nll == lowest).unwrap() + 1;
        let state = &record["metrics"]["val_nll_selected"];
        assert_eq!(state["epoch"].as_u64(), Some(first as u64), "{record}");
        // The curve has six digits.
        assert!((state["val.nll"].as_f64().unwrap() - lowest).abs() < 1e-6);
    }
    assert!(records.values().any(|record| record["curve"].is_object()));
    for arguments in [&["nll"][..], &["nll", "--select", "val"], &["nll", "--select", "val-nll"]] {
        let output = report(&[arguments, &["--format", "json"]].concat());
        let rows: Vec<serde_json::Value> = serde_json::from_str(&stdout(&output)).unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(row["select"], "val-nll");
            assert!(row["val.nll"].is_f64() && row.get("val.top1.all").is_none(), "{row}");
        }
    }
    let told = stdout(&report(&["nll", "--format", "markdown"]));
    assert!(told.contains("select val-nll: epoch and hyper-parameters chosen by validation NLL"), "{told}");
    let neither = report(&["nll", "--select", "last"]);
    assert_eq!(neither.status.code(), Some(2));
    assert!(stderr(&neither).contains("`last` does not choose on the validation split by `nll`"));
}

/// Each score chooses its own epoch of the same heads, and every report says by which.
#[test]
fn macro_f1_and_few_shot_accuracy_choose_epochs_and_settings_where_they_are_asked_for() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = GRID.replace("epochs = 3", "epochs = 6");
    for (score, protocol, curve, state) in [
        ("macro-f1", "val-macro-f1", "val.macro_f1", "val_macro_f1_selected"),
        ("few", "val-few", "val.top1.few", "val_few_selected"),
    ] {
        assert!(place.sweep_command(&grid, "runs").args(["--select-by", score]).status().unwrap().success());
        let again = place.sweep_command(&grid, "runs").args(["--select-by", score]).output().unwrap();
        assert!(stderr(&again).contains("nothing to do"), "{}", stderr(&again));
        let place_of = |record: &serde_json::Value| {
            let scores: Vec<f64> =
                record["curve"][curve].as_array()?.iter().map(|score| score.as_f64().unwrap()).collect();
            let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let first = scores.iter().position(|&score| score == highest).unwrap() + 1;
            Some((first as u64, record["metrics"][state]["epoch"].as_u64().unwrap()))
        };
        // Of the two records of a run the one of this sweep has the curve.
        let lines = std::fs::read_dir(place.path("runs")).unwrap().flatten().map(|entry| entry.path());
        let lines = lines.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
        let lines: Vec<String> = lines.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let records = lines.iter().flat_map(|text| text.lines());
        let places: Vec<_> =
            records.filter_map(|line| place_of(&serde_json::from_str(line).unwrap())).collect();
        assert!(!places.is_empty() && places.iter().all(|(first, epoch)| first == epoch), "{places:?}");
        let report = place.run(&["report", "runs", "--select-by", score, "--format", "json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&stdout(&report)).unwrap();
        assert!(!rows.is_empty());
        assert!(rows.iter().all(|row| row["select"] == protocol && row[curve].is_f64()), "{rows:?}");
    }
    let without = Workplace::new(&SyntheticCache { class_counts: vec![200, 30, 20], ..Default::default() });
    let refused = without.sweep_command(&grid, "runs").args(["--select-by", "few"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("fewer than 20 training samples"), "{}", stderr(&refused));
}

/// Each state that a protocol selects has per-class numbers and hits of its own; equal epochs share them.
#[test]
fn every_state_that_a_protocol_selects_is_recorded_with_its_numbers_and_hits() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = GRID.replace("epochs = 3", "epochs = 8");
    assert!(place.sweep(&grid, "runs").status.success());
    for record in place.records("runs").values() {
        let states = ["last", "best_on_test", "val_selected"];
        let epochs = states.map(|state| record["metrics"][state]["epoch"].as_u64());
        let others: BTreeSet<u64> = epochs.into_iter().flatten().filter(|&e| Some(e) != epochs[0]).collect();
        let stored = record["per_class_at"].as_object().into_iter().flatten();
        let stored: BTreeSet<u64> = stored.map(|(epoch, _)| epoch.parse().unwrap()).collect();
        assert_eq!(stored, others, "{record}");
    }
    let store = RunStore::open(&place.path("runs")).unwrap();
    let records = store.records(&store.runs().iter().map(|run| &*run.run_id).collect()).unwrap();
    let mut other_states = 0;
    for protocol in [Protocol::Last, Protocol::Val, Protocol::BestOnTest] {
        for row in select(&store.runs().iter().collect::<Vec<_>>(), protocol).unwrap() {
            for seed in row.seeds() {
                let record = &records[&*seed.run_id];
                let top1 = seed.values.get(TOP1.all).unwrap();
                // Of five classes all are among the five.
                assert_eq!(seed.values.get(TOP5.all), Some(1.0));
                let detail = selected_detail(record, seed).unwrap().unwrap();
                assert_eq!((detail.top1, detail.per_class.accuracy.len()), (top1, 5));
                let distributions = detail.per_class.distributions.as_ref().unwrap();
                assert!(distributions.reliability.is_some() && distributions.positive.many.is_some());
                let hits = detail.hits().unwrap().unwrap();
                assert_eq!((hits.samples(), hits.top1()), (&[20; 5][..], Some(top1)));
                other_states += usize::from(record.metrics.get(Protocol::Last).unwrap().epoch != seed.epoch);
            }
        }
    }
    assert!(other_states > 0, "no protocol chose an epoch before the last");
    // A head trained by itself and one swept by protocol after protocol tell the same.
    for protocols in ["last", "val", "best-on-test"] {
        assert!(
            place.sweep_command(&grid, "parts").args(["--protocols", protocols]).status().unwrap().success()
        );
    }
    for select in ["val", "best-on-test"] {
        let rows = |runs: &str| -> Vec<serde_json::Value> {
            let output = place.run(&["report", runs, "--select", select, "--format", "json"]);
            let rows: Vec<serde_json::Value> = serde_json::from_str(&stdout(&output)).unwrap();
            rows.into_iter().map(|row| row["gain"].clone()).collect()
        };
        let gains = rows("runs");
        assert_eq!(gains, rows("parts"), "{select}");
        assert!(gains.iter().filter(|gain| gain["p_images"].is_f64()).count() == 3, "{gains:?}");
    }
}

#[test]
fn exported_weights_have_the_recorded_accuracy() {
    check_exports(&SyntheticCache::default());
}

#[test]
fn exported_weights_on_a_cosine_stage_1_head_have_the_recorded_accuracy() {
    check_exports(&SyntheticCache { head_kind: HeadKind::Cosine, ..SyntheticCache::default() });
}

fn check_exports(cache: &SyntheticCache) {
    let place = Workplace::new(cache);
    let kinds = ["cosine", "lws", "disalign", "ncm"].map(|name| format!("[[method]]\nname = \"{name}\"\n"));
    let grid = format!("{GRID}{}", kinds.concat());
    assert!(place.sweep(&grid, "runs").status.success());
    // One head of each kind of work: the program starts twice for each state.
    let records = place.records("runs");
    let first = |method: &str| records.iter().find(|(_, record)| record["method"] == method).unwrap();
    for (id, record) in ["tau-norm", "lort", "cosine", "lws", "disalign", "ncm"].map(first) {
        for (select, state) in [("last", "last"), ("val", "val_selected"), ("best-on-test", "best_on_test")] {
            let output = place.run(&[
                "export",
                "runs",
                "--run",
                id,
                "--out",
                "head.safetensors",
                "--select",
                select,
                "--device",
                "cpu",
            ]);
            assert!(output.status.success(), "{}", stderr(&output));
            let output = place.run(&[
                "evaluate",
                "--head",
                "head.safetensors",
                "--cache",
                "cache",
                "--format",
                "json",
            ]);
            let metrics: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
            // Heads without training have one state.
            let metric = |name: &str| {
                let states = &record["metrics"];
                states.get(state).unwrap_or(&states["last"])[name].as_f64().unwrap()
            };
            assert!((metrics["top1.all"].as_f64().unwrap() - metric("top1.all")).abs() < 1e-9, "{record}");
            assert!((metrics["nll"].as_f64().unwrap() - metric("nll")).abs() < 1e-4, "{record}");
        }
    }
}

/// A record of an earlier revision is no result of today's method: the sweep makes its own, and export refuses the old one.
#[test]
fn a_record_of_an_earlier_revision_is_neither_taken_for_done_nor_exported() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid = "[[method]]\nname = \"ncm\"\ndistance = \"l2\"\n";
    assert!(place.sweep(grid, "new").status.success());
    let (id, record) = place.records("new").into_iter().next().unwrap();
    assert_eq!(record["params"]["revision"], 2);
    let files = std::fs::read_dir(place.path("new")).unwrap().map(|entry| entry.unwrap().path());
    let text: String =
        files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    // The record as the earlier version wrote it.
    let line = text.replace(",\"revision\":2", "");
    let params = serde_json::from_str::<serde_json::Value>(&line).unwrap()["params"].take();
    let params = serde_json::from_value(params).unwrap();
    let old = run_id(record["cache_key"].as_str().unwrap(), "ncm", &params, 0, "f32");
    assert_ne!(old, id);
    std::fs::create_dir(place.path("runs")).unwrap();
    std::fs::write(place.path("runs").join("old.jsonl"), line.replace(&id, &old)).unwrap();
    assert!(place.sweep(grid, "runs").status.success());
    assert_eq!(place.records("runs").len(), 2);
    let output =
        place.run(&["export", "runs", "--run", &old, "--out", "head.safetensors", "--cache", "cache"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("revision 1 of `ncm`"), "{}", stderr(&output));
    assert!(!place.path("head.safetensors").exists());
}
